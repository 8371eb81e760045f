//! Rows and lanes: append, head, defer, end.
//!
//! A lane's order is `attempted` first (at most its head is), then `position`, then `seq`. For what arrives in order
//! the position is the row's own number; for what claims a time it is that time, so that an earlier one is placed
//! before later ones still untried.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use messaging_bridge_clients::genesys::GenesysMessageId;
use rusqlite::{OptionalExtension as _, Row, params};

use super::ledger::{Book, Done, Ledger, LedgerError, millis};
use super::receipts;
use crate::clock::from_millis;
use crate::outbox::{
    Appended, Burial, DeadReason, DedupKey, Deferral, Direction, Doubt, Expired, Head, LaneKey,
    NewRow, Order, OutboxError, ReceiptLevel, Refusal, SendId, Seq, WaitingLane,
};

/// What an append may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Bytes that may wait.
    pub(super) bytes: u64,
    /// Messages that may wait.
    pub(super) rows: u64,
    /// Whether keys may end: the time is sure.
    pub(super) keys_end: bool,
}

#[cfg(test)]
impl From<u64> for Room {
    fn from(bytes: u64) -> Self {
        Self {
            bytes,
            rows: u64::MAX,
            keys_end: true,
        }
    }
}

impl Room {
    /// Why so many messages of so many bytes have no room, if so.
    pub(super) fn refusal(self, messages: u64, bytes: u64, held: &Book) -> Option<OutboxError> {
        let rows: u64 = held.rows.iter().sum();
        if held.bytes + bytes > self.bytes {
            return Some(OutboxError::Full {
                bytes: held.bytes,
                budget: self.bytes,
            });
        }
        (rows + messages > self.rows).then_some(OutboxError::TooMany {
            rows,
            budget: self.rows,
        })
    }
}

/// Stores a message with its key, if there is room.
pub(super) fn append(ledger: &mut Ledger<'_>, row: &NewRow, room: Room) -> Done<Appended> {
    if let Some(refusal) = room.refusal(1, row.payload.len() as u64, ledger.book) {
        // What is in already is answered as accepted even when nothing new is.
        if is_taken(
            ledger,
            &row.key,
            ends_by(&row.key, row.accepted, room.keys_end),
        )? {
            return Ok(Appended::Duplicate);
        }
        return Err(LedgerError::Refused(refusal));
    }
    if !claim(ledger, &row.key, row.accepted, room.keys_end)? {
        return Ok(Appended::Duplicate);
    }
    let seq = store(ledger, row)?;
    fail::fail_point!("append");
    Ok(Appended::Stored(seq))
}

/// Where a new row stands in its lane, and its `channel.time`.
#[derive(Clone, Copy)]
pub(super) struct NewPlace {
    pub(super) position: i64,
    pub(super) time: i64,
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
    insert(ledger, row, NewPlace { position, time })
}

/// Inserts the row at a place.
pub(super) fn insert(ledger: &mut Ledger<'_>, row: &NewRow, place: NewPlace) -> Done<Seq> {
    let seq = ledger.book.next_seq;
    ledger
        .sql(
            "INSERT INTO message (seq, lane, direction, position, time_ms, accepted_ms, key, genesys_id, identity, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            seq,
            row.lane.expose(),
            row.lane.direction() as i64,
            place.position,
            place.time,
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

/// A key that lives for less than this ends by any clock: it stands for a text, and would swallow the same text again.
const SHORT_LIFE: Duration = Duration::from_hours(1);

/// The time by which a key may have ended: none while the time is doubtful.
fn ends_by(key: &DedupKey, now: Timestamp, keys_end: bool) -> i64 {
    if keys_end || key.life < SHORT_LIFE {
        millis(now)
    } else {
        i64::MIN
    }
}

/// Takes a key; false when it is taken. A key past its life is free again.
pub(super) fn claim(
    ledger: &Ledger<'_>,
    key: &DedupKey,
    now: Timestamp,
    keys_end: bool,
) -> Done<bool> {
    let life = i64::try_from(key.life.as_millis()).unwrap_or(i64::MAX);
    let changed = ledger.sql(CLAIM)?.execute(params![
        key.text,
        millis(now).saturating_add(life),
        ends_by(key, now, keys_end)
    ])?;
    Ok(changed == 1)
}

pub(super) const CLAIM: &str = "INSERT INTO dedup (key, expires_ms) VALUES (?1, ?2)
     ON CONFLICT (key) DO UPDATE SET expires_ms = excluded.expires_ms, outcome = NULL
     WHERE dedup.expires_ms <= ?3";

pub(super) const IS_TAKEN: &str = "SELECT 1 FROM dedup WHERE key = ?1 AND expires_ms > ?2";

fn is_taken(ledger: &Ledger<'_>, key: &DedupKey, ended: i64) -> Done<bool> {
    Ok(ledger.sql(IS_TAKEN)?.exists(params![key.text, ended])?)
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

/// What arrives from now on is later than this: a missed message keeps the time that Twilio gave it.
pub(super) fn arrivals_follow(ledger: &Ledger<'_>, lane: &LaneKey, time: i64) -> Done<()> {
    ledger
        .sql(
            "INSERT INTO contact (customer, last_time_ms) VALUES (?1, ?2)
             ON CONFLICT (customer) DO UPDATE
             SET last_time_ms = max(excluded.last_time_ms, contact.last_time_ms)",
        )?
        .execute(params![lane.customer(), time])?;
    Ok(())
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
pub(super) fn refuse(ledger: &mut Ledger<'_>, refusal: &Refusal, keys_end: bool) -> Done<Appended> {
    if !claim(ledger, &refusal.key, refusal.accepted, keys_end)? {
        return Ok(Appended::Duplicate);
    }
    set_outcome(ledger, &refusal.key.text, "refused")?;
    receipts::want_failed(
        ledger,
        &refusal.genesys_id,
        refusal.customer.expose(),
        (ReceiptLevel::Failed, &refusal.reason),
        millis(refusal.accepted),
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
     m.next_part > 0 AND EXISTS (SELECT 1 FROM send s WHERE s.genesys_id = m.genesys_id AND s.rank = 5
       AND NOT EXISTS (SELECT 1 FROM send o WHERE o.genesys_id = s.genesys_id AND o.part = s.part
         AND o.rank BETWEEN 2 AND 4)),
     m.doubt, (SELECT f.created_ms FROM send f WHERE f.id = m.doubt)
     FROM message m JOIN identity i ON i.id = m.identity
     WHERE m.lane = ?1 ORDER BY m.attempted DESC, m.position, m.seq LIMIT 1";

/// The head of a lane.
pub(super) fn head(ledger: &Ledger<'_>, lane: &LaneKey) -> Done<Option<Head>> {
    let mut query = ledger.sql(planted_lane_order(HEAD))?;
    let head = query.query_row([lane.expose()], |row| {
        Ok(Head {
            seq: Seq(row.get(0)?),
            accepted: from_millis(row.get(1)?),
            time: from_millis(row.get(2)?),
            not_before: from_millis(row.get(3)?),
            tries: row.get(4)?,
            strikes: row.get(5)?,
            next_part: row.get(6)?,
            doubt: doubt(row)?,
            sender: row.get(9)?,
            payload: row.get(10)?,
            part_failed: row.get(11)?,
        })
    });
    Ok(head.optional()?)
}

/// The doubt about a marked head. The send that came first may be purged: then the mark stands for it.
fn doubt(row: &Row<'_>) -> Result<Option<Doubt>, rusqlite::Error> {
    let (mark, marked): (Option<String>, Option<i64>) = (row.get(7)?, row.get(8)?);
    let (first, first_marked): (Option<String>, Option<i64>) = (row.get(12)?, row.get(13)?);
    Ok(mark.zip(marked).map(|(send, marked)| Doubt {
        first: SendId::new(first.unwrap_or_else(|| send.clone())),
        first_marked: from_millis(first_marked.unwrap_or(marked)),
        send: SendId::new(send),
        marked: from_millis(marked),
    }))
}

/// A planted fault: the suite must notice a relay that takes the newest row of a lane first.
fn planted_lane_order(sql: &'static str) -> &'static str {
    fail::fail_point!("fault-lane-order-ignored", |_| {
        "SELECT m.seq, m.accepted_ms, m.time_ms, m.not_before_ms, m.tries, m.strikes, m.next_part, m.mark,
         m.mark_ms, i.sender, m.payload, 0, m.doubt, NULL FROM message m JOIN identity i ON i.id = m.identity
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
    fail::fail_point!("defer");
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

/// Moves a row to the dead letters if it is still at this part. One that is gone, or of which the part was proven,
/// changes nothing.
pub(super) fn dead_letter(
    ledger: &mut Ledger<'_>,
    seq: Seq,
    part: u32,
    reason: &DeadReason,
) -> Done<Burial> {
    let at_that_part = ledger
        .sql("SELECT 1 FROM message WHERE seq = ?1 AND next_part = ?2")?
        .exists(params![seq.0, part])?;
    if !at_that_part {
        return Ok(Burial::GoneOn);
    }
    let more = bury(ledger, seq, reason)?;
    Ok(Burial::Buried { more })
}

/// Moves a row to the dead letters, with the agent's receipt. Returns whether its lane has more rows.
fn bury(ledger: &mut Ledger<'_>, seq: Seq, reason: &DeadReason) -> Done<bool> {
    ledger
        .sql(
            "INSERT INTO dead_letter (lane, direction, accepted_ms, died_ms, reason, sentence, key, genesys_id,
               next_part, mark, mark_ms, doubt, identity, payload)
             SELECT lane, direction, accepted_ms, ?2, ?3, ?4, key, genesys_id, next_part, mark, mark_ms, doubt, identity,
               payload FROM message WHERE seq = ?1",
        )?
        .execute(params![seq.0, millis(reason.at), reason.word, reason.sentence])?;
    let (lane, key, genesys_id, bytes, in_doubt) = ledger
        .sql(
            "DELETE FROM message WHERE seq = ?1
             RETURNING lane, key, genesys_id, length(payload), doubt IS NOT NULL",
        )?
        .query_row([seq.0], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get(3)?,
                row.get::<_, bool>(4)?,
            ))
        })?;
    fail::fail_point!("bury");
    let lane = LaneKey::from_stored(&lane);
    ledger.book.remove(lane.direction(), bytes);
    ledger.book.dead_letters += 1;
    set_outcome(ledger, &key, reason.word)?;
    if let (Some(id), Some((level, told))) = (genesys_id, &reason.receipt) {
        // What may have been sent after all has not failed for certain.
        let level = if in_doubt {
            ReceiptLevel::FailedInferred
        } else {
            *level
        };
        receipts::want_failed(
            ledger,
            &GenesysMessageId::new(id),
            lane.customer(),
            (level, told),
            millis(reason.at),
        )?;
    }
    has_rows(ledger, &lane)
}

pub(super) const LATE: &str = "SELECT seq, lane, accepted_ms, tries, mark IS NOT NULL, payload FROM message
     WHERE direction = 1 AND accepted_ms < ?1 AND (mark IS NULL OR mark_ms < ?2) ORDER BY accepted_ms LIMIT 200";

/// Ends outbound rows that arrived before a time, a bounded number in one go.
pub(super) fn expire_outbound(
    ledger: &mut Ledger<'_>,
    (before, under_way): (Timestamp, Timestamp),
    expired: &DeadReason,
    unresolved: &DeadReason,
) -> Done<Vec<Expired>> {
    let late: Vec<Expired> = ledger
        .sql(LATE)?
        .query_map([millis(before), millis(under_way)], |row| {
            Ok(Expired {
                seq: Seq(row.get(0)?),
                lane: LaneKey::from_stored(row.get_ref(1)?.as_str()?),
                accepted: from_millis(row.get(2)?),
                tries: row.get(3)?,
                marked: row.get(4)?,
                payload: row.get(5)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    for late in &late {
        let reason = if late.marked { unresolved } else { expired };
        bury(ledger, late.seq, reason)?;
    }
    Ok(late)
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

/// Moves the times that were written under a wrong clock: of rows that arrived, of attempts and sends that were made.
/// Walks through the tables: it happens once in a process, and only on a machine whose clock is wrong.
pub(super) fn restamp(
    ledger: &Ledger<'_>,
    (from, to): (Timestamp, Timestamp),
    by: SignedDuration,
) -> Done<u64> {
    let by = i64::try_from(by.as_millis()).unwrap_or_default();
    let moved = ledger
        .sql(
            "UPDATE message SET accepted_ms = accepted_ms + ?3,
               not_before_ms = CASE not_before_ms WHEN 0 THEN 0 ELSE not_before_ms + ?3 END
             WHERE accepted_ms BETWEEN ?1 AND ?2",
        )?
        .execute([millis(from), millis(to), by])?;
    // An attempt by its own time: its message may have arrived before, and a listing is compared with it.
    for sql in [
        "UPDATE message SET mark_ms = mark_ms + ?3 WHERE mark_ms BETWEEN ?1 AND ?2",
        "UPDATE dead_letter SET mark_ms = mark_ms + ?3 WHERE mark_ms BETWEEN ?1 AND ?2",
        "UPDATE send SET created_ms = created_ms + ?3 WHERE created_ms BETWEEN ?1 AND ?2",
    ] {
        ledger.sql(sql)?.execute([millis(from), millis(to), by])?;
    }
    Ok(moved as u64)
}

pub(super) const OLDEST_INBOUND: &str =
    "SELECT accepted_ms FROM message WHERE direction = 0 ORDER BY seq LIMIT 1";

pub(super) const OLDEST_OUTBOUND: &str =
    "SELECT accepted_ms FROM message WHERE direction = 1 ORDER BY accepted_ms LIMIT 1";

/// When the oldest waiting message of a direction arrived.
pub(super) fn oldest(ledger: &Ledger<'_>, direction: Direction) -> Done<Option<Timestamp>> {
    let sql = match direction {
        Direction::Inbound => OLDEST_INBOUND,
        Direction::Outbound => OLDEST_OUTBOUND,
    };
    Ok(ledger
        .sql(sql)?
        .query_row([], |row| row.get(0))
        .optional()?
        .map(from_millis))
}
