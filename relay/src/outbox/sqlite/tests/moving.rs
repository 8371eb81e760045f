//! Copies: what is in them, and who takes them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::files::{assert_all_is_there, fill};
use super::{open, open_existing, raw, store};
use crate::outbox::conformance::rig::{ANN, BOB, at, inbound, to_genesys};
use crate::outbox::sqlite::{FILE, ImportError, Imported, SqliteOutbox, import};
use crate::outbox::{LetterSelection, Outbox as _};

async fn export(outbox: &SqliteOutbox) -> Vec<u8> {
    let mut copy = Vec::new();
    let mut file: File = outbox.export().await.unwrap();
    file.read_to_end(&mut copy).unwrap();
    copy
}

fn take(directory: &Path, copy: &[u8]) -> Result<Imported, ImportError> {
    import(directory, &mut &copy[..], at(50))
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A copy of a stopped relay's outbox with something of everything.
async fn copy_of_a_stopped_one() -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    fill(&outbox).await;
    outbox.close().await.unwrap();
    drop(outbox);
    export(&open_existing(home.path())).await
}

#[tokio::test]
async fn a_stopped_bridge_moves_with_everything() {
    let copy = copy_of_a_stopped_one().await;
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("made");
    let imported = take(&directory, &copy).unwrap();
    let expected = Imported {
        waiting: 3,
        dead_letters: 1,
        copied: 0,
    };
    assert_eq!(imported, expected);
    assert_all_is_there(&open(&directory)).await;
}

#[tokio::test]
async fn what_waits_in_a_copy_of_a_running_one_is_not_sent_a_second_time_by_itself() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outbox = open(home.path());
    fill(&outbox).await;
    let copy = export(&outbox).await;
    // The relay goes on.
    store(&outbox, inbound(BOB, "later", at(3))).await;
    assert_eq!(outbox.stats().await.unwrap().inbound, 3);
    let imported = take(other.path(), &copy).unwrap();
    assert_eq!(
        (imported.waiting, imported.copied, imported.dead_letters),
        (0, 3, 4)
    );
    let moved = open(other.path());
    assert!(moved.lanes().await.unwrap().is_empty());
    assert_eq!(
        moved.stats().await.unwrap().receipts,
        0,
        "nobody is told a second time"
    );
    let letters = moved.dead_letters(9).await.unwrap();
    assert_eq!(letters[1].reason, "copied");
    // Somebody decides that the other relay is gone for good.
    let chosen = LetterSelection::One(letters[1].id);
    moved.replay(chosen).await.unwrap();
    let head = moved.head(&to_genesys(ANN)).await.unwrap().unwrap();
    assert_eq!(head.payload, b"first");
}

#[tokio::test]
async fn an_export_leaves_no_file_behind_and_takes_no_unused_pages() {
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    let before = files(home.path());
    for number in 0..200 {
        let row = crate::outbox::NewRow {
            payload: vec![7; 4000],
            ..inbound(ANN, &number.to_string(), at(0))
        };
        let seq = store(&outbox, row).await;
        outbox.complete(seq).await.unwrap();
    }
    let first = export(&outbox).await;
    // What an interrupted one has left is in nobody's way.
    std::fs::write(home.path().join("export.sqlite3"), "left").unwrap();
    let second = export(&outbox).await;
    assert_eq!(first.len(), second.len());
    assert!(first.len() < 400_000, "{}", first.len());
    assert_eq!(files(home.path()), before);
}

#[tokio::test]
async fn only_an_empty_directory_is_filled() {
    let copy = copy_of_a_stopped_one().await;
    let home = tempfile::tempdir().unwrap();
    for found in ["outbox.sqlite3", "integration.json"] {
        let file = home.path().join(found);
        std::fs::write(&file, "something").unwrap();
        let error = take(home.path(), &copy).unwrap_err().to_string();
        assert!(
            error.contains(found) && error.contains("--data-dir"),
            "{error}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), b"something");
        std::fs::remove_file(&file).unwrap();
    }
    std::fs::write(home.path().join("lock"), "").unwrap();
    take(home.path(), &copy).unwrap();
    let again = take(home.path(), &copy).unwrap_err();
    assert!(matches!(again, ImportError::NotEmpty { .. }), "{again}");
}

#[tokio::test]
async fn what_is_no_whole_copy_is_refused_and_leaves_the_directory_empty() {
    let copy = copy_of_a_stopped_one().await;
    let home = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8]| {
        let error = take(home.path(), bytes).unwrap_err().to_string();
        assert!(
            files(home.path()).iter().all(|name| name == "lock"),
            "{error}"
        );
        error
    };
    let cut = refused(&copy[..copy.len() - 4096]);
    assert!(cut.contains("damaged or incomplete"), "{cut}");
    for strange in [
        b"".as_slice(),
        b"something else altogether, and not a database".as_slice(),
    ] {
        let error = refused(strange);
        assert!(error.contains("no export of an outbox"), "{error}");
    }
    let mut flipped = copy.clone();
    let middle = flipped.len() / 4096 / 2 * 4096;
    flipped[middle..middle + 64].fill(0xff);
    let error = refused(&flipped);
    assert!(error.contains("damaged or incomplete"), "{error}");
}

#[tokio::test]
async fn a_data_file_that_was_copied_by_hand_is_no_copy() {
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    outbox.close().await.unwrap();
    let bytes = std::fs::read(home.path().join(FILE)).unwrap();
    let other = tempfile::tempdir().unwrap();
    let error = take(other.path(), &bytes).unwrap_err();
    assert!(matches!(error, ImportError::NotACopy), "{error}");
}

#[tokio::test]
async fn a_copy_of_a_newer_relay_is_refused_with_both_versions() {
    let copy = copy_of_a_stopped_one().await;
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = home.path().join(FILE);
    File::create(&path).unwrap().write_all(&copy).unwrap();
    raw(home.path())
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = take(other.path(), &std::fs::read(&path).unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("is version 99") && error.contains("knows up to"),
        "{error}"
    );
}

#[tokio::test]
async fn a_directory_in_which_a_relay_runs_is_refused() {
    let copy = copy_of_a_stopped_one().await;
    let home = tempfile::tempdir().unwrap();
    let _lock = super::super::volume::DirectoryLock::take(home.path()).unwrap();
    let error = take(home.path(), &copy).unwrap_err().to_string();
    assert!(error.contains("in use by another relay"), "{error}");
}

#[tokio::test]
async fn an_imported_file_is_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = copy_of_a_stopped_one().await;
    let home = tempfile::tempdir().unwrap();
    take(home.path(), &copy).unwrap();
    let mode = std::fs::metadata(home.path().join(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
