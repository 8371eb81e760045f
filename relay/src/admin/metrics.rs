//! Prometheus metrics. Every label has a closed set of values: no id, number or host becomes a label. Trace ids stand in
//! exemplars only, and only while traces are exported.
//!
//! Each metric is registered together with the question that it answers; `docs/reference/metrics.md` is written from
//! that, and a test compares the two.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry, Unit};

use super::gaps::GapMetrics;
use super::labels::{
    AllowanceLabels, DirectionLabels, LetterLabels, Names, OutcomeLabels, ReceiptLabels,
    RetryLabels, SettledLabels, TraceLabels, WebhookLabels,
};
use crate::outbox::{DeadLetterCount, Direction, Stats};

/// What every name begins with.
pub const PREFIX: &str = "messaging_bridge_relay";

/// Upper bounds of a platform call, in seconds; the clients give up at 15.
const CALL_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
/// Upper bounds of a message's whole way, in seconds: from a blink to the age at which it is given up.
const AGE_BUCKETS: [f64; 10] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 14400.0,
];

/// A metric as the reference describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name without [`PREFIX`], as a query names it.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
    /// The question that it helps to answer.
    pub asks: &'static str,
}

type Histograms<L> =
    Family<L, HistogramWithExemplars<TraceLabels>, fn() -> HistogramWithExemplars<TraceLabels>>;

/// All metrics of the relay.
pub struct Metrics {
    registry: Registry,
    described: Vec<Described>,
    pub(super) webhooks: Family<WebhookLabels, Counter>,
    pub(super) calls: Family<OutcomeLabels, Counter>,
    pub(super) call_seconds: Histograms<DirectionLabels>,
    pub(super) outcomes: Family<OutcomeLabels, Counter>,
    pub(super) age_seconds: Histograms<OutcomeLabels>,
    pub(super) retries: Family<RetryLabels, Counter>,
    pub(super) ambiguous: Counter,
    pub(super) repeats: Counter,
    pub(super) settled: Family<SettledLabels, Counter>,
    pub(super) receipts: Family<ReceiptLabels, Counter>,
    pub(super) gaps: GapMetrics,
    waiting: Family<DirectionLabels, Gauge>,
    oldest: Family<DirectionLabels, Gauge>,
    blocked: Family<DirectionLabels, Gauge>,
    outage: Family<DirectionLabels, Gauge>,
    in_doubt: Gauge,
    receipts_waiting: Gauge,
    dead_letters: Family<LetterLabels, Gauge>,
    outbox_bytes: Gauge,
    allowance: Family<AllowanceLabels, Gauge>,
    token_age: Gauge,
    token_remaining: Gauge,
}

/// What is read when somebody asks for the metrics.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// What the outbox counts.
    pub(super) stats: Stats,
    /// Dead letters by direction and reason.
    pub(super) letters: Vec<DeadLetterCount>,
    /// Ages of the oldest waiting messages, in seconds.
    pub(super) oldest: [i64; 2],
    /// Whether each direction is blocked.
    pub(super) blocked: [bool; 2],
    /// Whether the platform of each direction does not answer.
    pub(super) outage: [bool; 2],
    /// Genesys' allowance in its current minute, as its last answer stated it: allowed, used.
    pub(super) allowance: Option<[u32; 2]>,
    /// Seconds since Genesys' token was asked for, and seconds that are left of its life.
    pub(super) token: Option<[u64; 2]>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            described: Vec::new(),
            webhooks: Family::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| {
                HistogramWithExemplars::new(CALL_BUCKETS.into_iter())
            }),
            outcomes: Family::default(),
            age_seconds: Family::new_with_constructor(|| {
                HistogramWithExemplars::new(AGE_BUCKETS.into_iter())
            }),
            retries: Family::default(),
            ambiguous: Counter::default(),
            repeats: Counter::default(),
            settled: Family::default(),
            receipts: Family::default(),
            gaps: GapMetrics::default(),
            waiting: Family::default(),
            oldest: Family::default(),
            blocked: Family::default(),
            outage: Family::default(),
            in_doubt: Gauge::default(),
            receipts_waiting: Gauge::default(),
            dead_letters: Family::default(),
            outbox_bytes: Gauge::default(),
            allowance: Family::default(),
            token_age: Gauge::default(),
            token_remaining: Gauge::default(),
        };
        metrics.register_what_waits();
        metrics.register_what_happens();
        metrics.register_what_is_given_up();
        metrics.register_what_was_missed();
        metrics.register_the_platforms();
        metrics
    }
}

/// Where a metric stands in the reference.
struct Entry {
    name: &'static str,
    unit: Option<Unit>,
    help: &'static str,
    asks: &'static str,
}

/// An entry without a unit.
const fn entry(asks: &'static str, name: &'static str, help: &'static str) -> Entry {
    Entry {
        name,
        unit: None,
        help,
        asks,
    }
}

impl Entry {
    fn seconds(self) -> Self {
        Self {
            unit: Some(Unit::Seconds),
            ..self
        }
    }

    fn bytes(self) -> Self {
        Self {
            unit: Some(Unit::Bytes),
            ..self
        }
    }
}

impl Metrics {
    fn register_what_waits(&mut self) {
        const ASKS: &str = "Does anything wait, and since when?";
        self.add_family(entry(ASKS, "waiting", "Messages that wait"), |all| {
            &all.waiting
        });
        let oldest = entry(
            ASKS,
            "oldest",
            "Age of the oldest message that waits; 0 when none does",
        );
        self.add_family(oldest.seconds(), |all| &all.oldest);
        let in_doubt = entry(
            ASKS,
            "in_doubt",
            "Replies whose send has no known answer: it is under way, or was lost and is being looked up",
        );
        self.add(in_doubt, |all| &all.in_doubt);
        let receipts = entry(
            ASKS,
            "receipts_waiting",
            "Receipts that Genesys does not have yet",
        );
        self.add(receipts, |all| &all.receipts_waiting);
        let bytes = entry(ASKS, "outbox", "Bytes of messages that wait");
        self.add(bytes.bytes(), |all| &all.outbox_bytes);
    }

    fn register_what_happens(&mut self) {
        const ARRIVES: &str = "Do the platforms reach the relay?";
        const FAST: &str = "How long does a message take?";
        const FAILS: &str = "What fails, and what becomes of it?";
        let webhooks = entry(ARRIVES, "webhooks", "Webhooks by what became of them");
        self.add_family(webhooks, |all| &all.webhooks);
        let age = entry(
            FAST,
            "message_age",
            "From the webhook to the recorded outcome: delivered, or given_up",
        );
        self.add_family(age.seconds(), |all| &all.age_seconds);
        let call = entry(
            FAST,
            "call",
            "Duration of platform calls that carried a message",
        );
        self.add_family(call.seconds(), |all| &all.call_seconds);
        let calls = entry(
            FAILS,
            "calls",
            "Platform calls that carried a message, by answer: ok, or the kind of failure",
        );
        self.add_family(calls, |all| &all.calls);
        let retries = entry(
            FAILS,
            "retries",
            "Messages put back to be tried again, by the kind of failure",
        );
        self.add_family(retries, |all| &all.retries);
        let repeats = entry(
            FAILS,
            "repeats",
            "Messages to Genesys tried again, with the same id, although an earlier try may have been taken",
        );
        self.add(repeats, |all| &all.repeats);
        let ambiguous = entry(FAILS, "ambiguous", "Sends to Twilio whose answer was lost");
        self.add(ambiguous, |all| &all.ambiguous);
        let settled = entry(
            FAILS,
            "settled",
            "Sends whose answer was lost and that no callback proved, by what was found",
        );
        self.add_family(settled, |all| &all.settled);
        let receipts = entry(FAILS, "receipts", "Receipts by status and Genesys' answer");
        self.add_family(receipts, |all| &all.receipts);
    }

    fn register_what_is_given_up(&mut self) {
        const ASKS: &str = "What was delivered, and what was given up?";
        let messages = entry(
            ASKS,
            "messages",
            "Messages by recorded outcome: delivered, or the reason of a dead letter",
        );
        self.add_family(messages, |all| &all.outcomes);
        let letters = entry(ASKS, "dead_letters", "Dead letters kept, by reason");
        self.add_family(letters, |all| &all.dead_letters);
    }

    fn register_what_was_missed(&mut self) {
        const ASKS: &str = "What did the webhooks miss?";
        let healed = entry(
            ASKS,
            "healed",
            "Customers' messages that were found in Twilio's list and stored",
        );
        self.add(healed, |all| &all.gaps.healed);
        let redacted = entry(
            ASKS,
            "redacted",
            "Missed messages whose text Twilio does not have any more",
        );
        self.add(redacted, |all| &all.gaps.redacted);
        let passes = entry(
            ASKS,
            "gap_passes",
            "Looks for missed messages: complete, piece (there is more), failed",
        );
        self.add_family(passes, |all| &all.gaps.passes);
        let uncovered = entry(
            ASKS,
            "gap_uncovered",
            "How far back missed messages are still possible; about 900 to 1,300 when all is well, 0 until Twilio's list \
             was read once",
        );
        self.add(uncovered.seconds(), |all| &all.gaps.uncovered);
        let asked = entry(
            ASKS,
            "statuses_asked",
            "Statuses asked for because they did not come: raised (news), unchanged, gone, failed",
        );
        self.add_family(asked, |all| &all.gaps.asked);
    }

    fn register_the_platforms(&mut self) {
        const ASKS: &str = "Will the platforms take messages?";
        let blocked = entry(ASKS, "blocked", "1 while a direction is blocked");
        self.add_family(blocked, |all| &all.blocked);
        let outage = entry(
            ASKS,
            "outage",
            "1 while a direction's platform does not answer, and is only probed",
        );
        self.add_family(outage, |all| &all.outage);
        let allowance = entry(
            ASKS,
            "genesys_allowance",
            "Requests in the current minute of Genesys' limit, as its last answer stated it: allowed, and used",
        );
        self.add_family(allowance, |all| &all.allowance);
        let age = entry(
            ASKS,
            "genesys_token_age",
            "Since Genesys' access token was asked for; 0 without one",
        );
        self.add(age.seconds(), |all| &all.token_age);
        let left = entry(
            ASKS,
            "genesys_token_remaining",
            "What is left of the token's life; 0 without one",
        );
        self.add(left.seconds(), |all| &all.token_remaining);
    }

    fn add_family<L: Names, M, C>(&mut self, entry: Entry, of: fn(&Self) -> &Family<L, M, C>)
    where
        Family<L, M, C>: Metric + TypedMetric + Clone,
    {
        let metric = of(self).clone();
        self.register(entry, L::NAMES, metric);
    }

    fn add<M: Metric + TypedMetric + Clone>(&mut self, entry: Entry, of: fn(&Self) -> &M) {
        let metric = of(self).clone();
        self.register(entry, &[], metric);
    }

    fn register<M: Metric + TypedMetric>(
        &mut self,
        entry: Entry,
        labels: &'static [&'static str],
        metric: M,
    ) {
        let Entry {
            name,
            unit,
            help,
            asks,
        } = entry;
        let kind = <M as TypedMetric>::TYPE;
        self.described.push(Described {
            name: full_name(name, unit.as_ref(), kind),
            kind: kind_name(kind),
            labels,
            help,
            asks,
        });
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric),
            None => self.registry.register(name, help, metric),
        }
    }

    /// Every metric that is registered, in the order of the questions.
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Sets the gauges.
    pub(super) fn set_gauges(&self, reading: &Reading) {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let stats = &reading.stats;
        for direction in Direction::ALL {
            let labels = DirectionLabels::of(direction);
            let waiting = match direction {
                Direction::Inbound => stats.inbound,
                Direction::Outbound => stats.outbound,
            };
            self.waiting.get_or_create(&labels).set(signed(waiting));
            self.oldest
                .get_or_create(&labels)
                .set(reading.oldest[direction as usize]);
            self.blocked
                .get_or_create(&labels)
                .set(i64::from(reading.blocked[direction as usize]));
            self.outage
                .get_or_create(&labels)
                .set(i64::from(reading.outage[direction as usize]));
        }
        self.in_doubt.set(signed(stats.in_doubt));
        self.receipts_waiting.set(signed(stats.receipts));
        self.outbox_bytes.set(signed(stats.bytes));
        // What was replayed or purged is gone: its row must not stand at its last count.
        self.dead_letters.clear();
        for kind in &reading.letters {
            let labels = LetterLabels::of(kind.direction, &kind.reason);
            self.dead_letters
                .get_or_create(&labels)
                .inc_by(signed(kind.count));
        }
        for (what, count) in ["allowed", "used"]
            .into_iter()
            .zip(reading.allowance.into_iter().flatten())
        {
            self.allowance
                .get_or_create(&AllowanceLabels { what })
                .set(i64::from(count));
        }
        let [age, remaining] = reading.token.unwrap_or_default();
        self.token_age.set(signed(age));
        self.token_remaining.set(signed(remaining));
    }

    /// The OpenMetrics text.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The name as a query has it: with its unit, and `_total` behind a counter.
fn full_name(name: &str, unit: Option<&Unit>, kind: MetricType) -> String {
    let unit = match unit {
        Some(Unit::Seconds) => "_seconds",
        Some(Unit::Bytes) => "_bytes",
        _ => "",
    };
    let total = match kind {
        MetricType::Counter => "_total",
        _ => "",
    };
    format!("{name}{unit}{total}")
}

const fn kind_name(kind: MetricType) -> &'static str {
    match kind {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
        MetricType::Histogram => "histogram",
        _ => "unknown",
    }
}
