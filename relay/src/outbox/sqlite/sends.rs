//! Sends towards Twilio: the attempt mark before each POST, the SID after it, and what callbacks say meanwhile.
//!
//! A send's id is committed before its POST, so that a callback which comes before the answer finds it. A part may be
//! tried by several sends: one that was settled as not sent is remembered, and whichever of them is named by an answer
//! or a callback ends the doubt about the part. Doubts are found by the part's first send.

use jiff::Timestamp;
use messaging_bridge_clients::genesys::GenesysMessageId;
use messaging_bridge_clients::twilio::MessageSid;
use rusqlite::{OptionalExtension as _, params};

use super::ledger::{Done, Ledger, millis};
use super::{dead_letters, messages, receipts};
use crate::clock::from_millis;
use crate::outbox::{
    InDoubt, LaneKey, Mark, PartSent, Proved, Rank, SendId, SendState, Seq, Standing, StatusReport,
};

const MARK: &str =
    "UPDATE message SET attempted = 1, mark = ?2, mark_ms = ?3, doubt = COALESCE(doubt, ?2)
     WHERE seq = ?1 AND next_part = ?4 RETURNING NULLIF(doubt, ?2)";

/// Commits the attempt mark of a part; false when its row is gone or at another part.
pub(super) fn mark(ledger: &Ledger<'_>, mark: &Mark) -> Done<bool> {
    let again_of: Option<Option<String>> = ledger
        .sql(MARK)?
        .query_row(
            params![mark.seq.0, mark.send.as_str(), millis(mark.at), mark.part],
            |row| row.get(0),
        )
        .optional()?;
    let Some(again_of) = again_of else {
        return Ok(false);
    };
    let genesys_id = mark.genesys_id.as_ref().map(GenesysMessageId::as_str);
    ledger
        .sql(
            "INSERT INTO send (id, genesys_id, part, parts, created_ms, again_of) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            mark.send.as_str(),
            genesys_id,
            mark.part,
            mark.parts,
            millis(mark.at),
            again_of
        ])?;
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

/// Removes the mark of an attempt that definitely sent nothing. A send that a callback named is kept, and so are
/// earlier ones of the part.
pub(super) fn unmark(ledger: &Ledger<'_>, seq: Seq, send: &SendId) -> Done<()> {
    ledger
        .sql(
            "UPDATE message SET mark = NULL, mark_ms = NULL, doubt = NULLIF(doubt, ?2)
             WHERE seq = ?1 AND mark = ?2",
        )?
        .execute(params![seq.0, send.as_str()])?;
    ledger
        .sql("DELETE FROM send WHERE id = ?1 AND sid IS NULL AND rank = 0")?
        .execute([send.as_str()])?;
    fail::fail_point!("clear");
    Ok(())
}

/// Removes the mark of an attempt that was settled as not sent, and remembers its send.
pub(super) fn not_sent(ledger: &Ledger<'_>, seq: Seq, send: &SendId) -> Done<bool> {
    let changed = ledger
        .sql("UPDATE message SET mark = NULL, mark_ms = NULL, not_before_ms = 0 WHERE seq = ?1 AND mark = ?2")?
        .execute(params![seq.0, send.as_str()])?;
    Ok(changed == 1)
}

/// Records that Twilio took a part; the last one completes the message.
pub(super) fn part_sent(ledger: &mut Ledger<'_>, sent: &PartSent) -> Done<Option<Proved>> {
    ledger
        .sql("UPDATE send SET sid = COALESCE(sid, ?2), rank = max(rank, ?3) WHERE id = ?1")?
        .execute(params![
            sent.send.as_str(),
            sent.sid.as_str(),
            Rank::Accepted as i64
        ])?;
    fail::fail_point!("record");
    prove(ledger, &sent.send, sent.last)
}

const FIRST: &str = "SELECT COALESCE(again_of, id), parts FROM send WHERE id = ?1";
pub(super) const PROVE: &str = "UPDATE message
     SET next_part = next_part + 1, mark = NULL, mark_ms = NULL, doubt = NULL, not_before_ms = 0, tries = 0
     WHERE doubt = ?1 RETURNING seq, lane, accepted_ms, genesys_id";

/// Ends the doubt about the part that a send belongs to: on to the next part, or complete. `None` when no message
/// waits with that doubt: the answer is a late one, or its message is a dead letter.
fn prove(ledger: &mut Ledger<'_>, send: &SendId, last: bool) -> Done<Option<Proved>> {
    let known = ledger
        .sql(FIRST)?
        .query_row([send.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))
        })
        .optional()?;
    let Some((first, parts)) = known else {
        return Ok(None);
    };
    let proved = ledger
        .sql(PROVE)?
        .query_row([&first], |row| {
            let proved = Proved {
                lane: LaneKey::from_stored(row.get_ref(1)?.as_str()?),
                genesys_id: row.get::<_, Option<String>>(3)?.map(GenesysMessageId::new),
                parts,
                accepted: from_millis(row.get(2)?),
                complete: last,
                more: true,
            };
            Ok((Seq(row.get(0)?), proved))
        })
        .optional()?;
    let Some((seq, proved)) = proved else {
        dead_letters::prove(ledger, &first, last)?;
        return Ok(None);
    };
    let more = !last || messages::complete(ledger, seq)?;
    Ok(Some(Proved { more, ..proved }))
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

const UNPROVEN: &str =
    "SELECT id FROM send WHERE (id = ?1 OR again_of = ?1) AND sid IS NULL AND rank = 0
     ORDER BY created_ms, again_of IS NOT NULL";

/// The sends of one part of which nothing was heard, oldest first.
pub(super) fn unproven(ledger: &Ledger<'_>, first: &SendId) -> Done<Vec<SendId>> {
    let mut query = ledger.sql(UNPROVEN)?;
    let sends = query.query_map([first.as_str()], |row| {
        row.get::<_, String>(0).map(SendId::new)
    })?;
    Ok(sends.collect::<Result<_, _>>()?)
}

pub(super) const IN_DOUBT: &str =
    "SELECT count(*) FROM message WHERE doubt IS NOT NULL AND mark IS NOT NULL";

/// How many waiting messages have a send without a known answer. (A mark is never without a doubt, which has an index.)
pub(super) fn in_doubt(ledger: &Ledger<'_>) -> Done<u64> {
    Ok(ledger.sql(IN_DOUBT)?.query_row([], |row| row.get(0))?)
}

pub(super) const OTHER_DEAD_LETTERS: &str = "SELECT d.payload, d.next_part FROM dead_letter d LEFT JOIN send s ON s.id = d.doubt
     WHERE d.lane = ?1 AND d.doubt IS NOT NULL AND max(COALESCE(d.mark_ms, 0), COALESCE(s.created_ms, 0)) >= ?2";
const OTHER_MESSAGES: &str =
    "SELECT m.payload, m.next_part FROM message m LEFT JOIN send s ON s.id = m.doubt
     WHERE m.lane = ?1 AND m.doubt IS NOT NULL AND m.seq <> ?3
     AND max(COALESCE(m.mark_ms, 0), COALESCE(s.created_ms, 0)) >= ?2";

/// The other messages of the lane that may have been sent since then.
pub(super) fn others_in_doubt(
    ledger: &Ledger<'_>,
    lane: &LaneKey,
    but: Seq,
    since: Timestamp,
) -> Done<Vec<InDoubt>> {
    let since = millis(since);
    let read = |row: &rusqlite::Row<'_>| {
        Ok(InDoubt {
            payload: row.get(0)?,
            part: row.get(1)?,
        })
    };
    let mut dead_letters = ledger.sql(OTHER_DEAD_LETTERS)?;
    let dead_letters = dead_letters.query_map(params![lane.expose(), since], read)?;
    let mut messages = ledger.sql(OTHER_MESSAGES)?;
    let messages = messages.query_map(params![lane.expose(), since, but.0], read)?;
    Ok(dead_letters.chain(messages).collect::<Result<_, _>>()?)
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
    let proved = prove(ledger, &report.send, last)?;
    fail::fail_point!("callback");
    let receipt_waits = match genesys_id {
        Some(id) if rank > seen => receipts::raise(ledger, &GenesysMessageId::new(id))?,
        _ => false,
    };
    Ok(Some(Standing {
        rank,
        risen: rank > seen,
        receipt_waits,
        proved,
    }))
}
