//! What was missed: gaps are filled, and their marks are kept.
//!
//! A missed message and its key are stored in one transaction, like any other: whichever comes first, the webhook or
//! the list, the other one is a duplicate. Here a key is taken for ever: SIDs do not come again.

use jiff::Timestamp;
use messaging_bridge_clients::twilio::MessageSid;
use rusqlite::{OptionalExtension as _, params};

use super::dead_letters::our_identities;
use super::ledger::{Done, Ledger, LedgerError, millis};
use super::messages::{self, NewPlace, Room};
use crate::clock::from_millis;
use crate::outbox::{
    AskedUpTo, DedupKey, Filled, Found, Gap, NewRow, Order, Place, SendId, Seq, Unfinished,
};

/// The mark of the gaps, among the marks.
const GAP: &str = "gap";
/// Goes before the key of a message that was counted as redacted.
const REDACTED: &str = "redacted/";

pub(super) const TAKEN: &str = "SELECT 1 FROM dedup WHERE key = ?1";

/// Of these keys, those that nobody has taken.
pub(super) fn lacking(ledger: &Ledger<'_>, keys: &[String]) -> Done<Vec<String>> {
    let mut taken = ledger.sql(TAKEN)?;
    let mut lacking = Vec::new();
    for key in keys {
        if !taken.exists([key])? {
            lacking.push(key.clone());
        }
    }
    Ok(lacking)
}

/// Stores what lacks, if there is room for all of it.
pub(super) fn fill(ledger: &mut Ledger<'_>, gap: &Gap, room: Room) -> Done<Filled> {
    let missing: Vec<u64> = gap
        .listed
        .iter()
        .filter_map(|listed| match &listed.is {
            Found::Missing(payload) => Some(payload.len() as u64),
            Found::Known | Found::Redacted => None,
        })
        .collect();
    let (messages, bytes) = (missing.len() as u64, missing.iter().sum());
    if messages > 0
        && let Some(refusal) = room.refusal(messages, bytes, ledger.book)
    {
        return Err(LedgerError::Refused(refusal));
    }
    let positions = positions(ledger, gap)?;
    let mut filled = Filled::default();
    for (listed, position) in gap.listed.iter().zip(positions) {
        match &listed.is {
            Found::Known => {}
            Found::Redacted => {
                filled.redacted += u64::from(count_redacted(ledger, listed, gap.found)?);
            }
            Found::Missing(payload) => {
                if !claim_for_ever(ledger, &listed.key, gap.found)? {
                    continue;
                }
                let row = NewRow {
                    lane: gap.lane.clone(),
                    key: listed.key.clone(),
                    order: Order::Arrival,
                    accepted: gap.found,
                    payload: payload.clone(),
                    genesys_id: None,
                };
                let time = millis(listed.time);
                let position = position.unwrap_or(ledger.book.next_seq);
                messages::insert(ledger, &row, NewPlace { position, time })?;
                messages::arrivals_follow(ledger, &gap.lane, time)?;
                filled.stored += 1;
            }
        }
    }
    fail::fail_point!("heal");
    Ok(filled)
}

pub(super) const WAITING: &str = "SELECT position, key, time_ms FROM message WHERE lane = ?1";

/// The position of each listed message, if it lacks; `None` for the tail.
fn positions(ledger: &Ledger<'_>, gap: &Gap) -> Done<Vec<Option<i64>>> {
    let Place::ByTime { since, until } = gap.place else {
        return Ok(vec![None; gap.listed.len()]);
    };
    let mut query = ledger.sql(WAITING)?;
    let waiting = query.query_map([gap.lane.expose()], |row| {
        Ok(Waiting {
            position: row.get(0)?,
            key: row.get(1)?,
            time: row.get(2)?,
        })
    })?;
    let waiting: Vec<Waiting> = waiting.collect::<Result<_, _>>()?;
    let keys: Vec<&str> = gap
        .listed
        .iter()
        .map(|listed| listed.key.text.as_str())
        .collect();
    Ok(places(&waiting, &keys, since, millis(until))
        .into_iter()
        .map(Some)
        .collect())
}

/// A row that waits in the lane.
struct Waiting {
    position: i64,
    key: String,
    time: i64,
}

/// Right before the first row from before `since` that belongs behind it: one whose message is listed later, or one that
/// is not listed and has a time beyond the list. But behind a row from `since` on that is listed earlier. Rows of one
/// position are told apart by their numbers, so that it suffices to share the position of whoever comes before.
fn places(waiting: &[Waiting], listed: &[&str], since: Seq, until: i64) -> Vec<i64> {
    let (old, new): (Vec<_>, Vec<_>) = waiting.iter().partition(|row| row.position < since.0);
    let beyond = old
        .iter()
        .filter(|row| row.time >= until && !listed.contains(&row.key.as_str()))
        .map(|row| row.position);
    let mut first_behind = beyond.min().unwrap_or(since.0).min(since.0);
    let mut places: Vec<i64> = listed
        .iter()
        .rev()
        .map(|key| {
            let place = first_behind - 1;
            if let Some(row) = old.iter().find(|row| row.key == *key) {
                first_behind = first_behind.min(row.position);
            }
            place
        })
        .collect();
    places.reverse();
    let mut last_ahead: Option<i64> = None;
    for (place, key) in places.iter_mut().zip(listed) {
        *place = last_ahead.unwrap_or(*place);
        let row = new.iter().find(|row| row.key == *key);
        last_ahead = last_ahead.max(row.map(|row| row.position));
    }
    places
}

fn claim_for_ever(ledger: &Ledger<'_>, key: &DedupKey, now: Timestamp) -> Done<bool> {
    let life = i64::try_from(key.life.as_millis()).unwrap_or(i64::MAX);
    let claimed = ledger
        .sql("INSERT INTO dedup (key, expires_ms) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING")?
        .execute(params![key.text, millis(now).saturating_add(life)])?;
    Ok(claimed == 1)
}

/// Its own key stays free: should the webhook come after all, it has the text.
fn count_redacted(
    ledger: &Ledger<'_>,
    listed: &crate::outbox::Listed,
    now: Timestamp,
) -> Done<bool> {
    if ledger.sql(TAKEN)?.exists([&listed.key.text])? {
        return Ok(false);
    }
    let counted = DedupKey {
        text: format!("{REDACTED}{}", listed.key.text),
        life: listed.key.life,
    };
    claim_for_ever(ledger, &counted, now)
}

/// Up to where nothing is missed; `None` for a new volume, or one that served another sender or organisation.
pub(super) fn gap_mark(ledger: &Ledger<'_>) -> Done<Option<Timestamp>> {
    let mark = ledger
        .sql("SELECT at_ms, identity FROM mark WHERE name = ?1")?
        .query_row([GAP], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((at, identity)) = mark else {
        return Ok(None);
    };
    let ours = our_identities(ledger)?.contains(&identity);
    Ok(ours.then(|| from_millis(at)))
}

/// Moves the mark of the gaps.
pub(super) fn set_gap_mark(ledger: &Ledger<'_>, mark: Timestamp) -> Done<()> {
    set_mark(ledger, GAP, millis(mark), "")
}

/// The mark as it is stored, whosever it is: what it covers is not purged.
pub(super) fn stored_gap_mark(ledger: &Ledger<'_>) -> Done<Option<i64>> {
    let mark = ledger
        .sql("SELECT at_ms FROM mark WHERE name = ?1")?
        .query_row([GAP], |row| row.get(0));
    Ok(mark.optional()?)
}

pub(super) const UNFINISHED: &str = "SELECT id, sid, created_ms FROM send
     WHERE created_ms >= ?1 AND created_ms <= ?2 AND (created_ms > ?3 OR id > ?4)
     AND sid IS NOT NULL AND rank < 3 ORDER BY created_ms, id LIMIT ?5";

/// Sends without a final status that a round did not ask about yet.
pub(super) fn unfinished(
    ledger: &Ledger<'_>,
    round: u32,
    (from, until): (Timestamp, Timestamp),
    limit: u32,
) -> Done<Vec<Unfinished>> {
    let asked: Option<(i64, String)> = ledger
        .sql("SELECT at_ms, send FROM mark WHERE name = ?1")?
        .query_row([round_name(round)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (at, send) = asked.unwrap_or((i64::MIN, String::new()));
    let mut query = ledger.sql(UNFINISHED)?;
    let sends = query.query_map(
        params![millis(from).max(at), millis(until), at, send, limit],
        |row| {
            Ok(Unfinished {
                send: SendId::new(row.get::<_, String>(0)?),
                sid: MessageSid::new(row.get::<_, String>(1)?),
                marked: from_millis(row.get(2)?),
            })
        },
    )?;
    Ok(sends.collect::<Result<_, _>>()?)
}

/// Records how far a round came.
pub(super) fn asked(ledger: &Ledger<'_>, round: u32, up_to: &AskedUpTo) -> Done<()> {
    let (at, send) = match up_to {
        AskedUpTo::Send(send) => (millis(send.marked), send.send.as_str()),
        // Every id of the next millisecond is behind the empty one.
        AskedUpTo::Time(time) => (millis(*time) + 1, ""),
    };
    set_mark(ledger, &round_name(round), at, send)
}

fn round_name(round: u32) -> String {
    format!("asked-{round}")
}

fn set_mark(ledger: &Ledger<'_>, name: &str, at: i64, send: &str) -> Done<()> {
    ledger
        .sql(
            "INSERT INTO mark (name, at_ms, send, identity) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms, send = excluded.send,
               identity = excluded.identity",
        )?
        .execute(params![name, at, send, ledger.book.identity])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn row(position: i64, key: &str, time: i64) -> Waiting {
        Waiting {
            position,
            key: key.to_owned(),
            time,
        }
    }

    #[rstest]
    #[case::nothing_waits(&[], &["a", "b"], &[9, 9])]
    #[case::between_two_that_wait(&[(3, "a", 10), (5, "c", 30)], &["a", "b", "c", "d"], &[4, 4, 9, 9])]
    #[case::before_one_beyond_the_list(&[(3, "x", 100)], &["a", "b"], &[2, 2])]
    #[case::behind_one_from_before_the_list(&[(3, "x", 40)], &["a", "b"], &[9, 9])]
    #[case::before_one_that_is_listed_later_whatever_its_time(&[(3, "b", 1)], &["a", "b"], &[2, 9])]
    #[case::behind_one_that_is_listed_earlier_whatever_its_time(&[(3, "a", 500)], &["a", "b"], &[9, 9])]
    #[case::behind_a_new_one_that_is_listed_earlier(&[(12, "a", 40), (13, "c", 45)], &["0", "a", "b", "c", "d"], &[9, 9, 12, 12, 13])]
    fn a_missed_message_goes_right_before_what_belongs_behind_it(
        #[case] waiting: &[(i64, &str, i64)],
        #[case] listed: &[&str],
        #[case] expected: &[i64],
    ) {
        let waiting: Vec<Waiting> = waiting
            .iter()
            .map(|(position, key, time)| row(*position, key, *time))
            .collect();
        assert_eq!(places(&waiting, listed, Seq(10), 50), expected);
    }
}
