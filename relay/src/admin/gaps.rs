//! What healing did, as status and metrics show it.

use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

use super::labels::EndLabels;
use super::vitals::LastError;
use crate::outbox::Filled;

/// What status says of every bridge.
const NOT_HEALED: &str =
    "agents' messages that Genesys gave up on after about 85 s: no list has them";

/// What came of asking for a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Genesys hears something new.
    Raised,
    /// Twilio knows nothing newer.
    Unchanged,
    /// Twilio does not have the message any more.
    Gone,
    /// Twilio did not answer, or refused.
    Failed,
}

impl Asked {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Unchanged => "unchanged",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }
}

/// Customers' messages that the webhooks missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GapStatus {
    /// Everything that Twilio took before this is in; unknown until Twilio's list was read once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_time: Option<Timestamp>,
    /// When Twilio's list was last read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_complete_pass_time: Option<Timestamp>,
    /// Why it could not be read the last time; absent while it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// Missed messages that were stored since the start.
    pub healed: u64,
    /// Missed messages whose text Twilio does not have any more.
    pub redacted: u64,
    /// What nobody can heal.
    pub not_healed: &'static str,
}

impl Default for GapStatus {
    fn default() -> Self {
        Self {
            covered_time: None,
            last_complete_pass_time: None,
            last_error: None,
            healed: 0,
            redacted: 0,
            not_healed: NOT_HEALED,
        }
    }
}

/// Statuses that were asked for because they did not come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedStatus {
    /// Calls since the start.
    pub asked: u64,
    /// Of these, what was news.
    pub raised: u64,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Timestamp>,
}

/// The metrics of healing.
#[derive(Clone, Default)]
pub(super) struct GapMetrics {
    pub(super) healed: Counter,
    pub(super) redacted: Counter,
    pub(super) passes: Family<EndLabels, Counter>,
    pub(super) asked: Family<EndLabels, Counter>,
    pub(super) uncovered: Gauge,
}

/// Where healing reports.
pub struct Gaps {
    metrics: GapMetrics,
    seen: Mutex<(GapStatus, AskedStatus)>,
}

impl Gaps {
    pub(super) fn new(metrics: GapMetrics) -> Self {
        Self {
            metrics,
            seen: Mutex::default(),
        }
    }

    /// The mark stands here.
    pub(crate) fn marked(&self, mark: Timestamp) {
        self.seen().0.covered_time = Some(mark);
    }

    /// Something was stored, or found redacted.
    pub(crate) fn filled(&self, filled: Filled) {
        self.metrics.healed.inc_by(filled.stored);
        self.metrics.redacted.inc_by(filled.redacted);
        let mut seen = self.seen();
        seen.0.healed += filled.stored;
        seen.0.redacted += filled.redacted;
    }

    /// A pass came to its end.
    pub(crate) fn complete(&self, now: Timestamp) {
        self.ended("complete");
        let mut seen = self.seen();
        seen.0.last_complete_pass_time = Some(now);
        seen.0.last_error = None;
    }

    /// A pass came as far as one goes.
    pub(crate) fn piece(&self) {
        self.ended("piece");
        self.seen().0.last_error = None;
    }

    /// A pass broke off.
    pub(crate) fn failed(&self, now: Timestamp, why: &impl ToString) {
        self.ended("failed");
        self.seen().0.last_error = Some(LastError {
            time: now,
            message: why.to_string(),
        });
    }

    /// A status was asked for.
    pub(crate) fn asked(&self, now: Timestamp, asked: Asked) {
        let outcome = asked.as_str();
        self.metrics
            .asked
            .get_or_create(&EndLabels { outcome })
            .inc();
        let mut seen = self.seen();
        seen.1.asked += 1;
        seen.1.raised += u64::from(asked == Asked::Raised);
        seen.1.last_time = Some(now);
    }

    /// For `/status`.
    pub(super) fn status(&self) -> (GapStatus, AskedStatus) {
        self.seen().clone()
    }

    /// Before the metrics are read.
    pub(super) fn set_gauges(&self, now: Timestamp) {
        let covered = self.seen().0.covered_time;
        let age = covered.map_or(0, |covered| now.duration_since(covered).as_secs().max(0));
        self.metrics.uncovered.set(age);
    }

    fn ended(&self, outcome: &'static str) {
        self.metrics
            .passes
            .get_or_create(&EndLabels { outcome })
            .inc();
    }

    fn seen(&self) -> MutexGuard<'_, (GapStatus, AskedStatus)> {
        self.seen
            .lock()
            .expect("no code panics while it holds this lock")
    }
}
