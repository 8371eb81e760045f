//! Traces of messages, exported over OTLP where one asks for it (`OTEL_EXPORTER_OTLP_ENDPOINT`).
//!
//! A trace is one message's whole way: the webhook, its append, every try, the outcome. Its id is derived from the
//! platform's id of the message, so that what happens after a restart, or in a relay elsewhere, joins the same trace, and
//! nothing is stored for it. A message without an id (the wire profile `Guide`) has no trace.
//!
//! Guarantees: no text, number or secret is in a span; a collector that is slow or gone delays nobody and costs a bounded
//! amount of memory. What it does not do: sample (a relay handles few messages a second), continue the traces of others.

mod exporter;
mod otlp;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

pub use exporter::{Endpoint, EndpointError, Flush, start};

use crate::outbox::Direction;

/// A trace's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// A span's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One message's way: what its spans have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    direction: Direction,
    message: String,
    trace: TraceId,
    root: SpanId,
}

impl Journey {
    /// The way of the message with this id of its platform.
    pub fn of(direction: Direction, message: &str) -> Self {
        let hash = Sha256::digest(format!("{}/{message}", direction.as_str()));
        let mut trace = [0; 16];
        trace.copy_from_slice(&hash[..16]);
        let mut root = [0; 8];
        root.copy_from_slice(&hash[16..24]);
        Self {
            direction,
            message: message.to_owned(),
            trace: TraceId(trace),
            root: SpanId(root),
        }
    }

    /// Its trace.
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// The span of the whole way.
    pub fn whole(&self, took: Duration, end: Timestamp) -> Span {
        Span {
            id: self.root,
            parent: None,
            ..self.step("message", Kind::Internal, took, end)
        }
    }

    /// The span of one step on the way.
    pub fn step(&self, name: &'static str, kind: Kind, took: Duration, end: Timestamp) -> Span {
        let start = end - took;
        Span {
            id: self.step_id(name, start),
            parent: Some(self.root),
            trace: self.trace,
            name,
            kind,
            start,
            end,
            attributes: vec![
                ("messaging.message.id", Value::Text(self.message.clone())),
                (
                    "messaging_bridge.direction",
                    Value::Word(self.direction.as_str()),
                ),
            ],
            error: None,
        }
    }

    /// Differs for each step: the same step never begins twice at one time.
    fn step_id(&self, name: &str, start: Timestamp) -> SpanId {
        let mut hash = Sha256::new();
        hash.update(self.trace.0);
        hash.update(name);
        hash.update(start.as_nanosecond().to_be_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&hash.finalize()[..8]);
        SpanId(id)
    }
}

/// On which side of a call a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No call.
    Internal = 1,
    /// A request of a platform.
    Server = 2,
    /// A request to a platform.
    Client = 3,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One of a closed set.
    Word(&'static str),
    /// An id of a platform.
    Text(String),
    /// A count.
    Count(u64),
}

/// One step of a message's way, over and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    trace: TraceId,
    id: SpanId,
    parent: Option<SpanId>,
    name: &'static str,
    kind: Kind,
    start: Timestamp,
    end: Timestamp,
    attributes: Vec<(&'static str, Value)>,
    error: Option<&'static str>,
}

impl Span {
    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.attributes.push((name, value));
        self
    }

    /// Marks it as failed, with a word for what failed.
    #[must_use]
    pub fn failed(mut self, kind: Option<&'static str>) -> Self {
        self.error = kind;
        self
    }
}

/// Takes spans, if traces are exported.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<tokio::sync::mpsc::Sender<Span>>);

impl Tracer {
    /// Whether anybody wants spans.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a span, which is only made when somebody wants it. While the collector is behind, it is dropped.
    pub fn span(&self, span: impl FnOnce() -> Span) {
        if let Some(spans) = &self.0 {
            let _ = spans.try_send(span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_has_the_same_trace_whoever_asks_and_another_has_another() {
        let journey = Journey::of(Direction::Inbound, "SM1");
        assert_eq!(journey, Journey::of(Direction::Inbound, "SM1"));
        assert_ne!(
            journey.trace(),
            Journey::of(Direction::Inbound, "SM2").trace()
        );
        assert_ne!(
            journey.trace(),
            Journey::of(Direction::Outbound, "SM1").trace()
        );
    }

    #[test]
    fn two_tries_are_two_spans_below_the_same_root() {
        let journey = Journey::of(Direction::Outbound, "m1");
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let took = Duration::from_millis(5);
        let [first, second] =
            [1, 2].map(|second| journey.step("send", Kind::Client, took, at(second)));
        assert_ne!(first.id, second.id);
        assert_eq!(first.parent, Some(journey.root));
        assert_eq!(first.parent, second.parent);
        assert_eq!(journey.whole(took, at(3)).id, journey.root);
    }

    #[test]
    fn without_a_collector_no_span_is_made() {
        Tracer::default().span(|| unreachable!("nobody wants it"));
    }
}
