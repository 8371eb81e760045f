//! The files: what is in them after a restart or a crash, and which are refused.

use rstest::rstest;

use super::{
    head_name, open, open_existing, patiently, raw, refusal, store, try_open, try_open_existing,
};
use crate::outbox::conformance::rig::{
    ANN, BUDGET, at, identity, inbound, outbound, refused, to_genesys, to_twilio,
};
use crate::outbox::sqlite::{FILE, SqliteOutbox};
use crate::outbox::{
    Appended, Deferral, LetterSelection, Mark, NewRow, Outbox as _, OutboxError, SendId,
};

/// Something of everything.
pub(super) async fn fill(outbox: &SqliteOutbox) {
    store(outbox, inbound(ANN, "first", at(1))).await;
    store(outbox, inbound(ANN, "second", at(1))).await;
    let dead = store(outbox, inbound(ANN, "dead", at(1))).await;
    outbox.dead_letter(dead, 0, refused(at(2))).await.unwrap();
    let seq = store(outbox, outbound(ANN, "marked", at(1))).await;
    let mark = Mark {
        seq,
        send: SendId::new("s1"),
        part: 0,
        parts: 1,
        genesys_id: outbound(ANN, "marked", at(1)).genesys_id,
        customer: crate::message::CustomerId::new(ANN),
        at: at(3),
    };
    assert!(outbox.mark(mark).await.unwrap());
    outbox
        .defer(
            seq,
            Deferral {
                until: at(9),
                tried: true,
                strike: true,
            },
        )
        .await
        .unwrap();
}

pub(super) async fn assert_all_is_there(outbox: &SqliteOutbox) {
    assert_eq!(
        outbox.append(inbound(ANN, "first", at(4))).await.unwrap(),
        Appended::Duplicate
    );
    let stats = outbox.stats().await.unwrap();
    assert_eq!(
        (stats.inbound, stats.outbound, stats.dead_letters),
        (2, 1, 1)
    );
    assert_eq!(
        stats.bytes,
        ["first", "second", "marked"].concat().len() as u64
    );
    assert_eq!(
        (stats.oldest_inbound, stats.oldest_outbound),
        (Some(at(1)), Some(at(1)))
    );
    let head = outbox.head(&to_twilio(ANN)).await.unwrap().unwrap();
    let doubt = head.doubt.map(|doubt| (doubt.send, doubt.marked));
    assert_eq!(doubt, Some((SendId::new("s1"), at(3))));
    assert_eq!((head.not_before, head.tries, head.strikes), (at(9), 1, 1));
    // Order and times go on where they were.
    store(outbox, inbound(ANN, "third", at(1))).await;
    let mut last = at(0);
    for name in ["first", "second", "third"] {
        let head = outbox.head(&to_genesys(ANN)).await.unwrap().unwrap();
        assert_eq!(head.payload, name.as_bytes());
        assert!(head.time > last, "{name}");
        last = head.time;
        outbox.complete(head.seq).await.unwrap();
    }
}

#[tokio::test]
async fn everything_is_there_after_a_crash() {
    let (home, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outbox = open(home.path());
    fill(&outbox).await;
    // What a crash leaves: the files as they are, nothing written back, the index of the log lost.
    for file in [FILE.to_owned(), format!("{FILE}-wal")] {
        std::fs::copy(home.path().join(&file), crashed.path().join(&file)).unwrap();
    }
    assert_all_is_there(&open(crashed.path())).await;
}

#[tokio::test]
async fn everything_is_there_after_a_drop_without_close() {
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    fill(&outbox).await;
    drop(outbox);
    assert_all_is_there(&open(home.path())).await;
}

#[tokio::test]
async fn everything_is_there_after_a_close_and_in_one_file() {
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    fill(&outbox).await;
    outbox.close().await.unwrap();
    drop(outbox);
    assert!(
        !home.path().join(format!("{FILE}-wal")).exists(),
        "the log was written back"
    );
    assert_all_is_there(&open(home.path())).await;
}

#[tokio::test]
async fn the_budget_counts_what_waited_before_the_start() {
    let home = tempfile::tempdir().unwrap();
    let row = |name: &str| NewRow {
        payload: vec![7; 60_000],
        ..inbound(ANN, name, at(0))
    };
    drop(open_and_store(home.path(), row("a")).await);
    let clock = std::sync::Arc::new(crate::clock::ManualClock::new(at(0)));
    let outbox = SqliteOutbox::open(home.path(), &identity(), BUDGET, clock).unwrap();
    assert!(matches!(
        outbox.append(row("b")).await,
        Err(OutboxError::Full { bytes: 60_000, .. })
    ));
}

async fn open_and_store(directory: &std::path::Path, row: NewRow) -> SqliteOutbox {
    let outbox = open(directory);
    store(&outbox, row).await;
    outbox
}

#[tokio::test]
async fn a_file_of_a_newer_relay_is_refused_by_name_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    open_and_store(home.path(), inbound(ANN, "a", at(0)))
        .await
        .close()
        .await
        .unwrap();
    let version = |to: Option<i32>| {
        let db = raw(home.path());
        if let Some(to) = to {
            db.pragma_update(None, "user_version", to).unwrap();
        }
        db.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0))
            .unwrap()
    };
    let ours = version(None);
    version(Some(99));
    for opened in [
        patiently(|| try_open(home.path(), &identity())),
        patiently(|| try_open_existing(home.path())),
    ] {
        let error = refusal(opened);
        assert!(
            error.contains("was written by a newer relay") && error.contains("--data-dir"),
            "{error}"
        );
        let both = format!("is version 99, this relay knows up to {ours})");
        assert!(error.contains(&both), "{error}");
    }
    version(Some(ours));
    assert_eq!(
        head_name(&open(home.path()), &to_genesys(ANN))
            .await
            .unwrap(),
        "a"
    );
}

#[rstest]
#[case("a text", b"not a database, but long enough to have a header of a hundred bytes \
    ........................................................................................".as_slice())]
#[case("a damaged header", &[0; 8192])]
fn a_file_that_is_no_database_is_refused_and_left_alone(
    #[case] case: &str,
    #[case] content: &[u8],
) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE);
    std::fs::write(&path, content).unwrap();
    let error = refusal(try_open(home.path(), &identity()));
    assert!(
        error.contains(FILE) && error.contains("not a database"),
        "{case}: {error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), content, "{case}");
}

#[tokio::test]
async fn a_second_relay_on_the_same_directory_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let running = open(home.path());
    for opened in [
        try_open(home.path(), &identity()),
        try_open_existing(home.path()),
    ] {
        let error = refusal(opened);
        assert!(error.contains("is in use by another relay"), "{error}");
    }
    store(&running, inbound(ANN, "a", at(0))).await;
}

#[test]
fn another_process_sees_the_lock() {
    let home = tempfile::tempdir().unwrap();
    let running = open(home.path());
    let take = || {
        let lock = home.path().join("lock");
        std::process::Command::new("flock")
            .args(["--wait", "2"])
            .arg(lock)
            .arg("true")
            .status()
            .unwrap()
            .success()
    };
    assert!(!take());
    drop(running);
    assert!(take());
}

#[tokio::test]
async fn a_relay_that_does_not_run_can_be_inspected_and_its_dead_letters_replayed() {
    let home = tempfile::tempdir().unwrap();
    let error = refusal(try_open_existing(home.path()));
    assert!(
        error.contains("there is no") && error.contains(FILE),
        "{error}"
    );
    let outbox = open(home.path());
    fill(&outbox).await;
    drop(outbox);
    let stopped = open_existing(home.path());
    assert_eq!(stopped.dead_letters(9).await.unwrap().len(), 1);
    assert_eq!(
        stopped.replay(LetterSelection::All).await.unwrap().lanes,
        [to_genesys(ANN)]
    );
    drop(stopped);
    let stats = open(home.path()).stats().await.unwrap();
    assert_eq!((stats.inbound, stats.dead_letters), (3, 0));
}

#[test]
fn a_data_directory_that_is_a_file_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("data");
    std::fs::write(&file, "").unwrap();
    let error = refusal(try_open(&file, &identity()));
    assert!(error.contains("data"), "{error}");
}

#[tokio::test]
async fn keys_past_their_life_are_removed_and_the_others_kept() {
    const DAY: i64 = 24 * 60 * 60;
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    let appends = (0..2500).map(|n| store(&outbox, inbound(ANN, &format!("old{n}"), at(0))));
    futures_util::future::join_all(appends).await;
    let appends = (0..1500).map(|n| store(&outbox, inbound(ANN, &format!("new{n}"), at(DAY))));
    futures_util::future::join_all(appends).await;
    let mut pieces = 1;
    while outbox.purge(at(30 * DAY)).await.unwrap() {
        pieces += 1;
    }
    assert!(pieces > 2, "a piece of it at a time");
    let left: u64 = raw(home.path())
        .query_row("SELECT count(*) FROM dedup", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1500);
}

#[test]
fn a_data_directory_that_is_made_is_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("made/by the relay");
    drop(open(&directory));
    let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
