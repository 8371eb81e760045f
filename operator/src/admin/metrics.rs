//! Prometheus metrics. Every label has a closed set of values: no bridge, number or host becomes a label.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use messaging_bridge_clients::Platform;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of a reconcile and of a platform call, in seconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0];
/// What the condition `Ready` can be.
const READY: [&str; 3] = ["true", "false", "unknown"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    platform: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlatformLabels {
    platform: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadyLabels {
    ready: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    resource: &'static str,
}

/// All metrics of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ResultLabels, Counter>,
    reconcile_seconds: Histogram,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<PlatformLabels, Histogram>,
    bridges: Family<ReadyLabels, Gauge>,
    backoff: Gauge,
    watch_errors: Family<WatchLabels, Counter>,
    known: Mutex<HashMap<String, &'static str>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            reconciles: Family::default(),
            reconcile_seconds: Histogram::new(BUCKETS),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            bridges: Family::default(),
            backoff: Gauge::default(),
            watch_errors: Family::default(),
            known: Mutex::default(),
        };
        for ready in READY {
            metrics.bridges.get_or_create(&ReadyLabels { ready }).set(0);
        }
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = self
            .registry
            .sub_registry_with_prefix("messaging_bridge_operator");
        registry.register(
            "reconciles",
            "Reconciles by result: ok, refused by the API server until something changes, or the phase that failed",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of a reconcile",
            Unit::Seconds,
            self.reconcile_seconds.clone(),
        );
        registry.register(
            "platform_calls",
            "Calls to the platforms",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "platform_call_duration",
            "Duration of a call to a platform",
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        registry.register(
            "bridges",
            "Bridges by the condition Ready",
            self.bridges.clone(),
        );
        registry.register(
            "bridges_in_backoff",
            "Bridges that wait after a failure",
            self.backoff.clone(),
        );
        registry.register(
            "watch_errors",
            "Failures of the watches at the API server",
            self.watch_errors.clone(),
        );
        self
    }

    /// A reconcile ended.
    pub fn reconciled(&self, result: &'static str, took: Duration) {
        self.reconciles
            .get_or_create(&ResultLabels { result })
            .inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// A platform was called.
    pub fn called(
        &self,
        platform: Platform,
        operation: &'static str,
        outcome: &'static str,
        took: Duration,
    ) {
        let platform = match platform {
            Platform::Genesys => "genesys",
            Platform::Twilio => "twilio",
        };
        let labels = CallLabels {
            platform,
            operation,
            outcome,
        };
        self.calls.get_or_create(&labels).inc();
        self.call_seconds
            .get_or_create(&PlatformLabels { platform })
            .observe(took.as_secs_f64());
    }

    /// A bridge's condition `Ready`.
    pub fn bridge(&self, bridge: &str, ready: &'static str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(bridge.to_owned(), ready);
        self.recount(&known);
    }

    /// All bridges but these are gone.
    pub fn retain(&self, lives: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|bridge, _| lives(bridge));
        self.recount(&known);
    }

    /// A watch failed; it begins anew by itself.
    pub fn watch_failed(&self, resource: &'static str) {
        self.watch_errors
            .get_or_create(&WatchLabels { resource })
            .inc();
    }

    fn recount(&self, known: &HashMap<String, &'static str>) {
        for ready in READY {
            let count = known.values().filter(|found| **found == ready).count();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.bridges
                .get_or_create(&ReadyLabels { ready })
                .set(count);
        }
    }

    /// How many bridges wait after a failure.
    pub fn waiting(&self, bridges: usize) {
        self.backoff.set(i64::try_from(bridges).unwrap_or(i64::MAX));
    }

    /// The exposition.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_are_counted_by_readiness_and_never_named() {
        let metrics = Metrics::new();
        metrics.bridge("tenant/acme", "false");
        metrics.bridge("tenant/acme", "true");
        metrics.bridge("tenant/other", "true");
        metrics.retain(|bridge| bridge == "tenant/acme");
        metrics.called(
            Platform::Twilio,
            "read_number",
            "ok",
            Duration::from_millis(3),
        );
        metrics.reconciled("ok", Duration::from_millis(3));
        let text = metrics.text().unwrap_or_default();
        assert!(text.contains("bridges{ready=\"true\"} 1"), "{text}");
        assert!(text.contains("bridges{ready=\"false\"} 0"), "{text}");
        assert!(!text.contains("acme"), "{text}");
    }
}
