//! Erases one customer: everything that holds their number or their texts.
//!
//! What stays holds neither: de-duplication keys and the ids of sends, so that a platform's repetition is still
//! recognised and a late callback still understood. They go at the end of their time.

use rusqlite::params;

use super::ledger::{Done, Ledger};
use super::messages;
use crate::message::CustomerId;
use crate::outbox::{Direction, Forgotten, LaneKey};

/// The recorded outcome of a message that waited.
const OUTCOME: &str = "forgotten";

/// Erases a customer in both directions.
pub(super) fn forget(ledger: &mut Ledger<'_>, customer: &CustomerId) -> Done<Forgotten> {
    let mut forgotten = Forgotten::default();
    for direction in Direction::ALL {
        let lane = LaneKey::new(direction, customer);
        erase_waiting(ledger, &lane, &mut forgotten)?;
        forgotten.dead_letters += ledger
            .sql("DELETE FROM dead_letter WHERE lane = ?1")?
            .execute([lane.expose()])? as u64;
    }
    ledger.book.dead_letters = ledger
        .book
        .dead_letters
        .saturating_sub(forgotten.dead_letters);
    forgotten.receipts = ledger
        .sql("DELETE FROM receipt WHERE customer = ?1")?
        .execute([customer.expose()])? as u64;
    forgotten.contact = ledger
        .sql("DELETE FROM contact WHERE customer = ?1")?
        .execute([customer.expose()])?
        > 0;
    ledger.book.cut_log_now = true;
    Ok(forgotten)
}

fn erase_waiting(ledger: &mut Ledger<'_>, lane: &LaneKey, forgotten: &mut Forgotten) -> Done<()> {
    let rows: Vec<(i64, String, u64, bool)> = ledger
        .sql("SELECT seq, key, length(payload), mark IS NOT NULL FROM message WHERE lane = ?1")?
        .query_map([lane.expose()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    for (seq, key, bytes, marked) in rows {
        messages::set_outcome(ledger, &key, OUTCOME)?;
        ledger
            .sql("DELETE FROM message WHERE seq = ?1")?
            .execute(params![seq])?;
        ledger.book.remove(lane.direction(), bytes);
        forgotten.waiting += 1;
        forgotten.under_way += u64::from(marked);
    }
    Ok(())
}
