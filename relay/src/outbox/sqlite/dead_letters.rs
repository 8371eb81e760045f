//! Dead letters: what ended without delivery, kept to be looked at and to be appended again.

use jiff::Timestamp;
use messaging_bridge_clients::mask;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::ledger::{Book, Done, Ledger, millis};
use super::messages::{self, Room};
use crate::clock::from_millis;
use crate::outbox::{
    DeadLetter, DeadLetterCount, DeadLetterDetail, DeadLetterId, Direction, Identity, LaneKey,
    LetterSelection,
};

/// The columns that [`read`] reads.
const COLUMNS: &str =
    "id, lane, reason, sentence, accepted_ms, died_ms, payload IS NOT NULL, identity";

/// Dead letters, oldest first, without bodies.
pub(super) fn list(ledger: &Ledger<'_>, limit: u32) -> Done<Vec<DeadLetter>> {
    let ours = our_identities(ledger)?;
    let mut query = ledger.sql(&format!(
        "SELECT {COLUMNS} FROM dead_letter ORDER BY id LIMIT ?1"
    ))?;
    let letters = query.query_map([limit], |row| read(row, &ours))?;
    Ok(letters.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>, ours: &[i64]) -> Result<DeadLetter, rusqlite::Error> {
    let lane = LaneKey::from_stored(row.get_ref(1)?.as_str()?);
    Ok(DeadLetter {
        id: DeadLetterId(row.get(0)?),
        direction: lane.direction(),
        customer: mask::phone(lane.customer()),
        reason: row.get(2)?,
        sentence: row.get(3)?,
        accepted: from_millis(row.get(4)?),
        died: from_millis(row.get(5)?),
        replayable: row.get(6)? && ours.contains(&row.get(7)?),
    })
}

/// One dead letter, closely.
pub(super) fn detail(ledger: &Ledger<'_>, id: DeadLetterId) -> Done<Option<DeadLetterDetail>> {
    let ours = our_identities(ledger)?;
    let detail = ledger
        .sql(&format!(
            "SELECT {COLUMNS}, key, next_part, mark_ms, payload FROM dead_letter WHERE id = ?1"
        ))?
        .query_row([id.0], |row| {
            Ok(DeadLetterDetail {
                letter: read(row, &ours)?,
                lane: LaneKey::from_stored(row.get_ref(1)?.as_str()?),
                key: row.get(8)?,
                next_part: row.get(9)?,
                marked: row.get::<_, Option<i64>>(10)?.map(from_millis),
                ours: ours.contains(&row.get(7)?),
                payload: row.get(11)?,
            })
        });
    Ok(detail.optional()?)
}

pub(super) const COUNTS: &str =
    "SELECT direction, reason, count(*) FROM dead_letter GROUP BY direction, reason";

/// How many are kept, by direction and reason.
pub(super) fn counts(ledger: &Ledger<'_>) -> Done<Vec<DeadLetterCount>> {
    let mut query = ledger.sql(COUNTS)?;
    let counts = query.query_map([], |row| {
        let outbound: bool = row.get(0)?;
        Ok(DeadLetterCount {
            direction: Direction::ALL[usize::from(outbound)],
            reason: row.get(1)?,
            count: row.get(2)?,
        })
    })?;
    Ok(counts.collect::<Result<_, _>>()?)
}

/// Which rows a selection means: `?1` is one of them, `?2` one whose lane is meant.
const SELECTED: &str = "(?1 IS NULL OR id = ?1)
     AND (?2 IS NULL OR lane = (SELECT lane FROM dead_letter WHERE id = ?2))";

fn chosen(selection: LetterSelection) -> [Option<i64>; 2] {
    match selection {
        LetterSelection::One(id) => [Some(id.0), None],
        LetterSelection::LaneOf(id) => [None, Some(id.0)],
        LetterSelection::All => [None, None],
    }
}

/// The ids of a selection, whoever they belong to.
pub(super) fn ids(ledger: &Ledger<'_>, selection: LetterSelection) -> Done<Vec<i64>> {
    let mut query = ledger.sql(&format!("SELECT id FROM dead_letter WHERE {SELECTED}"))?;
    let ids = query.query_map(chosen(selection), |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Removes these dead letters. Says how many there were.
pub(super) fn purge(ledger: &mut Ledger<'_>, letters: &[i64]) -> Done<u64> {
    let mut removed = 0;
    let mut remove = ledger.sql("DELETE FROM dead_letter WHERE id = ?1")?;
    for letter in letters {
        removed += remove.execute([letter])? as u64;
    }
    drop(remove);
    ledger.book.dead_letters = ledger.book.dead_letters.saturating_sub(removed);
    ledger.book.cut_log_now = true;
    Ok(removed)
}

/// A dead letter that can be appended again.
#[derive(Debug, Clone)]
pub(super) struct Replayable {
    id: i64,
    pub(super) lane: LaneKey,
    bytes: u64,
}

/// Those of a selection that can be appended again, in their original order. What was accepted for another sender or
/// organisation is not delivered by this one.
pub(super) fn replayable(ledger: &Ledger<'_>, selection: LetterSelection) -> Done<Vec<Replayable>> {
    let ours = our_identities(ledger)?;
    let mut query = ledger.sql(&format!(
        "SELECT id, lane, length(payload), identity FROM dead_letter WHERE payload IS NOT NULL AND {SELECTED}
         ORDER BY accepted_ms, id"
    ))?;
    let mut rows = query.query(chosen(selection))?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        if ours.contains(&row.get(3)?) {
            let lane: String = row.get(1)?;
            letters.push(Replayable {
                id: row.get(0)?,
                lane: LaneKey::from_stored(&lane),
                bytes: row.get(2)?,
            });
        }
    }
    Ok(letters)
}

/// Appends dead letters again at the tails of their lanes, in this order, while there is room. Says how many it went
/// through.
///
/// The key stays taken, so the platform's own repeats are still recognised. An outbound message keeps its attempt
/// doubt: an unresolved one is looked up again before anything is sent. Its age starts anew, since somebody decided
/// that it is still worth sending.
pub(super) fn replay(
    ledger: &mut Ledger<'_>,
    letters: &[Replayable],
    room_of: impl Fn(Direction) -> Room,
    now: Timestamp,
) -> Done<usize> {
    for (done, letter) in letters.iter().enumerate() {
        let room = room_of(letter.lane.direction());
        if room.refusal(1, letter.bytes, ledger.book).is_some() {
            return Ok(done);
        }
        append_again(ledger, letter, now)?;
    }
    Ok(letters.len())
}

fn append_again(ledger: &mut Ledger<'_>, letter: &Replayable, now: Timestamp) -> Done<()> {
    let Replayable { id, lane, bytes } = letter;
    let seq = ledger.book.next_seq;
    let (position, time) = match lane.direction() {
        Direction::Inbound => (seq, messages::arrival_time(ledger, lane, now)?),
        Direction::Outbound => (messages::tail_position(ledger, lane, now)?, millis(now)),
    };
    let appended = ledger
        .sql(
            "INSERT INTO message (seq, lane, direction, position, time_ms, accepted_ms, next_part, mark, mark_ms, doubt,
               key, genesys_id, identity, payload)
             SELECT ?2, lane, direction, ?3, ?4, ?5, next_part, mark, mark_ms, doubt, key, genesys_id, ?6, payload
             FROM dead_letter WHERE id = ?1 AND payload IS NOT NULL",
        )?
        .execute(params![id, seq, position, time, millis(now), ledger.book.identity])?;
    if appended == 0 {
        // Somebody else has purged it meanwhile.
        return Ok(());
    }
    if lane.direction() == Direction::Outbound {
        begin_receipt_anew(ledger, *id, now)?;
    }
    ledger
        .sql("DELETE FROM dead_letter WHERE id = ?1")?
        .execute([id])?;
    ledger.book.next_seq += 1;
    ledger.book.add(lane.direction(), *bytes);
    ledger.book.dead_letters = ledger.book.dead_letters.saturating_sub(1);
    Ok(())
}

/// What the agent was told of the failed try must not stand in the way of what becomes of the new one: the receipt is
/// of the parts that did not fail and of those to come.
fn begin_receipt_anew(ledger: &Ledger<'_>, letter: i64, now: Timestamp) -> Done<()> {
    ledger
        .sql(
            "UPDATE receipt SET wanted = 0, told = 0, code = NULL, sentence = NULL, tries = 0, not_before_ms = 0,
               created_ms = ?2,
               parts = min(parts, max(1, parts - (SELECT count(DISTINCT part) FROM send s
                 WHERE s.genesys_id = receipt.genesys_id AND s.rank = 5
                 AND s.part < (SELECT next_part FROM dead_letter WHERE id = ?1))))
             WHERE genesys_id = (SELECT genesys_id FROM dead_letter WHERE id = ?1)",
        )?
        .execute(params![letter, millis(now)])?;
    ledger
        .sql(
            "DELETE FROM send WHERE (sid IS NULL OR rank = 5)
             AND genesys_id = (SELECT genesys_id FROM dead_letter WHERE id = ?1)
             AND COALESCE(again_of, id) IS NOT (SELECT doubt FROM dead_letter WHERE id = ?1)",
        )?
        .execute([letter])?;
    Ok(())
}

/// Ends the doubt about a part of a dead letter, if one has it: a callback (or an answer that came after its message
/// was given up) proves that the part was sent. With its last part the message was delivered and is no dead letter any
/// more; else a replay goes on with the next part.
pub(super) fn prove(ledger: &mut Ledger<'_>, first: &str, last: bool) -> Done<()> {
    if !last {
        ledger
            .sql(
                "UPDATE dead_letter SET next_part = next_part + 1, mark = NULL, mark_ms = NULL, doubt = NULL
                 WHERE doubt = ?1",
            )?
            .execute([first])?;
        return Ok(());
    }
    let key: Option<String> = ledger
        .sql("DELETE FROM dead_letter WHERE doubt = ?1 RETURNING key")?
        .query_row([first], |row| row.get(0))
        .optional()?;
    if let Some(key) = key {
        ledger.book.dead_letters = ledger.book.dead_letters.saturating_sub(1);
        messages::set_outcome(ledger, &key, "delivered")?;
    }
    Ok(())
}

/// The identities whose rows this relay may deliver.
pub(super) fn our_identities(ledger: &Ledger<'_>) -> Done<Vec<i64>> {
    let stored = identities(ledger.db)?;
    let Some((_, current)) = stored.iter().find(|(id, _)| *id == ledger.book.identity) else {
        return Ok(Vec::new());
    };
    Ok(stored
        .iter()
        .filter(|(_, identity)| !is_foreign(current, identity))
        .map(|(id, _)| *id)
        .collect())
}

fn identities(db: &Connection) -> Result<Vec<(i64, Identity)>, rusqlite::Error> {
    let mut query = db.prepare_cached(
        "SELECT id, sender, genesys_host, integration_name, integration_id FROM identity",
    )?;
    let stored = query.query_map([], |row| {
        let identity = Identity {
            sender: row.get(1)?,
            genesys_host: row.get(2)?,
            integration_name: row.get(3)?,
            integration_id: row.get(4)?,
        };
        Ok((row.get(0)?, identity))
    })?;
    stored.collect()
}

/// Whether a row of `stored` may not be delivered by a relay of `current`: another sender or Genesys host, or an
/// integration of which neither name nor id is ours.
fn is_foreign(current: &Identity, stored: &Identity) -> bool {
    let Identity {
        sender,
        genesys_host,
        integration_name,
        integration_id,
    } = stored;
    let other_id = match (integration_id, &current.integration_id) {
        (Some(stored), Some(current)) => stored != current,
        _ => true,
    };
    *sender != current.sender
        || *genesys_host != current.genesys_host
        || (*integration_name != current.integration_name && other_id)
}

/// Buries the rows of other bridges that this data directory once served, all or nothing. Returns how many.
pub(super) fn bury_foreign(
    db: &mut Connection,
    book: &mut Book,
    current: &Identity,
    now: Timestamp,
) -> Result<u64, rusqlite::Error> {
    let transaction = db.transaction()?;
    let stored = identities(&transaction)?;
    let mut buried = 0;
    for (id, _) in stored
        .iter()
        .filter(|(id, identity)| *id != book.identity && is_foreign(current, identity))
    {
        transaction.execute(
            "UPDATE dedup SET outcome = 'foreign' WHERE key IN (SELECT key FROM message WHERE identity = ?1)",
            [id],
        )?;
        buried += transaction.execute(
            "INSERT INTO dead_letter (lane, direction, accepted_ms, died_ms, reason, sentence, key, genesys_id,
               next_part, mark, mark_ms, doubt, identity, payload)
             SELECT lane, direction, accepted_ms, ?2, 'foreign', 'Accepted for another sender or Genesys organisation.',
               key, genesys_id, next_part, mark, mark_ms, doubt, identity, payload FROM message WHERE identity = ?1",
            params![id, millis(now)],
        )?;
        transaction.execute("DELETE FROM message WHERE identity = ?1", [id])?;
        transaction.execute(
            "DELETE FROM receipt WHERE identity = ?1 AND wanted > told",
            [id],
        )?;
    }
    let after = super::schema::read_book(&transaction, book.identity)?;
    transaction.commit()?;
    *book = after;
    Ok(buried as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn identity(sender: &str, host: &str, name: &str, id: Option<&str>) -> Identity {
        Identity {
            sender: sender.into(),
            genesys_host: host.into(),
            integration_name: name.into(),
            integration_id: id.map(Into::into),
        }
    }

    #[rstest]
    #[case("the same", identity("+15551230000", "api.a", "sms", Some("1")), false)]
    #[case(
        "renamed, same id",
        identity("+15551230000", "api.a", "old", Some("1")),
        false
    )]
    #[case(
        "re-created, same name",
        identity("+15551230000", "api.a", "sms", Some("2")),
        false
    )]
    #[case(
        "id never known, same name",
        identity("+15551230000", "api.a", "sms", None),
        false
    )]
    #[case(
        "name and id differ",
        identity("+15551230000", "api.a", "old", Some("2")),
        true
    )]
    #[case(
        "name differs, id never known",
        identity("+15551230000", "api.a", "old", None),
        true
    )]
    #[case(
        "another sender",
        identity("+15551239999", "api.a", "sms", Some("1")),
        true
    )]
    #[case(
        "another host",
        identity("+15551230000", "api.b", "sms", Some("1")),
        true
    )]
    fn a_row_is_foreign_only_as_the_rule_says(
        #[case] case: &str,
        #[case] stored: Identity,
        #[case] foreign: bool,
    ) {
        let current = identity("+15551230000", "api.a", "sms", Some("1"));
        assert_eq!(is_foreign(&current, &stored), foreign, "{case}");
    }
}
