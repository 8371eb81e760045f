//! Prometheus metrics. Every label has a closed set of values: no id, number or host becomes a label.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::outbox::{Direction, Stats};

/// Upper bounds of a platform call, in seconds; the clients give up at 15.
const CALL_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
/// Upper bounds of a message's whole way, in seconds: from a blink to the age at which it is given up.
const AGE_BUCKETS: [f64; 10] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 14400.0,
];

/// A webhook and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WebhookLabels {
    pub(super) hook: &'static str,
    pub(super) verdict: &'static str,
}

/// A direction and an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) direction: &'static str,
    pub(super) outcome: &'static str,
}

/// A direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DirectionLabels {
    pub(super) direction: &'static str,
}

/// A receipt's status and what Genesys answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReceiptLabels {
    pub(super) status: &'static str,
    pub(super) outcome: &'static str,
}

/// All metrics of the relay.
pub struct Metrics {
    registry: Registry,
    pub(super) webhooks: Family<WebhookLabels, Counter>,
    pub(super) calls: Family<OutcomeLabels, Counter>,
    pub(super) call_seconds: Family<DirectionLabels, Histogram>,
    pub(super) outcomes: Family<OutcomeLabels, Counter>,
    pub(super) age_seconds: Family<DirectionLabels, Histogram>,
    pub(super) retries: Family<DirectionLabels, Counter>,
    pub(super) ambiguous: Counter,
    pub(super) receipts: Family<ReceiptLabels, Counter>,
    waiting: Family<DirectionLabels, Gauge>,
    oldest: Family<DirectionLabels, Gauge>,
    blocked: Family<DirectionLabels, Gauge>,
    receipts_waiting: Gauge,
    dead_letters: Gauge,
    outbox_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("messaging_bridge_relay"),
            webhooks: Family::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS)),
            outcomes: Family::default(),
            age_seconds: Family::new_with_constructor(|| Histogram::new(AGE_BUCKETS)),
            retries: Family::default(),
            ambiguous: Counter::default(),
            receipts: Family::default(),
            waiting: Family::default(),
            oldest: Family::default(),
            blocked: Family::default(),
            receipts_waiting: Gauge::default(),
            dead_letters: Gauge::default(),
            outbox_bytes: Gauge::default(),
        };
        metrics.register_counters();
        metrics.register_gauges();
        metrics
    }
}

impl Metrics {
    fn register_counters(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "webhooks",
            "Webhooks by what became of them",
            self.webhooks.clone(),
        );
        registry.register(
            "calls",
            "Platform calls that carried a message, by answer",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "call",
            "Duration of platform calls that carried a message",
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        registry.register(
            "messages",
            "Messages by recorded outcome",
            self.outcomes.clone(),
        );
        registry.register_with_unit(
            "message_age",
            "Age of messages when their outcome was recorded",
            Unit::Seconds,
            self.age_seconds.clone(),
        );
        registry.register(
            "retries",
            "Messages put back to be tried again",
            self.retries.clone(),
        );
        registry.register(
            "ambiguous",
            "Sends whose answer was lost",
            self.ambiguous.clone(),
        );
        registry.register(
            "receipts",
            "Receipts by status and Genesys' answer",
            self.receipts.clone(),
        );
    }

    fn register_gauges(&mut self) {
        let registry = &mut self.registry;
        registry.register("waiting", "Messages that wait", self.waiting.clone());
        registry.register_with_unit(
            "oldest",
            "Age of the oldest message that waits",
            Unit::Seconds,
            self.oldest.clone(),
        );
        registry.register(
            "blocked",
            "1 while a direction is blocked",
            self.blocked.clone(),
        );
        registry.register(
            "receipts_waiting",
            "Receipts that wait",
            self.receipts_waiting.clone(),
        );
        registry.register(
            "dead_letters",
            "Dead letters kept",
            self.dead_letters.clone(),
        );
        registry.register_with_unit(
            "outbox",
            "Bytes of messages that wait",
            Unit::Bytes,
            self.outbox_bytes.clone(),
        );
    }

    /// Sets the gauges from what the outbox counts. Ages are in seconds.
    pub(super) fn set_gauges(&self, stats: &Stats, ages: [i64; 2], blocked: [bool; 2]) {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for direction in Direction::ALL {
            let labels = DirectionLabels {
                direction: direction.as_str(),
            };
            let waiting = match direction {
                Direction::Inbound => stats.inbound,
                Direction::Outbound => stats.outbound,
            };
            self.waiting.get_or_create(&labels).set(signed(waiting));
            self.oldest
                .get_or_create(&labels)
                .set(ages[direction as usize]);
            self.blocked
                .get_or_create(&labels)
                .set(i64::from(blocked[direction as usize]));
        }
        self.receipts_waiting.set(signed(stats.receipts));
        self.dead_letters.set(signed(stats.dead_letters));
        self.outbox_bytes.set(signed(stats.bytes));
    }

    /// The OpenMetrics text.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
