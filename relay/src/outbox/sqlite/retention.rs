//! What is removed when its time is over, a bounded piece at a time, so that nobody waits behind it.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::ledger::{Done, Ledger, millis};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Sends and receipts, which hold no bodies. As long as de-duplication keys.
const RECORDS_MS: i64 = 30 * DAY_MS;
/// Bodies of dead letters.
const DEAD_BODIES_MS: i64 = 14 * DAY_MS;
/// Rows looked at in one go.
const PIECE: u32 = 1000;

/// Removes one piece of what is past its retention. Returns whether there is more to look through.
pub(super) fn purge(ledger: &mut Ledger<'_>, now: Timestamp) -> Done<bool> {
    let records = millis(now) - RECORDS_MS;
    for sql in [
        "DELETE FROM send WHERE id IN (SELECT id FROM send WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2)",
        "DELETE FROM receipt WHERE genesys_id IN
           (SELECT genesys_id FROM receipt WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2)",
    ] {
        ledger.sql(sql)?.execute(params![records, PIECE])?;
    }
    ledger
        .sql("UPDATE dead_letter SET payload = NULL WHERE died_ms < ?1 AND payload IS NOT NULL")?
        .execute([millis(now) - DEAD_BODIES_MS])?;
    let forgotten = ledger.sql("DELETE FROM dead_letter WHERE died_ms < ?1")?.execute([records])?;
    ledger.book.dead_letters = ledger.book.dead_letters.saturating_sub(forgotten as u64);
    purge_keys(ledger, now)
}

/// Walks the keys in their own order: an index by time would cost every append, this costs one piece an hour.
fn purge_keys(ledger: &mut Ledger<'_>, now: Timestamp) -> Done<bool> {
    let from = std::mem::take(&mut ledger.book.purge_cursor);
    let to: Option<String> = ledger
        .sql("SELECT key FROM dedup WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET ?2")?
        .query_row(params![from, PIECE], |row| row.get(0))
        .optional()?;
    ledger
        .sql("DELETE FROM dedup WHERE key > ?1 AND (?2 IS NULL OR key <= ?2) AND expires_ms <= ?3")?
        .execute(params![from, to, millis(now)])?;
    let more = to.is_some();
    ledger.book.purge_cursor = to.unwrap_or_default();
    Ok(more)
}
