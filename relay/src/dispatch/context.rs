//! What every worker needs, and the few moves that all of them share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{GenesysClient, IntegrationId};
use messaging_bridge_clients::twilio::TwilioClient;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::budget::Budget;
use super::callbacks::Callbacks;
use super::decide::{Ending, INBOUND_LIFE, LEAST_VALIDITY};
use super::ended::Ended;
use super::lanes::Rest;
use super::retry;
use super::search::Waits;
use super::traffic::Traffic;
use crate::admin::vitals::Vitals;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::outbox::{
    Answer, Burial, DeadReason, Deferral, Direction, Head, LaneKey, Outbox, OutboxError,
};
use crate::public_url::PublicUrl;
use crate::settings::OnUnresolved;

/// After an error of the store: the first wait, doubled up to the second.
const STORE_WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Everything that delivery works with.
pub struct Context {
    /// The durable queue.
    pub outbox: Arc<dyn Outbox>,
    /// Genesys' API.
    pub genesys: GenesysClient,
    /// Twilio's API.
    pub twilio: TwilioClient,
    /// The integration's id, once it is known.
    pub integration: watch::Receiver<Option<IntegrationId>>,
    /// Genesys' allowance.
    pub budget: Budget,
    /// How many messages a second may be handed to Twilio for our sender.
    pub sends_per_second: u32,
    /// Status callbacks as they come.
    pub callbacks: Arc<Callbacks>,
    /// Rung when a receipt may wait.
    pub bell: Arc<Notify>,
    /// What is seen from outside.
    pub vitals: Arc<Vitals>,
    /// Where Twilio reports statuses.
    pub public_url: PublicUrl,
    /// How long after its arrival an agent's message may be sent.
    pub validity: Duration,
    /// What follows when nobody can say whether a message was sent.
    pub on_unresolved: OnUnresolved,
    /// Whether failures are also told as messages in the conversation.
    pub failure_notices: bool,
    /// How long is waited for what Twilio may still say of a send.
    pub waits: Waits,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub chance: Arc<dyn Chance>,
    /// True when the relay stops.
    pub stop: watch::Receiver<bool>,
}

impl Context {
    /// How long ago something was; nothing ages while the time is doubtful, so that nothing ends by it.
    pub(super) fn age(&self, since: Timestamp) -> Duration {
        let age = |now: Timestamp| Duration::try_from(now.duration_since(since)).ok();
        self.clock.sure().and_then(age).unwrap_or_default()
    }

    /// The age at which a message of this direction is given up.
    pub(super) fn life(&self, direction: Direction) -> Duration {
        match direction {
            Direction::Inbound => INBOUND_LIFE,
            Direction::Outbound => self.validity.saturating_sub(LEAST_VALIDITY),
        }
    }

    /// Waits for something, but not beyond the signal to stop: then `None`, and the caller leaves its message as it is.
    pub(super) async fn unless_stopping<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            // An error means that nobody can stop the relay any more: it is ending.
            _ = stop.wait_for(|stop| *stop) => None,
            value = wait => Some(value),
        }
    }

    /// The head of a lane, if it may be tried now; else how the lane is left.
    pub(super) async fn head(&self, lane: &LaneKey) -> Result<Head, Rest> {
        let head = match self.outbox.head(lane).await {
            Ok(Some(head)) => head,
            Ok(None) => return Err(Rest::Empty),
            Err(error) => return Err(rest_after_store_error(&error)),
        };
        let early = retry::until(head.not_before, self.clock.now());
        if early.is_zero() {
            Ok(head)
        } else {
            Err(Rest::Until(Instant::now() + early))
        }
    }

    /// The integration's id now.
    pub(super) fn integration_now(&self) -> Option<IntegrationId> {
        self.integration.borrow().clone()
    }

    /// Puts a head back for a while, after a failure of this kind. The lane waits as long, whether or not the time
    /// could be stored.
    pub(super) async fn put_back(
        &self,
        head: &Head,
        lane: &LaneKey,
        wait: Duration,
        strike: bool,
        kind: &'static str,
    ) -> Rest {
        self.vitals.retried(lane.direction(), kind);
        let deferral = Deferral {
            until: self.clock.now() + wait,
            tried: true,
            strike,
        };
        if let Err(error) = self.outbox.defer(head.seq, deferral).await {
            tracing::warn!(%error, %lane, "a retry time could not be stored");
        }
        Rest::Until(Instant::now() + wait)
    }

    /// Records what has already happened on a platform: repeated until the store takes it, because forgetting it
    /// would do it again. Ends early only when the outbox was closed.
    pub(super) async fn insist<'c, T>(&'c self, record: impl Fn() -> Answer<'c, T>) -> Option<T> {
        let mut wait = STORE_WAITS.0;
        loop {
            match record().await {
                Ok(value) => return Some(value),
                Err(OutboxError::Closed) => return None,
                Err(error) => {
                    tracing::warn!(%error, "an outcome could not be recorded yet");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(STORE_WAITS.1);
                }
            }
        }
    }

    /// Ends a message, unless it has gone on meanwhile: a callback proved its part, or it was erased.
    pub(super) async fn bury(
        &self,
        traffic: &Traffic,
        lane: &LaneKey,
        head: &Head,
        ending: Ending,
    ) -> Rest {
        traffic.ended(head.seq);
        let reason = self.dated(ending.clone());
        let burial = self
            .insist(|| {
                let reason = reason.clone();
                self.outbox.dead_letter(head.seq, head.next_part, reason)
            })
            .await;
        let more = match burial {
            None => return Rest::Empty,
            Some(Burial::GoneOn) => return Rest::More,
            Some(Burial::Buried { more }) => more,
        };
        let age = self.age(head.accepted);
        self.vitals
            .ended(&Ended::given_up(lane, head, age, &ending));
        self.bell.notify_one();
        rest_of(Some(more))
    }

    /// An ending, dated now.
    pub(super) fn dated(&self, ending: Ending) -> DeadReason {
        let Ending {
            word,
            sentence,
            receipt,
        } = ending;
        DeadReason {
            word,
            sentence,
            receipt,
            at: self.clock.now(),
        }
    }
}

/// How a lane is left whose row is gone: with more rows, or empty.
pub(super) fn rest_of(more: Option<bool>) -> Rest {
    if more.unwrap_or(false) {
        Rest::More
    } else {
        Rest::Empty
    }
}

/// How a lane is left after an error of the store: its turn comes again soon.
pub(super) fn rest_after_store_error(error: &OutboxError) -> Rest {
    match error {
        OutboxError::Closed => Rest::Empty,
        _ => Rest::Until(Instant::now() + Duration::from_secs(1)),
    }
}
