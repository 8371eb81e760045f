//! A planted fault of the embedded backend, for the suite that proves the suites: with the failpoint off, which is
//! always so in a released binary, nothing here does anything.

use super::group_commit::Writer;
use super::{Appended, NewRow, OutboxError, SqliteOutbox, messages};

impl SqliteOutbox {
    /// The suite must notice a relay that stores the message first and its key in a transaction of its own. `None`
    /// with the failpoint off.
    pub(super) async fn planted_split_append(
        &self,
        row: &NewRow,
    ) -> Option<Result<Appended, OutboxError>> {
        if planted() {
            Some(split_append(&self.writer, row).await)
        } else {
            None
        }
    }
}

fn planted() -> bool {
    fail::fail_point!("fault-key-in-another-transaction", |_| true);
    false
}

/// The step lies between the two: who is killed there has stored a message without its key.
async fn split_append(writer: &Writer, row: &NewRow) -> Result<Appended, OutboxError> {
    let (key, accepted, row) = (row.key.clone(), row.accepted, row.clone());
    let stored = writer
        .call(move |ledger| messages::store(ledger, &row))
        .await?;
    fail::fail_point!("append");
    writer
        .call(move |ledger| messages::claim(ledger, &key, accepted, true))
        .await?;
    Ok(Appended::Stored(stored))
}
