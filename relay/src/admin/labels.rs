//! The labels of the metrics: closed sets of words.

use prometheus_client::encoding::EncodeLabelSet;

use crate::outbox::Direction;

/// The names of a set of labels, for the reference.
pub(super) trait Names {
    /// In the order in which they are written.
    const NAMES: &'static [&'static str];
}

macro_rules! names {
    ($($labels:ty: $names:expr),+ $(,)?) => {
        $(impl Names for $labels {
            const NAMES: &'static [&'static str] = &$names;
        })+
    };
}

names! {
    WebhookLabels: ["hook", "verdict"],
    OutcomeLabels: ["direction", "outcome"],
    RetryLabels: ["direction", "kind"],
    DirectionLabels: ["direction"],
    LetterLabels: ["direction", "reason"],
    ReceiptLabels: ["status", "outcome"],
    SettledLabels: ["how"],
    AllowanceLabels: ["what"],
    EndLabels: ["outcome"],
}

/// A webhook and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WebhookLabels {
    pub(super) hook: &'static str,
    pub(super) verdict: &'static str,
}

/// How a look for missed messages, or a question for a status, ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EndLabels {
    pub(super) outcome: &'static str,
}

/// A direction and an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) direction: &'static str,
    pub(super) outcome: &'static str,
}

/// A direction and the kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RetryLabels {
    pub(super) direction: &'static str,
    pub(super) kind: &'static str,
}

/// A direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DirectionLabels {
    pub(super) direction: &'static str,
}

/// A direction and the reason of dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LetterLabels {
    pub(super) direction: &'static str,
    pub(super) reason: &'static str,
}

/// A receipt's status and what Genesys answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReceiptLabels {
    pub(super) status: &'static str,
    pub(super) outcome: &'static str,
}

/// How a lost answer was settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SettledLabels {
    pub(super) how: &'static str,
}

/// `allowed` or `used`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AllowanceLabels {
    pub(super) what: &'static str,
}

/// The trace of one message, in an exemplar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TraceLabels {
    pub(super) trace_id: String,
}

impl DirectionLabels {
    pub(super) fn of(direction: Direction) -> Self {
        Self {
            direction: direction.as_str(),
        }
    }
}

/// The reasons of dead letters. What an outbox holds beside them (an import of something else) counts as `other`.
const REASONS: [&str; 8] = [
    "refused",
    "expired",
    "exhausted",
    "unresolved",
    "part-failed",
    "foreign",
    "unreadable",
    "copied",
];

impl LetterLabels {
    pub(super) fn of(direction: Direction, reason: &str) -> Self {
        let known = REASONS.into_iter().find(|known| *known == reason);
        Self {
            direction: direction.as_str(),
            reason: known.unwrap_or("other"),
        }
    }
}
