//! Sends towards Twilio: the attempt mark before each POST, the SID after it, and what callbacks say meanwhile.
//!
//! A send's id is committed before its POST, so that a callback which comes before the answer finds it. A callback
//! that names a marked send ends the doubt: the part was sent.

use messaging_bridge_clients::genesys::GenesysMessageId;
use messaging_bridge_clients::twilio::MessageSid;
use rusqlite::{OptionalExtension as _, params};

use super::ledger::{Done, Ledger, millis};
use super::{dead_letters, messages, receipts};
use crate::outbox::{Mark, PartSent, Rank, SendId, SendState, Seq, Standing, StatusReport};

/// Commits the attempt mark of a part; false when its row is gone.
pub(super) fn mark(ledger: &Ledger<'_>, mark: &Mark) -> Done<bool> {
    let marked = ledger
        .sql("UPDATE message SET attempted = 1, mark = ?2, mark_ms = ?3 WHERE seq = ?1")?
        .execute(params![mark.seq.0, mark.send.as_str(), millis(mark.at)])?;
    if marked == 0 {
        return Ok(false);
    }
    let genesys_id = mark.genesys_id.as_ref().map(GenesysMessageId::as_str);
    ledger
        .sql("INSERT INTO send (id, genesys_id, part, parts, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![mark.send.as_str(), genesys_id, mark.part, mark.parts, millis(mark.at)])?;
    if let Some(id) = &mark.genesys_id {
        receipts::prepare(
            ledger,
            id,
            mark.customer.expose(),
            mark.parts,
            millis(mark.at),
        )?;
    }
    fail::fail_point!("mark");
    Ok(true)
}

/// Removes the mark of an attempt that definitely sent nothing. A send that a callback named is kept.
pub(super) fn unmark(ledger: &Ledger<'_>, seq: Seq, send: &SendId) -> Done<()> {
    ledger
        .sql("UPDATE message SET mark = NULL, mark_ms = NULL WHERE seq = ?1 AND mark = ?2")?
        .execute(params![seq.0, send.as_str()])?;
    ledger
        .sql("DELETE FROM send WHERE id = ?1 AND sid IS NULL AND rank = 0")?
        .execute([send.as_str()])?;
    Ok(())
}

/// Records that Twilio took a part; the last one completes the message.
pub(super) fn part_sent(ledger: &mut Ledger<'_>, sent: &PartSent) -> Done<bool> {
    ledger
        .sql("UPDATE send SET sid = COALESCE(sid, ?2), rank = max(rank, ?3) WHERE id = ?1")?
        .execute(params![
            sent.send.as_str(),
            sent.sid.as_str(),
            Rank::Accepted as i64
        ])?;
    settle_mark(ledger, &sent.send, sent.last)
}

pub(super) const SETTLE: &str = "UPDATE message
     SET next_part = next_part + 1, mark = NULL, mark_ms = NULL, not_before_ms = 0, tries = 0
     WHERE mark = ?1 RETURNING seq";

/// Ends the doubt about the send that a row is marked with: on to the next part, or complete. Returns whether the lane
/// is to be looked at again: for a late answer it is, since whoever waits for it does not know what came before.
fn settle_mark(ledger: &mut Ledger<'_>, send: &SendId, last: bool) -> Done<bool> {
    let seq: Option<i64> = ledger
        .sql(SETTLE)?
        .query_row([send.as_str()], |row| row.get(0))
        .optional()?;
    match seq {
        Some(seq) if last => messages::complete(ledger, Seq(seq)),
        Some(_) => Ok(true),
        None => {
            dead_letters::settle_mark(ledger, send, last)?;
            Ok(true)
        }
    }
}

/// What is known of a send.
pub(super) fn state(ledger: &Ledger<'_>, send: &SendId) -> Done<Option<SendState>> {
    let state = ledger
        .sql("SELECT sid, rank FROM send WHERE id = ?1")?
        .query_row([send.as_str()], |row| {
            let sid: Option<String> = row.get(0)?;
            Ok(SendState {
                sid: sid.map(MessageSid::new),
                rank: Rank::from_stored(row.get(1)?),
            })
        });
    Ok(state.optional()?)
}

pub(super) const ADOPTED: &str = "SELECT 1 FROM send WHERE sid = ?1";

/// Of these SIDs, those that a send has taken.
pub(super) fn adopted(ledger: &Ledger<'_>, sids: &[MessageSid]) -> Done<Vec<MessageSid>> {
    let mut taken = Vec::new();
    let mut query = ledger.sql(ADOPTED)?;
    for sid in sids {
        if query.exists([sid.as_str()])? {
            taken.push(sid.clone());
        }
    }
    Ok(taken)
}

/// Raises the rank of a send, and with it its message's receipt.
pub(super) fn raise(ledger: &mut Ledger<'_>, report: &StatusReport) -> Done<Option<Standing>> {
    let known = ledger
        .sql("SELECT genesys_id, rank, part + 1 = parts FROM send WHERE id = ?1")?
        .query_row([report.send.as_str()], |row| {
            let genesys_id: Option<String> = row.get(0)?;
            Ok((
                genesys_id,
                Rank::from_stored(row.get(1)?),
                row.get::<_, bool>(2)?,
            ))
        })
        .optional()?;
    let Some((genesys_id, seen, last)) = known else {
        return Ok(None);
    };
    let rank = seen.max(report.rank);
    // A later callback without a reason must not erase the reason that an earlier one brought.
    let reason = report.reason.as_ref().filter(|_| report.rank >= seen);
    ledger
        .sql(
            "UPDATE send SET sid = COALESCE(sid, ?2), rank = ?3, code = COALESCE(?4, code),
               sentence = COALESCE(?5, sentence) WHERE id = ?1",
        )?
        .execute(params![
            report.send.as_str(),
            report.sid.as_str(),
            rank as i64,
            reason.map(|reason| reason.code.as_str()),
            reason.map(|reason| &reason.sentence),
        ])?;
    settle_mark(ledger, &report.send, last)?;
    let receipt_waits = match genesys_id {
        Some(id) if rank > seen => receipts::raise(ledger, &GenesysMessageId::new(id))?,
        _ => false,
    };
    Ok(Some(Standing {
        rank,
        receipt_waits,
    }))
}
