//! What happened lately, as status and metrics show it. Everybody reports here; nobody decides by it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::ApiError;
use messaging_bridge_clients::genesys::ReceiptStatus;
use serde::Serialize;

use super::gaps::Gaps;
use super::labels::{
    DirectionLabels, OutcomeLabels, ReceiptLabels, RetryLabels, SettledLabels, TraceLabels,
    WebhookLabels,
};
use super::metrics::Metrics;
use crate::clock::Clock;
use crate::dispatch::ended::Ended;
use crate::outbox::Direction;
use crate::trace::{Journey, Kind, Tracer, Value};

/// Which webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// A customer's message.
    TwilioInbound,
    /// A status callback.
    TwilioStatus,
    /// An agent's message.
    GenesysOutbound,
    /// The `validationToken` handshake.
    GenesysHandshake,
}

impl Hook {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TwilioInbound => "twilio_inbound",
            Self::TwilioStatus => "twilio_status",
            Self::GenesysOutbound => "genesys_outbound",
            Self::GenesysHandshake => "genesys_handshake",
        }
    }
}

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Stored, and new.
    Accepted,
    /// Known already.
    Duplicate,
    /// Nothing to carry.
    Ignored,
    /// Answered with a `Failed` receipt.
    Unsupported,
    /// Names a send or message that is not known.
    Unknown,
    /// The signature is missing or wrong.
    BadSignature,
    /// Another account, number or integration.
    Misrouted,
    /// Not the declared format.
    Malformed,
    /// No room, or the disk did not confirm in time.
    Refused,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
            Self::BadSignature => "bad_signature",
            Self::Misrouted => "misrouted",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
        }
    }

    /// Whether the request was truly the platform's.
    const fn is_authentic(self) -> bool {
        !matches!(self, Self::BadSignature)
    }
}

/// The last failure of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// When.
    pub time: Timestamp,
    /// What; numbers masked, without bodies.
    pub message: String,
}

/// How a platform fares as the relay sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformHealth {
    /// The last authentic webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_webhook_time: Option<Timestamp>,
    /// Authentic webhooks for another account, number or integration.
    pub misrouted: u64,
    /// Webhooks with a missing or wrong signature.
    pub bad_signatures: u64,
    /// Receipts that Genesys answered with 2xx and `status: Failed` in the body.
    #[serde(skip_serializing_if = "is_none")]
    pub receipts_refused: u64,
    /// The last call that the platform took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Timestamp>,
    /// The last call that it did not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// How a send whose answer was lost was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Twilio's list shows it.
    Listed,
    /// Twilio's list does not show it: it is tried again.
    NotSent,
    /// It is unclear, and tried again because the user wants it so.
    Resent,
    /// It is unclear, or was so when it was no longer worth sending.
    Unresolved,
}

impl Settled {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::NotSent => "not_sent",
            Self::Resent => "resent",
            Self::Unresolved => "unresolved",
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    genesys: PlatformHealth,
    twilio: PlatformHealth,
}

/// Where everybody reports.
pub struct Vitals {
    /// The metrics that the reports are counted in.
    pub(super) metrics: Metrics,
    /// What healing did.
    pub gaps: Gaps,
    seen: Mutex<Seen>,
    clock: Arc<dyn Clock>,
    tracer: Tracer,
}

/// A call that carried a message.
#[derive(Debug, Clone, Copy)]
pub struct Call<'c> {
    /// Which way.
    pub direction: Direction,
    /// The platform's id of the message, if it has one.
    pub id: Option<&'c str>,
    /// How long it took.
    pub took: Duration,
    /// The how-manieth try it was.
    pub tries: u32,
}

fn exemplar(journey: &Journey) -> TraceLabels {
    TraceLabels {
        trace_id: journey.trace().to_string(),
    }
}

impl Vitals {
    /// Nothing has happened yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let metrics = Metrics::default();
        Self {
            gaps: Gaps::new(metrics.gaps.clone()),
            metrics,
            seen: Mutex::default(),
            clock,
            tracer: Tracer::default(),
        }
    }

    /// With traces of every message.
    #[must_use]
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// A webhook was answered.
    pub fn webhook(&self, hook: Hook, verdict: Verdict) {
        self.metrics
            .webhooks
            .get_or_create(&WebhookLabels {
                hook: hook.as_str(),
                verdict: verdict.as_str(),
            })
            .inc();
        let now = self.clock.now();
        let mut seen = self.seen();
        let health = match hook {
            Hook::TwilioInbound | Hook::TwilioStatus => &mut seen.twilio,
            Hook::GenesysOutbound => &mut seen.genesys,
            // Anybody can ask for a handshake.
            Hook::GenesysHandshake => return,
        };
        if verdict.is_authentic() {
            health.last_webhook_time = Some(now);
        } else {
            health.bad_signatures += 1;
        }
        if verdict == Verdict::Misrouted {
            health.misrouted += 1;
        }
    }

    /// A message was stored: its webhook came `received` ago, and its append took `append`.
    pub fn stored(&self, direction: Direction, id: &str, received: Duration, append: Duration) {
        if !self.tracer.is_on() {
            return;
        }
        let (journey, now) = (Journey::of(direction, id), self.clock.now());
        self.tracer
            .span(|| journey.step("webhook", Kind::Server, received, now));
        self.tracer
            .span(|| journey.step("append", Kind::Internal, append, now));
    }

    /// A platform answered a call that carried a message.
    pub fn delivered(&self, call: &Call<'_>, error: Option<&ApiError>) {
        let Call {
            direction,
            id,
            took,
            tries,
        } = *call;
        let kind = error.map(|error| error.kind.as_str());
        self.metrics
            .calls
            .get_or_create(&OutcomeLabels {
                direction: direction.as_str(),
                outcome: kind.unwrap_or("ok"),
            })
            .inc();
        let journey = self.journey(direction, id);
        self.metrics
            .call_seconds
            .get_or_create(&DirectionLabels::of(direction))
            .observe(took.as_secs_f64(), journey.as_ref().map(exemplar), None);
        if let Some(journey) = journey {
            let now = self.clock.now();
            self.tracer.span(|| {
                journey
                    .step("send", Kind::Client, took, now)
                    .with("messaging_bridge.try", Value::Count(tries.into()))
                    .failed(kind)
            });
        }
        self.answered(direction, error);
    }

    /// A message has its outcome: counted, and written as one line with everything that is known of it.
    pub fn ended(&self, ended: &Ended<'_>) {
        let direction = ended.direction();
        let outcome = ended.outcome;
        self.metrics
            .outcomes
            .get_or_create(&OutcomeLabels {
                direction: direction.as_str(),
                outcome,
            })
            .inc();
        let journey = self.journey(direction, ended.id.as_deref());
        let delivered = outcome == Ended::DELIVERED;
        self.metrics
            .age_seconds
            .get_or_create(&OutcomeLabels {
                direction: direction.as_str(),
                outcome: if delivered { outcome } else { "given_up" },
            })
            .observe(
                ended.age.as_secs_f64(),
                journey.as_ref().map(exemplar),
                None,
            );
        ended.log(journey.as_ref());
        if let Some(journey) = journey {
            let now = self.clock.now();
            self.tracer.span(|| {
                journey
                    .whole(ended.age, now)
                    .with("messaging_bridge.outcome", Value::Word(outcome))
                    .with("messaging_bridge.tries", Value::Count(ended.tries.into()))
                    .failed((!delivered).then_some(outcome))
            });
        }
    }

    /// A message was put back, after a failure of this kind.
    pub fn retried(&self, direction: Direction, kind: &'static str) {
        self.metrics
            .retries
            .get_or_create(&RetryLabels {
                direction: direction.as_str(),
                kind,
            })
            .inc();
    }

    /// The message's way, if anybody traces it.
    fn journey(&self, direction: Direction, id: Option<&str>) -> Option<Journey> {
        id.filter(|_| self.tracer.is_on())
            .map(|id| Journey::of(direction, id))
    }

    /// A message to Genesys is tried again, and may have been taken before.
    pub fn repeated(&self) {
        self.metrics.repeats.inc();
    }

    /// A send's answer was lost.
    pub fn ambiguous(&self) {
        self.metrics.ambiguous.inc();
    }

    /// A send whose answer was lost is settled.
    pub fn settled(&self, how: Settled) {
        let how = how.as_str();
        self.metrics
            .settled
            .get_or_create(&SettledLabels { how })
            .inc();
    }

    /// Twilio's list was asked for.
    pub fn looked_up(&self, error: Option<&ApiError>) {
        self.answered(Direction::Outbound, error);
    }

    /// Genesys answered a receipt.
    pub fn receipt(&self, status: ReceiptStatus, error: Option<&ApiError>) {
        let outcome = error.map_or("ok", |error| error.kind.as_str());
        self.count_receipt(status, outcome);
        self.answered(Direction::Inbound, error);
    }

    /// Genesys took a receipt and says in its answer that it failed. `why` is masked.
    pub fn receipt_refused(&self, status: ReceiptStatus, why: &str) {
        self.count_receipt(status, "refused");
        let now = self.clock.now();
        let genesys = &mut self.seen().genesys;
        genesys.receipts_refused += 1;
        genesys.last_error = Some(LastError {
            time: now,
            message: format!("Genesys: receipt {} refused: {why}", status.as_str()),
        });
    }

    fn count_receipt(&self, status: ReceiptStatus, outcome: &'static str) {
        self.metrics
            .receipts
            .get_or_create(&ReceiptLabels {
                status: status.as_str(),
                outcome,
            })
            .inc();
    }

    /// How both platforms fare: Genesys, Twilio.
    pub fn health(&self) -> (PlatformHealth, PlatformHealth) {
        let seen = self.seen();
        (seen.genesys.clone(), seen.twilio.clone())
    }

    fn answered(&self, towards: Direction, error: Option<&ApiError>) {
        let now = self.clock.now();
        let mut seen = self.seen();
        let health = match towards {
            Direction::Inbound => &mut seen.genesys,
            Direction::Outbound => &mut seen.twilio,
        };
        match error {
            None => health.last_success_time = Some(now),
            Some(error) => {
                health.last_error = Some(LastError {
                    time: now,
                    message: error.to_string(),
                });
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen
            .lock()
            .expect("no code panics while it holds this lock")
    }
}
