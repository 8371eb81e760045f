//! Receipts: one row per Genesys message, with the level that the agent should know and the level that Genesys was
//! told. A receipt waits while the first is above the second; a higher level replaces a waiting lower one.

use jiff::{SignedDuration, Timestamp};
use messaging_bridge_clients::genesys::{GenesysMessageId, ReasonCode};
use rusqlite::{OptionalExtension as _, Row, params};

use super::ledger::{Done, Ledger, millis};
use crate::clock::from_millis;
use crate::message::CustomerId;
use crate::outbox::{Rank, Receipt, ReceiptLevel, ReceiptReason, WaitingReceipt};

/// How long after its message was marked or refused a receipt may follow at the earliest: Genesys must have had our
/// answer to the message's webhook first.
const AFTER_ANSWER_MS: i64 = 500;

/// Makes the row of a message that is about to be sent in so many parts. The row may stand already, made by a failure
/// before anything was sent: that one knew no parts (0).
pub(super) fn prepare(
    ledger: &Ledger<'_>,
    id: &GenesysMessageId,
    customer: &str,
    parts: u32,
    created_ms: i64,
) -> Done<()> {
    ledger
        .sql(
            "INSERT INTO receipt (genesys_id, customer, parts, created_ms, identity) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (genesys_id) DO UPDATE SET parts = excluded.parts WHERE receipt.parts = 0",
        )?
        .execute(params![id.as_str(), customer, parts, created_ms, ledger.book.identity])?;
    Ok(())
}

/// Has a failure told, unless something higher is known. `now_ms` is when it failed.
pub(super) fn want_failed(
    ledger: &Ledger<'_>,
    id: &GenesysMessageId,
    customer: &str,
    (level, reason): (ReceiptLevel, &ReceiptReason),
    now_ms: i64,
) -> Done<()> {
    ledger
        .sql(
            "INSERT INTO receipt (genesys_id, customer, parts, created_ms, identity) VALUES (?1, ?2, 0, ?3, ?4)
             ON CONFLICT (genesys_id) DO NOTHING",
        )?
        .execute(params![id.as_str(), customer, now_ms, ledger.book.identity])?;
    want(
        ledger,
        id,
        level,
        Some((reason.code.as_str(), &reason.sentence)),
        now_ms,
    )?;
    Ok(())
}

fn want(
    ledger: &Ledger<'_>,
    id: &GenesysMessageId,
    level: ReceiptLevel,
    reason: Option<(&str, &str)>,
    not_before_ms: i64,
) -> Done<bool> {
    let changed = ledger
        .sql(
            "UPDATE receipt SET wanted = ?2, code = ?3, sentence = ?4, tries = 0,
               not_before_ms = max(?5, created_ms + ?6)
             WHERE genesys_id = ?1 AND wanted < ?2",
        )?
        .execute(params![
            id.as_str(),
            level as i64,
            reason.map(|(code, _)| code),
            reason.map(|(_, sentence)| sentence),
            not_before_ms,
            AFTER_ANSWER_MS
        ])?;
    Ok(changed == 1)
}

/// The state of each part that was tried, with its reason: SQLite takes bare columns from the row of the maximum. A part
/// may have been tried by several sends. One that is on its way, or there, counts more than one that failed.
pub(super) const PARTS: &str =
    "SELECT max((rank BETWEEN 2 AND 4) * 10 + rank) % 10, code, sentence FROM send WHERE genesys_id = ?1
     GROUP BY part ORDER BY part";

/// Computes the receipt anew from the parts of a message.
pub(super) fn raise(ledger: &Ledger<'_>, id: &GenesysMessageId) -> Done<bool> {
    let parts: Option<u32> = ledger
        .sql("SELECT parts FROM receipt WHERE genesys_id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    let Some(parts) = parts else { return Ok(false) };
    let mut sends = ledger.sql(PARTS)?;
    let tried: Vec<(Rank, Option<String>, Option<String>)> = sends
        .query_map([id.as_str()], |row| {
            Ok((Rank::from_stored(row.get(0)?), row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let ranks: Vec<Rank> = tried.iter().map(|(rank, ..)| *rank).collect();
    let level = ReceiptLevel::of_parts(parts, &ranks);
    let reason = tried
        .iter()
        .find(|(rank, ..)| *rank == Rank::Failed)
        .and_then(|(_, code, sentence)| code.as_deref().zip(sentence.as_deref()));
    want(ledger, id, level, reason, 0)
}

pub(super) const NEXT_FAILED: &str =
    "SELECT genesys_id, wanted, customer, code, sentence, tries, created_ms FROM receipt
     WHERE wanted > told AND wanted IN (1, 4) AND not_before_ms <= ?1 ORDER BY not_before_ms, created_ms LIMIT ?2";
pub(super) const NEXT: &str =
    "SELECT genesys_id, wanted, customer, code, sentence, tries, created_ms FROM receipt
     WHERE wanted > told AND not_before_ms <= ?1 ORDER BY not_before_ms, created_ms LIMIT ?2";

/// The receipt that Genesys should get next, but none of these messages. Two questions, so that each walks along an
/// index: after an outage a hundred thousand may wait.
pub(super) fn next(
    ledger: &Ledger<'_>,
    now: Timestamp,
    under_way: &[GenesysMessageId],
) -> Done<Option<WaitingReceipt>> {
    let first = |question, now_ms| first_but(ledger, question, now_ms, under_way);
    for question in [NEXT_FAILED, NEXT] {
        if let Some(found) = first(question, millis(now))? {
            return Ok(Some(found));
        }
    }
    let of_another_clock =
        due(ledger, under_way)?.is_some_and(|due| due.duration_since(now) > LONGEST_DEFERRAL);
    if of_another_clock {
        first(NEXT, i64::MAX)
    } else {
        Ok(None)
    }
}

/// The first that the question finds, but none of these messages: one row more than those cannot all be theirs.
fn first_but(
    ledger: &Ledger<'_>,
    question: &str,
    now_ms: i64,
    under_way: &[GenesysMessageId],
) -> Done<Option<WaitingReceipt>> {
    let mut found = ledger.sql(question)?;
    let mut rows = found.query(params![now_ms, under_way.len() + 1])?;
    while let Some(row) = rows.next()? {
        let waiting = read(row)?;
        if !under_way.contains(&waiting.receipt.genesys_id) {
            return Ok(Some(waiting));
        }
    }
    Ok(None)
}

/// No receipt is put back for longer. What waits for a later time was put back under another clock, and is due: the
/// clock may be hours behind that one.
pub(in crate::outbox) const LONGEST_DEFERRAL: SignedDuration = SignedDuration::from_mins(6);

fn read(row: &Row<'_>) -> Result<WaitingReceipt, rusqlite::Error> {
    let id: String = row.get(0)?;
    let customer: String = row.get(2)?;
    let code: Option<String> = row.get(3)?;
    let sentence: Option<String> = row.get(4)?;
    let level = ReceiptLevel::from_stored(row.get(1)?);
    let failed = matches!(level, ReceiptLevel::Failed | ReceiptLevel::FailedInferred);
    let reason = failed.then(|| ReceiptReason {
        code: code
            .as_deref()
            .and_then(reason_code)
            .unwrap_or(ReasonCode::GeneralError),
        sentence: sentence.unwrap_or_else(|| "The message could not be delivered.".into()),
    });
    Ok(WaitingReceipt {
        receipt: Receipt {
            genesys_id: GenesysMessageId::new(id),
            level,
        },
        customer: CustomerId::new(customer),
        reason,
        tries: row.get(5)?,
        created: from_millis(row.get(6)?),
    })
}

fn reason_code(stored: &str) -> Option<ReasonCode> {
    ReasonCode::ALL
        .iter()
        .copied()
        .find(|code| code.as_str() == stored)
}

pub(super) const DUE: &str = "SELECT genesys_id, not_before_ms FROM receipt WHERE wanted > told ORDER BY not_before_ms LIMIT ?1";

/// When the next receipt may be sent, but none of these messages.
pub(super) fn due(ledger: &Ledger<'_>, under_way: &[GenesysMessageId]) -> Done<Option<Timestamp>> {
    let mut due = ledger.sql(DUE)?;
    let mut rows = due.query([under_way.len() + 1])?;
    while let Some(row) = rows.next()? {
        let id = GenesysMessageId::new(row.get::<_, String>(0)?);
        if !under_way.contains(&id) {
            return Ok(Some(from_millis(row.get(1)?)));
        }
    }
    Ok(None)
}

/// Records what Genesys was told. A replay may have begun the receipt anew meanwhile: then this says nothing.
pub(super) fn done(ledger: &Ledger<'_>, receipt: &Receipt) -> Done<()> {
    ledger
        .sql("UPDATE receipt SET told = max(told, ?2), tries = 0 WHERE genesys_id = ?1 AND wanted >= ?2")?
        .execute(params![receipt.genesys_id.as_str(), receipt.level as i64])?;
    fail::fail_point!("told");
    Ok(())
}

/// Puts a receipt back until later. A higher one that came meanwhile does not wait for it.
pub(super) fn defer(ledger: &Ledger<'_>, receipt: &Receipt, until: Timestamp) -> Done<()> {
    ledger
        .sql("UPDATE receipt SET tries = tries + 1, not_before_ms = ?2 WHERE genesys_id = ?1 AND wanted = ?3")?
        .execute(params![receipt.genesys_id.as_str(), millis(until), receipt.level as i64])?;
    Ok(())
}

/// How many wait.
pub(super) fn waiting(ledger: &Ledger<'_>) -> Done<u64> {
    Ok(ledger
        .sql("SELECT count(*) FROM receipt WHERE wanted > told")?
        .query_row([], |row| row.get(0))?)
}
