//! What only the embedded backend promises: files, erasure, groups, full volumes, query plans.
//!
//! What every backend promises is in [`crate::outbox::conformance`].

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop there"
)]

mod erasure;
mod files;
mod groups;
mod history;
mod identities;
mod moving;
mod plans;
mod upgrade;
mod volumes;

use std::path::Path;
use std::sync::Arc;

use super::SqliteOutbox;
use crate::clock::ManualClock;
use crate::outbox::conformance::rig::{at, identity};
use crate::outbox::{Identity, LaneKey, NewRow, Outbox as _, OutboxError, Seq};

const PLENTY: u64 = 1 << 30;

fn try_open(directory: &Path, identity: &Identity) -> Result<SqliteOutbox, OutboxError> {
    SqliteOutbox::open(
        directory,
        identity,
        PLENTY,
        Arc::new(ManualClock::new(at(0))),
    )
}

fn open(directory: &Path) -> SqliteOutbox {
    open_as(directory, &identity())
}

fn open_as(directory: &Path, identity: &Identity) -> SqliteOutbox {
    patiently(|| try_open(directory, identity)).unwrap()
}

fn try_open_existing(directory: &Path) -> Result<SqliteOutbox, OutboxError> {
    SqliteOutbox::open_existing(directory, Arc::new(ManualClock::new(at(0))))
}

fn open_existing(directory: &Path) -> SqliteOutbox {
    patiently(|| try_open_existing(directory)).unwrap()
}

/// Other tests start processes, and a process that begins holds a copy of every open file for a moment: of the lock of
/// a directory that was just left, too.
fn patiently(
    open: impl Fn() -> Result<SqliteOutbox, OutboxError>,
) -> Result<SqliteOutbox, OutboxError> {
    for _ in 0..250 {
        match open() {
            Err(error) if error.to_string().contains("is in use") => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
    open()
}

/// Why an outbox does not open.
fn refusal(opened: Result<SqliteOutbox, OutboxError>) -> String {
    opened
        .err()
        .expect("it should have been refused")
        .to_string()
}

async fn store(outbox: &SqliteOutbox, row: NewRow) -> Seq {
    match outbox.append(row).await.unwrap() {
        crate::outbox::Appended::Stored(seq) => seq,
        crate::outbox::Appended::Duplicate => panic!("the key was taken already"),
    }
}

async fn head_name(outbox: &SqliteOutbox, lane: &LaneKey) -> Option<String> {
    outbox
        .head(lane)
        .await
        .unwrap()
        .map(|head| String::from_utf8(head.payload).unwrap())
}

/// The database file, opened beside the outbox as a stranger would.
fn raw(directory: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(directory.join(super::FILE)).unwrap()
}
