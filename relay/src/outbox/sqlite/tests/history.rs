//! What has passed through long ago: the file stays bounded.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{PLENTY, raw};
use crate::clock::{Clock as _, ManualClock};
use crate::outbox::conformance::rig::{at, identity, inbound};
use crate::outbox::sqlite::SqliteOutbox;
use crate::outbox::{Appended, Outbox as _};

const A_MONTH: i64 = 31 * 24 * 60 * 60 * 1000;
/// Messages a month.
const MESSAGES: usize = 4000;

/// Takes in a month's messages and delivers them.
async fn a_month(outbox: &SqliteOutbox, clock: &ManualClock, month: usize) {
    for group in 0..MESSAGES / 500 {
        let appends = (0..500).map(|n| {
            let number = group * 500 + n;
            let customer = format!("+1{month}55{number:07}");
            let row = inbound(&customer, &format!("{month}-{number}"), clock.now());
            async move {
                match outbox.append(row).await.unwrap() {
                    Appended::Stored(seq) => outbox.complete(seq).await.unwrap(),
                    Appended::Duplicate => panic!("the key was taken already"),
                }
            }
        });
        join_all(appends).await;
    }
}

#[tokio::test]
async fn retention_keeps_the_file_bounded() {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(at(0));
    let outbox =
        SqliteOutbox::open(home.path(), &identity(), PLENTY, Arc::new(clock.clone())).unwrap();
    let mut sizes = Vec::new();
    for month in 0..5 {
        a_month(&outbox, &clock, month).await;
        clock.advance_millis(A_MONTH);
        while outbox.purge(clock.now()).await.unwrap() {}
        let pages: u64 = raw(home.path())
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .unwrap();
        sizes.push(pages);
    }
    assert!(
        sizes[4] <= sizes[1] + sizes[1] / 10,
        "pages after each month: {sizes:?}"
    );
    for table in ["dedup", "contact", "message"] {
        let kept: u64 = raw(home.path())
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(kept, 0, "{table}");
    }
}
