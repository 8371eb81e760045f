//! Statuses that never came are asked for: a send that Twilio took and whose last status is not known is fetched by its
//! SID, and what Twilio says is recorded as if its callback had come.
//!
//! Each send is asked about at most five times, at growing distances from its attempt: after 15 minutes, 1, 4, 12 and
//! 24 hours. Then it stays as it is (some carriers never confirm). One call at a time, five a second at most.

use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::twilio::MessageStatus;
use messaging_bridge_clients::{ApiError, ErrorKind};

use super::Healer;
use crate::admin::gaps::Asked;
use crate::outbox::{AskedUpTo, OutboxError, Unfinished};
use crate::status_report::{self, Recorder};

/// The distances of the rounds, in units of the first.
const DISTANCES: [u32; 5] = [1, 4, 16, 48, 96];
/// Records of sends are kept this long.
const OLDEST: Duration = Duration::from_hours(30 * 24);
/// Sends read in one go.
const BATCH: u32 = 50;
/// Calls after one pass at most; the rest is asked after the next one.
const CALLS: u32 = 500;
/// Between two calls.
const PACE: Duration = Duration::from_millis(200);

/// One round: which, and when the sends that it asks about were marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    number: u32,
    marked: (Timestamp, Timestamp),
}

/// The rounds of this moment. A send belongs to the last whose distance it has reached, so that after an outage each is
/// asked about once.
fn rounds(now: Timestamp, first: Duration) -> Vec<Round> {
    let mut oldest = OLDEST;
    let numbered = (0u32..).zip(DISTANCES).collect::<Vec<_>>();
    let mut rounds: Vec<Round> = numbered
        .into_iter()
        .rev()
        .map(|(number, distance)| {
            let distance = first * distance;
            let marked = (now - oldest, now - distance);
            // What is marked in this very millisecond is the later round's.
            oldest = distance.saturating_sub(Duration::from_millis(1));
            Round { number, marked }
        })
        .collect();
    rounds.retain(|round| round.marked.0 <= round.marked.1);
    rounds
}

/// Why asking broke off.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Twilio(#[from] ApiError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// Asks for what is due. A failure ends it until after the next pass; what was not asked is asked then.
pub(super) async fn ask(healer: &Healer) {
    let mut calls = CALLS;
    for round in rounds(healer.clock.now(), healer.timings.ask_after) {
        if let Err(error) = ask_round(healer, round, &mut calls).await {
            tracing::warn!(%error, "statuses could not be asked for");
            healer.vitals.gaps.asked(healer.clock.now(), Asked::Failed);
            return;
        }
    }
}

async fn ask_round(healer: &Healer, round: Round, calls: &mut u32) -> Result<(), AskError> {
    let outbox = &healer.outbox;
    while *calls > 0 {
        let limit = BATCH.min(*calls);
        let sends = outbox.unfinished(round.number, round.marked, limit).await?;
        let mut asked = None;
        for send in &sends {
            *calls = calls.saturating_sub(1);
            let answer = ask_one(healer, send).await;
            if let Err(error) = answer.or_else(|error| pass_over(healer, error)) {
                // How far it came is kept even so.
                if let Some(up_to) = asked {
                    outbox.asked(round.number, AskedUpTo::Send(up_to)).await?;
                }
                return Err(error);
            }
            asked = Some(send.clone());
            tokio::time::sleep(PACE).await;
        }
        let Some(up_to) = asked else {
            let up_to = AskedUpTo::Time(round.marked.1);
            return Ok(outbox.asked(round.number, up_to).await?);
        };
        outbox.asked(round.number, AskedUpTo::Send(up_to)).await?;
    }
    Ok(())
}

/// What Twilio will never answer for one message does not keep the others from being asked for.
fn pass_over(healer: &Healer, error: AskError) -> Result<(), AskError> {
    match error {
        AskError::Twilio(error) if error.kind == ErrorKind::Permanent => {
            tracing::warn!(%error, "a status cannot be asked for");
            healer.vitals.gaps.asked(healer.clock.now(), Asked::Failed);
            Ok(())
        }
        error => Err(error),
    }
}

fn recorder(healer: &Healer) -> Recorder<'_> {
    Recorder {
        outbox: &*healer.outbox,
        callbacks: &healer.callbacks,
        wake: &healer.wake,
        outbound: &healer.outbound,
        vitals: &healer.vitals,
        clock: &*healer.clock,
    }
}

async fn ask_one(healer: &Healer, unfinished: &Unfinished) -> Result<(), AskError> {
    let answer = healer.twilio.message(&unfinished.sid).await?;
    let asked = match answer {
        None => Asked::Gone,
        Some(message) => {
            let status = MessageStatus::parse(&message.status);
            let (send, sid) = (unfinished.send.clone(), unfinished.sid.clone());
            match status_report::report(send, sid, &status, message.error_code) {
                None => Asked::Unchanged,
                Some(report) => {
                    let rank = report.rank;
                    // What blocked everything hours ago says nothing of now: the next send finds out.
                    let standing = recorder(healer).record(report, None).await?;
                    tracing::info!(sid = %unfinished.sid, ?rank, "a status was asked for");
                    if standing.is_some_and(|standing| standing.receipt_waits) {
                        Asked::Raised
                    } else {
                        Asked::Unchanged
                    }
                }
            }
        }
    };
    healer.vitals.gaps.asked(healer.clock.now(), asked);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    const QUARTER: Duration = Duration::from_mins(15);

    fn round_of(age: Duration) -> Vec<u32> {
        let now = from_millis(1_800_000_000_000);
        let marked = now - age;
        rounds(now, QUARTER)
            .into_iter()
            .filter(|round| (round.marked.0..=round.marked.1).contains(&marked))
            .map(|round| round.number)
            .collect()
    }

    #[test]
    fn a_send_is_of_one_round_at_a_time_and_of_none_before_the_first_distance() {
        let minute = Duration::from_mins(1);
        let table = [
            (14, None),
            (15, Some(0)),
            (59, Some(0)),
            (60, Some(1)),
            (239, Some(1)),
            (240, Some(2)),
            (719, Some(2)),
            (720, Some(3)),
            (1439, Some(3)),
            (1440, Some(4)),
            (29 * 1440, Some(4)),
            (31 * 1440, None),
        ];
        for (minutes, expected) in table {
            let expected: Vec<u32> = expected.into_iter().collect();
            assert_eq!(round_of(minute * minutes), expected, "{minutes} minutes");
        }
    }
}
