//! What happened lately, as status and metrics show it. Everybody reports here; nobody decides by it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::ApiError;
use messaging_bridge_clients::genesys::ReceiptStatus;
use serde::Serialize;

use super::metrics::{DirectionLabels, Metrics, OutcomeLabels, ReceiptLabels, WebhookLabels};
use crate::clock::Clock;
use crate::outbox::Direction;

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
    /// The last call that the platform took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Timestamp>,
    /// The last call that it did not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
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
    seen: Mutex<Seen>,
    clock: Arc<dyn Clock>,
}

impl Vitals {
    /// Nothing has happened yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            metrics: Metrics::default(),
            seen: Mutex::default(),
            clock,
        }
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

    /// A platform answered a call that carried a message.
    pub fn delivered(&self, direction: Direction, took: Duration, error: Option<&ApiError>) {
        let outcome = error.map_or("ok", |error| error.kind.as_str());
        self.metrics
            .calls
            .get_or_create(&OutcomeLabels {
                direction: direction.as_str(),
                outcome,
            })
            .inc();
        self.metrics
            .call_seconds
            .get_or_create(&DirectionLabels {
                direction: direction.as_str(),
            })
            .observe(took.as_secs_f64());
        self.answered(direction, error);
    }

    /// A message has its outcome.
    pub fn ended(&self, direction: Direction, outcome: &'static str, age: Duration) {
        self.metrics
            .outcomes
            .get_or_create(&OutcomeLabels {
                direction: direction.as_str(),
                outcome,
            })
            .inc();
        self.metrics
            .age_seconds
            .get_or_create(&DirectionLabels {
                direction: direction.as_str(),
            })
            .observe(age.as_secs_f64());
    }

    /// A message was put back.
    pub fn retried(&self, direction: Direction) {
        self.metrics
            .retries
            .get_or_create(&DirectionLabels {
                direction: direction.as_str(),
            })
            .inc();
    }

    /// A send's answer was lost.
    pub fn ambiguous(&self) {
        self.metrics.ambiguous.inc();
    }

    /// Genesys answered a receipt.
    pub fn receipt(&self, status: ReceiptStatus, error: Option<&ApiError>) {
        let outcome = error.map_or("ok", |error| error.kind.as_str());
        self.metrics
            .receipts
            .get_or_create(&ReceiptLabels {
                status: status.as_str(),
                outcome,
            })
            .inc();
        self.answered(Direction::Inbound, error);
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
