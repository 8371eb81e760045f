//! Bodies are really gone: the raw bytes of all files are read.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use super::super::group_commit::Writer;
use super::super::{messages, schema};
use super::{PLENTY, open, store};
use crate::message::CustomerId;
use crate::outbox::conformance::rig::{ANN, at, identity, inbound, outbound, refused};
use crate::outbox::{Appended, NewRow, Outbox as _, Seq};

/// A body of which every piece is recognised: the marker again and again.
fn body(marker: &str, bytes: usize) -> Vec<u8> {
    marker.bytes().cycle().take(bytes).collect()
}

/// Whether any file of the directory holds the marker.
fn is_on_disk(directory: &Path, marker: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes
            .windows(marker.len())
            .any(|window| window == marker.as_bytes())
    })
}

/// Sizes from a few bytes to several pages, so that pages split, merge and overflow.
fn size(number: usize) -> usize {
    16 + (number * 7919) % 600 + if number.is_multiple_of(17) { 9000 } else { 0 }
}

#[tokio::test]
async fn the_body_of_a_message_that_ended_is_in_no_file() {
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    let appends = (0..600).map(|n| {
        let row = NewRow {
            payload: body("ENDED-BODY-", size(n)),
            ..inbound(&format!("+1555{:07}", n % 50), &n.to_string(), at(0))
        };
        store(&outbox, row)
    });
    let mut seqs = join_all(appends).await;
    store(
        &outbox,
        NewRow {
            payload: body("WAITING-BODY-", 500),
            ..inbound(ANN, "waits", at(0))
        },
    )
    .await;
    // Neither the order of append nor its reverse.
    seqs.sort_by_key(|seq| (seq.0 * 7919) % 601);
    let (dying, delivered) = seqs.split_at(100);
    join_all(
        delivered
            .iter()
            .map(|seq| async { outbox.complete(*seq).await.unwrap() }),
    )
    .await;
    join_all(
        dying
            .iter()
            .map(|seq| async { outbox.dead_letter(*seq, 0, refused(at(0))).await.unwrap() }),
    )
    .await;
    while outbox.purge(at(15 * 24 * 60 * 60)).await.unwrap() {}
    outbox.close().await.unwrap();
    assert!(
        is_on_disk(home.path(), "WAITING-BODY-"),
        "the test can see bodies"
    );
    assert!(!is_on_disk(home.path(), "ENDED-BODY-"));
}

#[tokio::test]
async fn the_log_is_cut_while_the_relay_runs() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("outbox.sqlite3");
    let (connection, book) = schema::open(&path, &identity()).unwrap();
    let writer = Writer::start(path, connection, book, Duration::from_millis(50)).unwrap();
    let row = NewRow {
        payload: body("ENDED-BODY-", 5000),
        ..outbound(ANN, "a", at(0))
    };
    let appended = writer
        .call(move |ledger| messages::append(ledger, &row, PLENTY.into()))
        .await
        .unwrap();
    assert_eq!(appended, Appended::Stored(Seq(1)));
    assert!(is_on_disk(home.path(), "ENDED-BODY-"));
    writer
        .call(|ledger| messages::complete(ledger, Seq(1)))
        .await
        .unwrap();
    for _ in 0..200 {
        if !is_on_disk(home.path(), "ENDED-BODY-") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the body is still on disk ten seconds after its message ended");
}

/// Found when exports were added: while somebody reads an older state the log cannot be cut, which SQLite reports as a
/// row and not as an error.
#[tokio::test]
async fn a_cut_that_a_reader_prevents_is_tried_again_without_another_change() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("outbox.sqlite3");
    let (connection, book) = schema::open(&path, &identity()).unwrap();
    let writer = Writer::start(path, connection, book, Duration::from_millis(50)).unwrap();
    let row = NewRow {
        payload: body("ENDED-BODY-", 5000),
        ..outbound(ANN, "a", at(0))
    };
    writer
        .call(move |ledger| messages::append(ledger, &row, PLENTY.into()))
        .await
        .unwrap();
    let reader = super::raw(home.path());
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM message;")
        .unwrap();
    writer
        .call(|ledger| messages::complete(ledger, Seq(1)))
        .await
        .unwrap();
    // Several cuts in vain, behind none of which the writing thread waits for the reader.
    let cuts_in_vain = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            writer
                .call(|ledger| messages::complete(ledger, Seq(1)))
                .await
                .unwrap();
        }
    };
    let patience = schema::BUSY_PATIENCE;
    tokio::time::timeout(patience, cuts_in_vain).await.unwrap();
    assert!(is_on_disk(home.path(), "ENDED-BODY-"));
    drop(reader);
    for _ in 0..200 {
        if !is_on_disk(home.path(), "ENDED-BODY-") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the body is still on disk ten seconds after the reader has gone");
}

#[tokio::test]
async fn a_forgotten_customers_number_and_texts_are_in_no_file_soon_after() {
    let home = tempfile::tempdir().unwrap();
    let outbox = open(home.path());
    super::files::fill(&outbox).await;
    let row = NewRow {
        payload: body("FORGOTTEN-BODY-", 3000),
        ..inbound(ANN, "long", at(1))
    };
    store(&outbox, row).await;
    let number = ANN.trim_start_matches('+');
    assert!(is_on_disk(home.path(), number) && is_on_disk(home.path(), "FORGOTTEN-BODY-"));
    outbox.forget(&CustomerId::new(ANN)).await.unwrap();
    // Long before the log is cut by itself.
    for _ in 0..500 {
        if !is_on_disk(home.path(), number) && !is_on_disk(home.path(), "FORGOTTEN-BODY-") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the number or a text is still on disk ten seconds after its customer was forgotten");
}
