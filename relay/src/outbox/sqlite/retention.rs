//! What is removed when its time is over, a bounded piece at a time, so that nobody waits behind it.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::gaps;
use super::ledger::{Done, Ledger, millis};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Sends and receipts, which hold no bodies. As long as de-duplication keys.
const RECORDS_MS: i64 = 30 * DAY_MS;
/// Bodies of dead letters.
const DEAD_BODIES_MS: i64 = 14 * DAY_MS;
/// Rows looked at in one go.
const PIECE: u32 = 1000;

/// What is looked for by its age: the first `?2` rows from before `?1`.
pub(super) const SENDS: &str = "DELETE FROM send WHERE id IN (SELECT id FROM send WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2)";
pub(super) const RECEIPTS: &str = "DELETE FROM receipt WHERE genesys_id IN
     (SELECT genesys_id FROM receipt WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2)";
pub(super) const BODIES: &str = "UPDATE dead_letter SET payload = NULL WHERE id IN
     (SELECT id FROM dead_letter WHERE payload IS NOT NULL AND died_ms < ?1 ORDER BY died_ms LIMIT ?2)";
pub(super) const DEAD_LETTERS: &str = "DELETE FROM dead_letter WHERE id IN
     (SELECT id FROM dead_letter WHERE died_ms < ?1 ORDER BY died_ms LIMIT ?2)";

/// Removes one piece of what is past its retention. Returns whether there is more to look through.
pub(super) fn purge(ledger: &mut Ledger<'_>, now: Timestamp) -> Done<bool> {
    let (records, bodies) = (millis(now) - RECORDS_MS, millis(now) - DEAD_BODIES_MS);
    let piece =
        |sql, before: i64| -> Done<usize> { Ok(ledger.sql(sql)?.execute(params![before, PIECE])?) };
    let removed = [
        piece(SENDS, records)?,
        piece(RECEIPTS, records)?,
        piece(BODIES, bodies)?,
    ];
    let forgotten = piece(DEAD_LETTERS, records)?;
    ledger.book.dead_letters = ledger.book.dead_letters.saturating_sub(forgotten as u64);
    let more_keys = purge_keys(ledger, now)?;
    let more_contacts = purge_contacts(ledger, records)?;
    Ok(more_keys
        || more_contacts
        || removed
            .into_iter()
            .chain([forgotten])
            .any(|rows| rows == PIECE as usize))
}

pub(super) const PIECE_END: &str =
    "SELECT key FROM dedup WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET ?2";
/// Both ends stand in the statement: a bound that may be absent would make it walk to the end of the table.
pub(super) const KEYS_BETWEEN: &str = "DELETE FROM dedup WHERE key > ?1 AND key <= ?4
     AND expires_ms <= CASE WHEN key >= 'twilio/' AND key < 'twilio0' THEN ?3 ELSE ?2 END";
pub(super) const KEYS_TO_END: &str = "DELETE FROM dedup WHERE key > ?1
     AND expires_ms <= CASE WHEN key >= 'twilio/' AND key < 'twilio0' THEN ?3 ELSE ?2 END";

/// Walks the keys in their own order: an index by time would cost every append, this costs one piece an hour.
///
/// Keys of customers' messages from after the mark of the gaps stay: without them the next look at Twilio's list would
/// take known messages for missed ones.
fn purge_keys(ledger: &mut Ledger<'_>, now: Timestamp) -> Done<bool> {
    let now = millis(now);
    let covered = gaps::stored_gap_mark(ledger)?.map_or(now, |mark| now.min(mark + RECORDS_MS));
    let from = std::mem::take(&mut ledger.book.purge_cursor);
    let to: Option<String> = ledger
        .sql(PIECE_END)?
        .query_row(params![from, PIECE], |row| row.get(0))
        .optional()?;
    match &to {
        Some(to) => ledger
            .sql(KEYS_BETWEEN)?
            .execute(params![from, now, covered, to])?,
        None => ledger
            .sql(KEYS_TO_END)?
            .execute(params![from, now, covered])?,
    };
    let more = to.is_some();
    ledger.book.purge_cursor = to.unwrap_or_default();
    Ok(more)
}

pub(super) const CONTACTS_END: &str =
    "SELECT customer FROM contact WHERE customer > ?1 ORDER BY customer LIMIT 1 OFFSET ?2";
pub(super) const CONTACTS_BETWEEN: &str =
    "DELETE FROM contact WHERE customer > ?1 AND customer <= ?3 AND last_time_ms < ?2";
pub(super) const CONTACTS_TO_END: &str =
    "DELETE FROM contact WHERE customer > ?1 AND last_time_ms < ?2";

/// Forgets when customers wrote last who have not written for so long: their next text is later in any case. Walks as
/// the keys are walked.
fn purge_contacts(ledger: &mut Ledger<'_>, before: i64) -> Done<bool> {
    let from = std::mem::take(&mut ledger.book.contact_cursor);
    let to: Option<String> = ledger
        .sql(CONTACTS_END)?
        .query_row(params![from, PIECE], |row| row.get(0))
        .optional()?;
    match &to {
        Some(to) => ledger
            .sql(CONTACTS_BETWEEN)?
            .execute(params![from, before, to])?,
        None => ledger
            .sql(CONTACTS_TO_END)?
            .execute(params![from, before])?,
    };
    let more = to.is_some();
    ledger.book.contact_cursor = to.unwrap_or_default();
    Ok(more)
}
