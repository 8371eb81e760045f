//! Dead letters: what ended without delivery, kept to be looked at and to be appended again.

use jiff::Timestamp;
use messaging_bridge_clients::mask;
use rusqlite::{OptionalExtension as _, params};

use super::ledger::{Book, Done, Ledger, millis};
use crate::clock::from_millis;
use crate::outbox::{DeadLetter, DeadLetterId, Direction, Identity, LaneKey, ReplaySelection};

/// Dead letters, oldest first, without bodies.
pub(super) fn list(ledger: &Ledger<'_>, limit: u32) -> Done<Vec<DeadLetter>> {
    let mut query = ledger.sql(
        "SELECT id, lane, reason, sentence, accepted_ms, died_ms, payload IS NOT NULL FROM dead_letter
         ORDER BY id LIMIT ?1",
    )?;
    let letters = query.query_map([limit], |row| {
        let lane = LaneKey::from_stored(row.get_ref(1)?.as_str()?);
        Ok(DeadLetter {
            id: DeadLetterId(row.get(0)?),
            direction: lane.direction(),
            customer: mask::phone(lane.customer()),
            reason: row.get(2)?,
            sentence: row.get(3)?,
            accepted: from_millis(row.get(4)?),
            died: from_millis(row.get(5)?),
            replayable: row.get(6)?,
        })
    })?;
    Ok(letters.collect::<Result<_, _>>()?)
}

/// Appends dead letters again at the tails of their lanes, in their original order.
///
/// The key stays taken, so the platform's own repeats are still recognised. An outbound message keeps its attempt
/// mark: an unresolved one is looked up again before anything is sent. Its age starts anew, since somebody decided
/// that it is still worth sending.
pub(super) fn replay(ledger: &mut Ledger<'_>, selection: ReplaySelection, now: Timestamp) -> Done<Vec<LaneKey>> {
    let mut lanes = Vec::new();
    for id in selected(ledger, selection)? {
        let seq = ledger.book.next_seq;
        let raised: Option<(String, u64)> = ledger
            .sql(
                "INSERT INTO message (seq, lane, direction, position, time_ms, accepted_ms, next_part, mark, mark_ms,
                   key, genesys_id, identity, payload)
                 SELECT ?2, lane, direction,
                   CASE direction WHEN 0 THEN ?2 ELSE max(?3, (SELECT COALESCE(max(position), 0) FROM message m
                     WHERE m.lane = d.lane)) END,
                   ?3, ?3, next_part, mark, mark_ms, key, genesys_id, ?4, payload
                 FROM dead_letter d WHERE id = ?1 AND payload IS NOT NULL RETURNING lane, length(payload)",
            )?
            .query_row(params![id, seq, millis(now), ledger.book.identity], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((lane, bytes)) = raised else { continue };
        let lane = LaneKey::from_stored(&lane);
        if lane.direction() == Direction::Outbound {
            begin_receipt_anew(ledger, id)?;
        }
        ledger.sql("DELETE FROM dead_letter WHERE id = ?1")?.execute([id])?;
        ledger.book.next_seq += 1;
        ledger.book.add(lane.direction(), bytes);
        ledger.book.dead_letters = ledger.book.dead_letters.saturating_sub(1);
        if !lanes.contains(&lane) {
            lanes.push(lane);
        }
    }
    Ok(lanes)
}

fn selected(ledger: &Ledger<'_>, selection: ReplaySelection) -> Done<Vec<i64>> {
    match selection {
        ReplaySelection::One(id) => Ok(vec![id.0]),
        ReplaySelection::All => {
            let mut query =
                ledger.sql("SELECT id FROM dead_letter WHERE payload IS NOT NULL ORDER BY accepted_ms, id")?;
            let ids = query.query_map([], |row| row.get(0))?;
            Ok(ids.collect::<Result<_, _>>()?)
        }
    }
}

/// What the agent was told of the failed try must not stand in the way of what becomes of the new one.
fn begin_receipt_anew(ledger: &Ledger<'_>, letter: i64) -> Done<()> {
    ledger
        .sql(
            "UPDATE receipt SET wanted = 0, told = 0, code = NULL, sentence = NULL
             WHERE genesys_id = (SELECT genesys_id FROM dead_letter WHERE id = ?1)",
        )?
        .execute([letter])?;
    ledger
        .sql(
            "DELETE FROM send WHERE (sid IS NULL OR rank = 5)
             AND genesys_id = (SELECT genesys_id FROM dead_letter WHERE id = ?1)
             AND id IS NOT (SELECT mark FROM dead_letter WHERE id = ?1)",
        )?
        .execute([letter])?;
    Ok(())
}

/// Whether a row of `stored` may not be delivered by a relay of `current`: another sender or Genesys host, or an
/// integration of which neither name nor id is ours.
fn is_foreign(current: &Identity, stored: &Identity) -> bool {
    let Identity { sender, genesys_host, integration_name, integration_id } = stored;
    let other_id = match (integration_id, &current.integration_id) {
        (Some(stored), Some(current)) => stored != current,
        _ => true,
    };
    *sender != current.sender
        || *genesys_host != current.genesys_host
        || (*integration_name != current.integration_name && other_id)
}

/// Buries the rows of other bridges that this data directory once served. Returns how many.
pub(super) fn bury_foreign(
    db: &rusqlite::Connection,
    book: &mut Book,
    current: &Identity,
    now: Timestamp,
) -> Result<u64, rusqlite::Error> {
    let mut query = db.prepare("SELECT id, sender, genesys_host, integration_name, integration_id FROM identity")?;
    let stored: Vec<(i64, Identity)> = query
        .query_map([], |row| {
            let identity = Identity {
                sender: row.get(1)?,
                genesys_host: row.get(2)?,
                integration_name: row.get(3)?,
                integration_id: row.get(4)?,
            };
            Ok((row.get(0)?, identity))
        })?
        .collect::<Result<_, _>>()?;
    let mut buried = 0;
    for (id, _) in stored.iter().filter(|(id, identity)| *id != book.identity && is_foreign(current, identity)) {
        buried += db.execute(
            "INSERT INTO dead_letter (lane, direction, accepted_ms, died_ms, reason, sentence, key, genesys_id,
               next_part, mark, mark_ms, identity, payload)
             SELECT lane, direction, accepted_ms, ?2, 'foreign', 'Accepted for another sender or Genesys organisation.',
               key, genesys_id, next_part, mark, mark_ms, identity, payload FROM message WHERE identity = ?1",
            params![id, millis(now)],
        )?;
        db.execute("DELETE FROM message WHERE identity = ?1", [id])?;
        db.execute("DELETE FROM receipt WHERE identity = ?1 AND wanted > told", [id])?;
    }
    let buried = buried as u64;
    if buried > 0 {
        *book = super::schema::read_book(db, book.identity)?;
    }
    Ok(buried)
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
    #[case("renamed, same id", identity("+15551230000", "api.a", "old", Some("1")), false)]
    #[case("re-created, same name", identity("+15551230000", "api.a", "sms", Some("2")), false)]
    #[case("id never known, same name", identity("+15551230000", "api.a", "sms", None), false)]
    #[case("name and id differ", identity("+15551230000", "api.a", "old", Some("2")), true)]
    #[case("name differs, id never known", identity("+15551230000", "api.a", "old", None), true)]
    #[case("another sender", identity("+15551239999", "api.a", "sms", Some("1")), true)]
    #[case("another host", identity("+15551230000", "api.b", "sms", Some("1")), true)]
    fn a_row_is_foreign_only_as_the_rule_says(#[case] case: &str, #[case] stored: Identity, #[case] foreign: bool) {
        let current = identity("+15551230000", "api.a", "sms", Some("1"));
        assert_eq!(is_foreign(&current, &stored), foreign, "{case}");
    }
}
