//! Heal: looks on Twilio's side for what the webhooks missed. Customers' messages that Twilio lists and the outbox
//! lacks are stored and delivered, marked as late; sends whose last status never came are asked for.
//!
//! Guarantees: a message is stored once, whether the webhook or the list brings it; the mark moves only over what was
//! looked through to its end; one call to Twilio at a time, bounded in pages and time, one window of messages in
//! memory. The first pass takes everything since the mark and puts it before what arrived since the start, and the
//! inbound lanes wait for it a little ([`Hold`](crate::dispatch::hold::Hold)); later passes take what is older than two minutes.
//!
//! What it cannot do: find agents' messages that Genesys gave up on, or a text that Twilio redacted.
//!
//! `judge`, `mark`, `walk` and the rounds of `statuses` are pure; `pass` does the reading and storing.

mod judge;
mod mark;
mod pass;
mod statuses;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::ErrorKind;
use messaging_bridge_clients::twilio::TwilioClient;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::pass::{Pass, PassError, Reach, Stage};
use crate::admin::vitals::Vitals;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::dispatch::callbacks::Callbacks;
use crate::dispatch::traffic::Traffic;
use crate::dispatch::{Wake, retry};
use crate::outbox::{Outbox, Seq};

/// After a message could not be stored, it is looked for this long after it is old enough.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);
/// Between two pieces of a long gap.
const BETWEEN_PIECES: Duration = Duration::from_secs(1);
/// The period differs by so much, so that relays that started together do not ask together.
const JITTER: f64 = 0.2;

/// How long and how often. The defaults are in the command line.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// Between two passes.
    pub every: Duration,
    /// What is younger is left to its webhook.
    pub young: Duration,
    /// The inbound lanes wait for the first pass at most this long.
    pub hold: Duration,
    /// A send without a final status is asked for after this time, and at growing distances.
    pub ask_after: Duration,
    /// Messages a page.
    pub page_size: u16,
}

/// What healing works with.
pub struct Healer {
    /// The durable queue.
    pub outbox: Arc<dyn Outbox>,
    /// Twilio's API.
    pub twilio: TwilioClient,
    /// Our number.
    pub number: String,
    /// Tells dispatch what was stored.
    pub wake: Wake,
    /// Tells waiting senders what was asked for.
    pub callbacks: Arc<Callbacks>,
    /// How delivery to Twilio fares.
    pub outbound: Arc<Traffic>,
    /// What is seen from outside.
    pub vitals: Arc<Vitals>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub chance: Arc<dyn Chance>,
    /// Told when a webhook could not be stored.
    pub missed: Arc<Notify>,
    /// Rises when something changed that a refusal may rest on.
    pub changes: watch::Receiver<u64>,
    /// True when the relay stops.
    pub stop: watch::Receiver<bool>,
    /// How long and how often.
    pub timings: Timings,
    /// The first row that is appended since the start.
    pub since: Seq,
    /// Told when the inbound lanes may start.
    pub first_over: watch::Sender<bool>,
}

/// What comes after a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next {
    /// The next one begins after this.
    wait: Duration,
    /// The inbound lanes have nothing to wait for any more.
    release: bool,
}

impl Healer {
    /// Runs until told to stop.
    pub async fn run(mut self) {
        let started = Instant::now();
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.heal(started) => {}
        }
    }

    async fn heal(&mut self, started: Instant) {
        if matches!(self.outbox.gap_mark().await, Ok(None)) {
            // A new volume: nothing was missed yet.
            self.first_over.send_replace(true);
        }
        let (mut catching_up, mut failures, mut resume) = (true, 0, None);
        loop {
            let held = !*self.first_over.borrow() && started.elapsed() < self.timings.hold;
            let stage = Stage {
                first: catching_up,
                held,
                resume,
            };
            let outcome = Pass::new(self, stage, started.elapsed()).run().await;
            resume = match outcome {
                Ok(Reach::Piece(rest)) => Some(rest),
                Ok(Reach::Complete) => None,
                Err(_) => resume,
            };
            failures = if outcome.is_ok() { 0 } else { failures + 1 };
            self.report(&outcome, catching_up);
            catching_up &= !matches!(outcome, Ok(Reach::Complete));
            let next = next(&outcome, failures, &self.timings, self.chance.fraction());
            if next.release {
                self.first_over.send_replace(true);
            }
            if matches!(outcome, Ok(Reach::Complete)) {
                statuses::ask(self).await;
            }
            self.rest(next.wait, failures > 0).await;
        }
    }

    fn report(&self, outcome: &Result<Reach, PassError>, catching_up: bool) {
        let gaps = &self.vitals.gaps;
        match outcome {
            Ok(Reach::Complete) => gaps.complete(self.clock.now()),
            Ok(Reach::Piece(_)) => gaps.piece(),
            Err(error) => {
                tracing::warn!(%error, catching_up, "missed messages could not be looked for");
                gaps.failed(self.clock.now(), error);
            }
        }
    }

    /// Waits for the next pass. A change of what a refusal may rest on ends the wait; a webhook that could not be
    /// stored shortens it.
    async fn rest(&mut self, wait: Duration, failing: bool) {
        let mut until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = self.missed.notified() => {
                    until = until.min(Instant::now() + self.timings.young + AFTER_REFUSAL);
                }
                changed = self.changes.changed(), if failing => {
                    if changed.is_ok() {
                        return;
                    }
                    tokio::time::sleep_until(until).await;
                    return;
                }
            }
        }
    }
}

/// When the next pass begins, and whether the lanes still wait. A refusal is not mended by asking again soon.
fn next(
    outcome: &Result<Reach, PassError>,
    failures: u32,
    timings: &Timings,
    fraction: f64,
) -> Next {
    let period = timings
        .every
        .mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction);
    let again = |wait: Duration| Next {
        wait: wait.min(period),
        release: false,
    };
    let give_up = Next {
        wait: period,
        release: true,
    };
    match outcome {
        Ok(Reach::Complete) | Err(PassError::Undated | PassError::TooDense) => give_up,
        Ok(Reach::Piece(_)) => again(BETWEEN_PIECES),
        Err(PassError::Twilio(error)) => match &error.kind {
            ErrorKind::Transient | ErrorKind::Ambiguous => {
                again(retry::after(failures.saturating_sub(1), fraction))
            }
            ErrorKind::Throttled { retry_after } => again(retry::throttled(*retry_after)),
            ErrorKind::Permanent | ErrorKind::Blocked(_) => give_up,
        },
        Err(PassError::Outbox(_)) => again(retry::after(failures.saturating_sub(1), fraction)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use messaging_bridge_clients::{ApiError, BlockedCause, Platform};
    use rstest::rstest;

    use super::walk::Rest;
    use super::*;
    use crate::outbox::OutboxError;

    const TIMINGS: Timings = Timings {
        every: Duration::from_mins(5),
        young: Duration::from_mins(2),
        hold: Duration::from_secs(10),
        ask_after: Duration::from_mins(15),
        page_size: 50,
    };

    const REST: Rest = Rest {
        since: Timestamp::UNIX_EPOCH,
        width: None,
    };

    fn failed(kind: ErrorKind) -> Result<Reach, PassError> {
        let error = ApiError::new(Platform::Twilio, "list messages", kind, "no");
        Err(PassError::Twilio(error))
    }

    fn patience(seconds: u64) -> ErrorKind {
        ErrorKind::Throttled {
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    #[rstest]
    #[case::done(Ok(Reach::Complete), 0, 300, true)]
    #[case::more(Ok(Reach::Piece(REST)), 0, 1, false)]
    #[case::no_answer(failed(ErrorKind::Transient), 1, 1, false)]
    #[case::no_answer_for_long(failed(ErrorKind::Transient), 50, 300, false)]
    #[case::asked_for_patience(failed(patience(7)), 1, 7, false)]
    #[case::refused(failed(ErrorKind::Permanent), 1, 300, true)]
    #[case::blocked(failed(ErrorKind::Blocked(BlockedCause::Credentials)), 1, 300, true)]
    #[case::no_room(Err(PassError::Outbox(OutboxError::Busy)), 3, 5, false)]
    #[case::not_readable(Err(PassError::Undated), 1, 300, true)]
    fn lanes_wait_only_for_what_may_come_soon(
        #[case] outcome: Result<Reach, PassError>,
        #[case] failures: u32,
        #[case] seconds: u64,
        #[case] release: bool,
    ) {
        let wait = Duration::from_secs(seconds);
        assert_eq!(
            next(&outcome, failures, &TIMINGS, 0.5),
            Next { wait, release }
        );
    }

    #[test]
    fn periods_differ_by_a_fifth_each_way() {
        let period = |fraction| next(&Ok(Reach::Complete), 0, &TIMINGS, fraction).wait;
        assert_eq!(period(0.0), Duration::from_mins(4));
        assert_eq!(period(1.0), Duration::from_mins(6));
    }
}
