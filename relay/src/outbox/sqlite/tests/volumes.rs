//! Volumes that are small, full or read-only, for real: a tmpfs each.
//!
//! A test that mounts runs itself again in a process with a mount namespace of its own, so that nothing is left mounted
//! and nobody else sees it. Where that is impossible it fails and says why; it is never skipped.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::group_commit::{CUT_LOG_EVERY, Writer};
use super::super::{messages, schema};
use super::{PLENTY, head_name, open, patiently, refusal, store, try_open};
use crate::outbox::conformance::rig::{ANN, at, identity, inbound, to_genesys};
use crate::outbox::{Appended, NewRow, Outbox as _, OutboxError};

/// Set in the process that may mount.
const INSIDE: &str = "OUTBOX_TEST_MAY_MOUNT";
const MIB: usize = 1024 * 1024;

/// Whether this process has a mount namespace of its own. If not, the named test of this module is run in one that has.
fn may_mount(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.arg("--map-root-user");
    }
    let path = module_path!()
        .split_once("::")
        .map(|(_, path)| format!("{path}::{test}"))
        .unwrap();
    unshare
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &path])
        .env(INSIDE, "1");
    let output = unshare
        .output()
        .expect("`unshare` (util-linux) can be started");
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let passed = output.status.success() && said.contains("1 passed");
    assert!(
        passed,
        "this test needs the right to mount (root, or user namespaces):\n{said}\n{errors}"
    );
    false
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn mount(directory: &Path, size: &str) {
    run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
        .arg(directory));
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_full_disk_fails_the_append_keeps_what_was_accepted_and_recovers() {
    if may_mount("a_full_disk_fails_the_append_keeps_what_was_accepted_and_recovers") {
        let home = tempfile::tempdir().unwrap();
        mount(home.path(), "4m");
        block_on(on_a_disk_that_fills_up(home.path()));
    }
}

/// Below the intake, which would have refused long before.
async fn on_a_disk_that_fills_up(directory: &Path) {
    let (path, ballast) = (directory.join("outbox.sqlite3"), directory.join("ballast"));
    std::fs::write(&ballast, vec![7; 2 * MIB]).unwrap();
    let (connection, book) = schema::open(&path, &identity()).unwrap();
    let writer = Writer::start(path.clone(), connection, book, CUT_LOG_EVERY).unwrap();
    let append = |n: usize| {
        let row = NewRow {
            payload: vec![7; 50_000],
            ..inbound(ANN, &n.to_string(), at(0))
        };
        writer.call(move |ledger| messages::append(ledger, &row, PLENTY.into()))
    };
    let mut accepted = 0;
    let error = loop {
        match append(accepted).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 100, "the volume is not full");
    };
    assert!(
        accepted > 5 && matches!(error, OutboxError::Store(_)),
        "after {accepted}: {error}"
    );
    assert!(append(accepted).await.is_err(), "it is still full");
    let book = writer.call(|ledger| Ok(ledger.book.clone())).await.unwrap();
    assert_eq!(
        book.rows,
        [accepted as u64, 0],
        "what was accepted is there, and counted"
    );
    std::fs::remove_file(&ballast).unwrap();
    assert!(
        matches!(append(accepted).await.unwrap(), Appended::Stored(_)),
        "there is room again"
    );
    writer.close().await.unwrap();
    let (_, book) = schema::open(&path, &identity()).unwrap();
    assert_eq!(book.rows, [accepted as u64 + 1, 0]);
}

#[test]
fn a_nearly_full_volume_refuses_the_intake_and_still_drains() {
    if may_mount("a_nearly_full_volume_refuses_the_intake_and_still_drains") {
        let home = tempfile::tempdir().unwrap();
        mount(home.path(), "80m");
        block_on(on_a_volume_nearly_full(home.path()));
    }
}

async fn on_a_volume_nearly_full(directory: &Path) {
    let ballast = directory.join("ballast");
    let outbox = open(directory);
    let seq = store(&outbox, inbound(ANN, "a", at(0))).await;
    std::fs::write(&ballast, vec![7; 20 * MIB]).unwrap();
    let a_moment = || tokio::time::sleep(Duration::from_millis(1100));
    a_moment().await;
    let refused = outbox.append(inbound(ANN, "b", at(0))).await;
    assert!(
        matches!(refused, Err(OutboxError::DiskFull { .. })),
        "{refused:?}"
    );
    assert!(
        !outbox.complete(seq).await.unwrap(),
        "what was accepted is finished"
    );
    std::fs::remove_file(&ballast).unwrap();
    a_moment().await;
    store(&outbox, inbound(ANN, "b", at(0))).await;
}

#[test]
fn a_read_only_data_directory_is_refused_by_name() {
    if may_mount("a_read_only_data_directory_is_refused_by_name") {
        let home = tempfile::tempdir().unwrap();
        mount(home.path(), "80m");
        drop(open(home.path()));
        let remount = |mode: &str| {
            run(Command::new("mount")
                .args(["-o", &format!("remount,{mode}")])
                .arg(home.path()));
        };
        // The writing thread may still close its files.
        std::thread::sleep(Duration::from_millis(500));
        remount("ro");
        let error = refusal(patiently(|| try_open(home.path(), &identity())));
        let directory = home.path().display().to_string();
        assert!(
            error.contains(&directory) && error.contains("Read-only file system"),
            "{error}"
        );
        remount("rw");
        assert_eq!(
            block_on(head_name(&open(home.path()), &to_genesys(ANN))),
            None
        );
    }
}
