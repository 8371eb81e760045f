//! Groups: who shares a transaction, who fails with it, and who does not.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::super::group_commit::{CUT_LOG_EVERY, Writer};
use super::super::ledger::{Book, Ledger};
use super::super::{messages, schema};
use super::{PLENTY, raw};
use crate::outbox::conformance::rig::{ANN, at, identity, inbound, outbound, to_genesys};
use crate::outbox::{Appended, NewRow, Outbox as _, OutboxError};

fn start() -> (tempfile::TempDir, Writer) {
    let home = tempfile::tempdir().unwrap();
    let path: PathBuf = home.path().join(super::super::FILE);
    let (connection, book) = schema::open(&path, &identity()).unwrap();
    let writer = Writer::start(path, connection, book, CUT_LOG_EVERY).unwrap();
    (home, writer)
}

async fn append(writer: &Writer, name: &str) -> Result<Appended, OutboxError> {
    let row = inbound(ANN, name, at(0));
    writer
        .call(move |ledger| messages::append(ledger, &row, PLENTY.into()))
        .await
}

/// Appends all of these in one group: the writer is held up until every one of them is queued.
async fn append_together(writer: &Writer, names: &[String]) -> Vec<Result<Appended, OutboxError>> {
    let (go, wait) = mpsc::channel::<()>();
    let (started, starts) = tokio::sync::oneshot::channel();
    let (its_writer, mut started) = (writer.clone(), Some(started));
    let held_up = tokio::spawn(async move {
        let work = move |_: &mut Ledger<'_>| {
            let _ = started.take().map(|started| started.send(()));
            let _ = wait.recv();
            Ok(())
        };
        its_writer.call(work).await
    });
    starts.await.unwrap();
    let appends = join_all(names.iter().map(|name| append(writer, name)));
    // Polled last: by then everything is queued.
    let release = async move { drop(go) };
    let (appended, ()) = tokio::join!(appends, release);
    // It shares the transaction of the others, and its failure.
    let _ = held_up.await.unwrap();
    appended
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("m{n}")).collect()
}

async fn book(writer: &Writer) -> Book {
    writer.call(|ledger| Ok(ledger.book.clone())).await.unwrap()
}

#[tokio::test]
async fn everybody_is_answered_however_many_come_at_once() {
    let (home, writer) = start();
    let appended = append_together(&writer, &names(2000)).await;
    assert!(
        appended
            .iter()
            .all(|answer| matches!(answer, Ok(Appended::Stored(_))))
    );
    let stored: u64 = raw(home.path())
        .query_row("SELECT count(*) FROM message", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, 2000, "what was answered is committed");
}

#[tokio::test]
async fn a_failing_job_does_not_fail_its_neighbours() {
    let (_home, writer) = start();
    let poison = "CREATE TRIGGER poison BEFORE INSERT ON message WHEN NEW.key = 'twilio/m3'
                  BEGIN SELECT RAISE(ABORT, 'poisoned'); END";
    writer
        .call(move |ledger| Ok(ledger.db.execute_batch(poison)?))
        .await
        .unwrap();
    let appended = append_together(&writer, &names(8)).await;
    for (n, answer) in appended.iter().enumerate() {
        match answer {
            Err(OutboxError::Store(why)) => {
                assert!(n == 3 && why.contains("poisoned"), "m{n}: {why}");
            }
            answer => assert!(
                n != 3 && matches!(answer, Ok(Appended::Stored(_))),
                "m{n}: {answer:?}"
            ),
        }
    }
    let book = book(&writer).await;
    assert_eq!(
        (book.rows, book.next_seq),
        ([7, 0], 8),
        "what was rolled back is not counted"
    );
    writer
        .call(|ledger| Ok(ledger.db.execute_batch("DROP TRIGGER poison")?))
        .await
        .unwrap();
    assert!(
        matches!(append(&writer, "m3").await, Ok(Appended::Stored(_))),
        "its key was not taken"
    );
}

#[tokio::test]
async fn a_refused_job_does_not_fail_its_neighbours() {
    let (_home, writer) = start();
    let refused =
        writer.call(|ledger| messages::append(ledger, &inbound(ANN, "too much", at(0)), 3.into()));
    let (refused, stored) = tokio::join!(refused, append(&writer, "a"));
    assert!(matches!(refused, Err(OutboxError::Full { .. })));
    assert!(matches!(stored, Ok(Appended::Stored(_))));
}

#[tokio::test]
async fn a_caller_that_stopped_waiting_finds_its_message_by_its_key() {
    let (_home, writer) = start();
    tokio::select! {
        biased;
        answer = append(&writer, "a") => panic!("no disk is so fast: {answer:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(append(&writer, "a").await.unwrap(), Appended::Duplicate);
}

#[tokio::test]
async fn a_database_that_somebody_locked_fails_the_group_once_and_is_used_again() {
    let (home, writer) = start();
    writer
        .call(|ledger| Ok(ledger.db.busy_timeout(Duration::from_millis(300))?))
        .await
        .unwrap();
    let stranger = raw(home.path());
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let appended = append_together(&writer, &names(50)).await;
    assert!(
        appended
            .iter()
            .all(|answer| matches!(answer, Err(OutboxError::Store(_))))
    );
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "not one wait for each: {:?}",
        began.elapsed()
    );
    stranger.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(
        append(&writer, "m0").await,
        Ok(Appended::Stored(_))
    ));
}

#[tokio::test]
async fn a_full_database_fails_the_append_keeps_what_was_there_and_recovers() {
    let (_home, writer) = start();
    append(&writer, "first").await.unwrap();
    writer
        .call(|ledger| {
            let pages: u32 = ledger
                .db
                .pragma_query_value(None, "page_count", |row| row.get(0))?;
            ledger
                .db
                .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            Ok(())
        })
        .await
        .unwrap();
    let large = NewRow {
        payload: vec![7; 100_000],
        ..inbound(ANN, "large", at(0))
    };
    let again = large.clone();
    let full = writer
        .call(move |ledger| messages::append(ledger, &large, PLENTY.into()))
        .await;
    assert!(
        matches!(&full, Err(OutboxError::Store(why)) if why.contains("full")),
        "{full:?}"
    );
    let head = writer
        .call(|ledger| messages::head(ledger, &to_genesys(ANN)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(head.payload, b"first");
    assert_eq!(
        book(&writer).await.bytes,
        5,
        "what was rolled back is not counted"
    );
    // The limit was the connection's; the writer opened another one.
    let stored = writer
        .call(move |ledger| messages::append(ledger, &again, PLENTY.into()))
        .await
        .unwrap();
    assert!(matches!(stored, Appended::Stored(_)));
}

#[tokio::test]
async fn what_was_queued_before_a_close_is_done_and_what_comes_after_is_not() {
    let (home, writer) = start();
    let before = append(&writer, "before");
    let close = writer.close();
    let after = append(&writer, "after");
    let (before, closed, after) = tokio::join!(before, close, after);
    assert!(matches!(before, Ok(Appended::Stored(_))) && closed.is_ok());
    assert!(matches!(after, Err(OutboxError::Closed)), "{after:?}");
    let keys: Vec<String> = {
        let raw = raw(home.path());
        let mut query = raw.prepare("SELECT key FROM message").unwrap();
        query
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    assert_eq!(keys, ["twilio/before"]);
}

#[tokio::test]
async fn messages_are_counted_whatever_their_size_and_the_last_tenth_is_kept_for_customers() {
    let home = tempfile::tempdir().unwrap();
    let outbox = super::open(home.path()).with_most_messages(20);
    let append = async |row: NewRow| outbox.append(row).await;
    for n in 0..18 {
        append(outbound(ANN, &format!("o{n}"), at(0)))
            .await
            .unwrap();
    }
    let refused = append(outbound(ANN, "one more", at(0))).await;
    assert!(
        matches!(
            refused,
            Err(OutboxError::TooMany {
                rows: 18,
                budget: 18
            })
        ),
        "{refused:?}"
    );
    for n in 0..2 {
        append(inbound(ANN, &format!("i{n}"), at(0))).await.unwrap();
    }
    assert!(append(inbound(ANN, "i2", at(0))).await.is_err());
    let again = append(inbound(ANN, "i0", at(0))).await.unwrap();
    assert_eq!(again, Appended::Duplicate, "what is in is accepted");
    let head = outbox.head(&to_genesys(ANN)).await.unwrap().unwrap();
    outbox.complete(head.seq).await.unwrap();
    append(inbound(ANN, "i2", at(0))).await.unwrap();
}
