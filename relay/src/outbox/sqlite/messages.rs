//! Rows and lanes: append, head, defer, end.
//!
//! A lane's order is `attempted` first (at most its head is), then `position`, then `seq`. For what arrives in order
//! the position is the row's own number; for what claims a time it is that time, so that an earlier one is placed
//! before later ones still untried.

use jiff::Timestamp;
use messaging_bridge_clients::genesys::GenesysMessageId;
use rusqlite::{OptionalExtension as _, params};

use super::ledger::{Done, Ledger, LedgerError, millis};
use super::receipts;
use crate::clock::from_millis;
use crate::outbox::{
    Appended, DeadReason, DedupKey, Deferral, Direction, Head, LaneKey, NewRow, Order, OutboxError,
    Refusal, SendId, Seq, WaitingLane,
};

/// How long after its webhook a receipt may follow at the earliest: Genesys must have had our answer first.
const RECEIPT_AFTER_ANSWER_MS: i64 = 500;

/// Stores a message with its key, within `budget` bytes.
pub(super) fn append(ledger: &mut Ledger<'_>, row: &NewRow, budget: u64) -> Done<Appended> {
    let bytes = row.payload.len() as u64;
    if ledger.book.bytes + bytes > budget {
        // What is in already is answered as accepted even when nothing new is.
        if is_taken(ledger, &row.key, row.accepted)? {
            return Ok(Appended::Duplicate);
        }
        return Err(LedgerError::Refused(OutboxError::Full {
            bytes: ledger.book.bytes,
            budget,
        }));
    }
    if !claim(ledger, &row.key, row.accepted)? {
        return Ok(Appended::Duplicate);
    }
    let seq = store(ledger, row)?;
    fail::fail_point!("append");
    Ok(Appended::Stored(seq))
}

/// Inserts the row; its key is claimed already.
pub(super) fn store(ledger: &mut Ledger<'_>, row: &NewRow) -> Done<Seq> {
    let seq = ledger.book.next_seq;
    let (position, time) = match row.order {
        Order::Arrival => (seq, arrival_time(ledger, &row.lane, row.accepted)?),
        Order::Claimed(Some(time)) => (millis(time), millis(time)),
        Order::Claimed(None) => (
            tail_position(ledger, &row.lane, row.accepted)?,
            millis(row.accepted),
        ),
    };
    ledger
        .sql(
            "INSERT INTO message (seq, lane, direction, position, time_ms, accepted_ms, key, genesys_id, identity, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            seq,
            row.lane.expose(),
            row.lane.direction() as i64,
            position,
            time,
            millis(row.accepted),
            row.key.text,
            row.genesys_id.as_ref().map(GenesysMessageId::as_str),
            ledger.book.identity,
            row.payload,
        ])?;
    ledger.book.next_seq += 1;
    ledger
        .book
        .add(row.lane.direction(), row.payload.len() as u64);
    Ok(Seq(seq))
}

/// Takes a key; false when it is taken. A key past its life is free again.
pub(super) fn claim(ledger: &Ledger<'_>, key: &DedupKey, now: Timestamp) -> Done<bool> {
    let life = i64::try_from(key.life.as_millis()).unwrap_or(i64::MAX);
    let changed = ledger
        .sql(
            "INSERT INTO dedup (key, expires_ms) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET expires_ms = excluded.expires_ms, outcome = NULL
             WHERE dedup.expires_ms <= ?3",
        )?
        .execute(params![
            key.text,
            millis(now).saturating_add(life),
            millis(now)
        ])?;
    Ok(changed == 1)
}

fn is_taken(ledger: &Ledger<'_>, key: &DedupKey, now: Timestamp) -> Done<bool> {
    let mut taken = ledger.sql("SELECT 1 FROM dedup WHERE key = ?1 AND expires_ms > ?2")?;
    Ok(taken.exists(params![key.text, millis(now)])?)
}

/// The arrival, but later than the last message of this customer: times in a lane increase strictly.
pub(super) fn arrival_time(ledger: &Ledger<'_>, lane: &LaneKey, arrived: Timestamp) -> Done<i64> {
    Ok(ledger
        .sql(
            "INSERT INTO contact (customer, last_time_ms) VALUES (?1, ?2)
             ON CONFLICT (customer) DO UPDATE
             SET last_time_ms = max(excluded.last_time_ms, contact.last_time_ms + 1)
             RETURNING last_time_ms",
        )?
        .query_row(params![lane.customer(), millis(arrived)], |row| row.get(0))?)
}

/// A position behind all of a lane, for what claims no time.
pub(super) fn tail_position(ledger: &Ledger<'_>, lane: &LaneKey, arrived: Timestamp) -> Done<i64> {
    let last: Option<i64> = ledger
        .sql(LAST_POSITION)?
        .query_row([lane.expose()], |row| row.get(0))?;
    Ok(last.unwrap_or(i64::MIN).max(millis(arrived)))
}

/// The untried and the attempted rows apart: each end of the index is one step, their maximum over both is a walk
/// through the lane.
pub(super) const LAST_POSITION: &str = "SELECT max(position) FROM (
     SELECT max(position) AS position FROM message WHERE lane = ?1 AND attempted = 0
     UNION ALL SELECT max(position) FROM message WHERE lane = ?1 AND attempted = 1)";

/// Takes the key of a message that cannot be carried, with its `Failed` receipt.
pub(super) fn refuse(ledger: &mut Ledger<'_>, refusal: &Refusal) -> Done<Appended> {
    if !claim(ledger, &refusal.key, refusal.accepted)? {
        return Ok(Appended::Duplicate);
    }
    set_outcome(ledger, &refusal.key.text, "refused")?;
    receipts::want_failed(
        ledger,
        &refusal.genesys_id,
        refusal.customer.expose(),
        (crate::outbox::ReceiptLevel::Failed, &refusal.reason),
        millis(refusal.accepted) + RECEIPT_AFTER_ANSWER_MS,
    )?;
    Ok(Appended::Stored(Seq(0)))
}

/// All lanes that have rows.
pub(super) fn lanes(ledger: &Ledger<'_>) -> Done<Vec<WaitingLane>> {
    let mut query = ledger.sql(
        "SELECT lane, min(seq) AS first, max(CASE WHEN attempted = 1 THEN not_before_ms ELSE 0 END)
         FROM message GROUP BY lane ORDER BY first",
    )?;
    let lanes = query.query_map([], |row| {
        let lane = LaneKey::from_stored(row.get_ref(0)?.as_str()?);
        Ok(WaitingLane {
            lane,
            not_before: from_millis(row.get(2)?),
        })
    })?;
    Ok(lanes.collect::<Result<_, _>>()?)
}

pub(super) const HEAD: &str = "SELECT m.seq, m.accepted_ms, m.time_ms, m.not_before_ms, m.tries, m.strikes, m.next_part, m.mark,
     m.mark_ms, i.sender, m.payload,
     m.next_part > 0 AND EXISTS (SELECT 1 FROM send s WHERE s.genesys_id = m.genesys_id AND s.rank = 5)
     FROM message m JOIN identity i ON i.id = m.identity
     WHERE m.lane = ?1 ORDER BY m.attempted DESC, m.position, m.seq LIMIT 1";

/// The head of a lane.
pub(super) fn head(ledger: &Ledger<'_>, lane: &LaneKey) -> Done<Option<Head>> {
    let mut query = ledger.sql(planted_lane_order(HEAD))?;
    let head = query.query_row([lane.expose()], |row| {
        let mark: Option<String> = row.get(7)?;
        let marked: Option<i64> = row.get(8)?;
        Ok(Head {
            seq: Seq(row.get(0)?),
            accepted: from_millis(row.get(1)?),
            time: from_millis(row.get(2)?),
            not_before: from_millis(row.get(3)?),
            tries: row.get(4)?,
            strikes: row.get(5)?,
            next_part: row.get(6)?,
            mark: mark
                .zip(marked)
                .map(|(send, at)| (SendId::new(send), from_millis(at))),
            sender: row.get(9)?,
            payload: row.get(10)?,
            part_failed: row.get(11)?,
        })
    });
    Ok(head.optional()?)
}

/// A planted fault: the suite must notice a relay that takes the newest row of a lane first.
fn planted_lane_order(sql: &'static str) -> &'static str {
    fail::fail_point!("fault-lane-order-ignored", |_| {
        "SELECT m.seq, m.accepted_ms, m.time_ms, m.not_before_ms, m.tries, m.strikes, m.next_part, m.mark,
         m.mark_ms, i.sender, m.payload, 0 FROM message m JOIN identity i ON i.id = m.identity
         WHERE m.lane = ?1 ORDER BY m.seq DESC LIMIT 1"
    });
    sql
}

/// Puts a row back until later.
pub(super) fn defer(ledger: &Ledger<'_>, seq: Seq, deferral: Deferral) -> Done<()> {
    ledger
        .sql(
            "UPDATE message SET attempted = 1, not_before_ms = ?2, tries = tries + ?3, strikes = strikes + ?4
             WHERE seq = ?1",
        )?
        .execute(params![seq.0, millis(deferral.until), deferral.tried, deferral.strike])?;
    Ok(())
}

/// Ends a row as delivered. A row that is gone already changes nothing, and its lane is to be looked at.
pub(super) fn complete(ledger: &mut Ledger<'_>, seq: Seq) -> Done<bool> {
    let ended = ledger
        .sql("DELETE FROM message WHERE seq = ?1 RETURNING lane, key, length(payload)")?
        .query_row([seq.0], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, u64>(2)?,
            ))
        })
        .optional()?;
    let Some((lane, key, bytes)) = ended else {
        return Ok(true);
    };
    let lane = LaneKey::from_stored(&lane);
    ledger.book.remove(lane.direction(), bytes);
    set_outcome(ledger, &key, "delivered")?;
    fail::fail_point!("complete");
    has_rows(ledger, &lane)
}

/// Moves a row to the dead letters, with the agent's receipt. A row that is gone already changes nothing, and its lane
/// is to be looked at.
pub(super) fn dead_letter(ledger: &mut Ledger<'_>, seq: Seq, reason: &DeadReason) -> Done<bool> {
    let buried = ledger
        .sql(
            "INSERT INTO dead_letter (lane, direction, accepted_ms, died_ms, reason, sentence, key, genesys_id,
               next_part, mark, mark_ms, identity, payload)
             SELECT lane, direction, accepted_ms, ?2, ?3, ?4, key, genesys_id, next_part, mark, mark_ms, identity, payload
             FROM message WHERE seq = ?1",
        )?
        .execute(params![seq.0, millis(reason.at), reason.word, reason.sentence])?;
    if buried == 0 {
        return Ok(true);
    }
    let (lane, key, genesys_id, bytes) = ledger
        .sql("DELETE FROM message WHERE seq = ?1 RETURNING lane, key, genesys_id, length(payload)")?
        .query_row([seq.0], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get(3)?,
            ))
        })?;
    let lane = LaneKey::from_stored(&lane);
    ledger.book.remove(lane.direction(), bytes);
    ledger.book.dead_letters += 1;
    set_outcome(ledger, &key, reason.word)?;
    if let (Some(id), Some((level, told))) = (genesys_id, &reason.receipt) {
        receipts::want_failed(
            ledger,
            &GenesysMessageId::new(id),
            lane.customer(),
            (*level, told),
            millis(reason.at),
        )?;
    }
    has_rows(ledger, &lane)
}

pub(super) const LATE: &str = "SELECT seq, mark IS NOT NULL FROM message
     WHERE direction = 1 AND accepted_ms < ?1 ORDER BY accepted_ms LIMIT 200";

/// Ends outbound rows that arrived before a time, a bounded number in one go.
pub(super) fn expire_outbound(
    ledger: &mut Ledger<'_>,
    before: Timestamp,
    expired: &DeadReason,
    unresolved: &DeadReason,
) -> Done<u64> {
    let late: Vec<(i64, bool)> = ledger
        .sql(LATE)?
        .query_map([millis(before)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (seq, marked) in &late {
        dead_letter(
            ledger,
            Seq(*seq),
            if *marked { unresolved } else { expired },
        )?;
    }
    Ok(late.len() as u64)
}

pub(super) const HAS_ROWS: &str = "SELECT 1 FROM message WHERE lane = ?1";

fn has_rows(ledger: &Ledger<'_>, lane: &LaneKey) -> Done<bool> {
    Ok(ledger.sql(HAS_ROWS)?.exists([lane.expose()])?)
}

/// Writes how a message ended beside its key: its one recorded outcome.
pub(super) fn set_outcome(ledger: &Ledger<'_>, key: &str, outcome: &str) -> Done<()> {
    ledger
        .sql("UPDATE dedup SET outcome = ?2 WHERE key = ?1")?
        .execute([key, outcome])?;
    Ok(())
}

pub(super) const OLDEST_OUTBOUND: &str =
    "SELECT accepted_ms FROM message WHERE direction = 1 ORDER BY accepted_ms LIMIT 1";

/// When the oldest waiting message of a direction arrived.
pub(super) fn oldest(ledger: &Ledger<'_>, direction: Direction) -> Done<Option<Timestamp>> {
    if ledger.book.rows[direction as usize] == 0 {
        // Without this, nothing inbound would mean a walk through everything outbound.
        return Ok(None);
    }
    let sql = match direction {
        Direction::Inbound => {
            "SELECT accepted_ms FROM message WHERE direction = 0 ORDER BY seq LIMIT 1"
        }
        Direction::Outbound => OLDEST_OUTBOUND,
    };
    Ok(ledger
        .sql(sql)?
        .query_row([], |row| row.get(0))
        .optional()?
        .map(from_millis))
}
