//! What all reconciles share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, ResourceExt as _};

use super::backoff::Backoff;
use super::caches::{Caches, Guarded};
use super::index::SecretIndex;
use super::memory::Memory;
use crate::admin::Metrics;
use crate::apply::Rewritten;
use crate::dereference::SecretReader;
use crate::names::MANAGER;
use crate::platforms::Platforms;
use crate::relay_status::RelayStatusReader;
use crate::validate::Frame;

/// The longest text of an Event (`events.k8s.io/v1`), in bytes.
const LONGEST_NOTE: usize = 1024;

/// What all reconciles share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Caches,
    pub(crate) frame: Frame,
    pub(crate) platforms: Platforms,
    pub(crate) relays: RelayStatusReader,
    pub(crate) secrets: SecretReader,
    pub(super) rewritten: Rewritten,
    pub(super) metrics: Arc<Metrics>,
    pub(super) backoff: Backoff,
    pub(super) memory: Memory,
    recorder: Recorder,
    index: Mutex<SecretIndex>,
    reported: Mutex<HashSet<String>>,
}

impl Context {
    pub(super) fn new(
        client: Client,
        caches: Caches,
        frame: Frame,
        platforms: Platforms,
        relays: RelayStatusReader,
        metrics: Arc<Metrics>,
    ) -> Self {
        let recorder = Recorder::new(client.clone(), Reporter::from(MANAGER));
        Self {
            secrets: SecretReader::new(client.clone()),
            client,
            caches,
            frame,
            platforms,
            relays,
            rewritten: Rewritten::default(),
            metrics,
            backoff: Backoff::default(),
            memory: Memory::default(),
            recorder,
            index: Mutex::default(),
            reported: Mutex::default(),
        }
    }

    /// The wall clock.
    #[expect(clippy::unused_self, reason = "time comes from the context")]
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // Conditions have no fraction of a second.
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// From 0 to 1.
    #[expect(clippy::unused_self, reason = "randomness comes from the context")]
    pub(super) fn chance(&self) -> f64 {
        rand::random()
    }

    pub(super) fn index(&self) -> MutexGuard<'_, SecretIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_reported(&self, version: &str) -> bool {
        self.reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(version)
    }

    pub(super) fn reported(&self, version: String) {
        self.reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(version);
    }

    /// Forgets all about bridges that are gone, and Secrets that no bridge names.
    ///
    /// What the caches show decides, at leisure: a watch that began anew tells no deletion that it missed, and a
    /// reconcile that was under way when its bridge went may have noted something since.
    pub(super) fn forget_the_gone(&self) {
        let bridges: HashSet<String> = self.caches.bridges.state().iter().map(key).collect();
        let lives = |bridge: &str| bridges.contains(bridge);
        self.index()
            .retain(|namespace, name| lives(&format!("{namespace}/{name}")));
        self.backoff.retain(lives);
        self.memory.retain(lives);
        self.platforms.retain(lives);
        self.relays.retain(lives);
        self.rewritten.retain(lives);
        self.metrics.retain(lives);
        self.reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|version| version.split('@').next().is_some_and(lives));
        let index = self.index();
        self.secrets
            .retain(|namespace, name| !index.bridges(namespace, name).is_empty());
    }

    /// Publishes an Event; one that is lost changes nothing.
    pub(super) async fn publish(
        &self,
        about: &ObjectReference,
        kind: EventType,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: Some(bounded(note).to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(%error, reason, "an Event was not published");
        }
    }
}

fn key(bridge: &Arc<Guarded>) -> String {
    let namespace = bridge.namespace().unwrap_or_default();
    format!("{namespace}/{}", bridge.name_any())
}

/// As much of a text as an Event takes: one that is longer is refused, and with it the Event.
fn bounded(note: &str) -> &str {
    &note[..note.floor_char_boundary(LONGEST_NOTE)]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use kube::core::DeserializeGuard;
    use kube::runtime::reflector::{self, Store};
    use kube::runtime::watcher;
    use messaging_bridge_crds::check_manifest;
    use rstest::rstest;

    use super::*;
    use crate::build::fixture::settings;

    /// Caches that hold one bridge, `tenant/acme`, and nothing else.
    fn caches() -> Caches {
        fn empty<K: reflector::Lookup<DynamicType = ()> + Clone + 'static>() -> Store<K> {
            reflector::store().0
        }
        let manifest = include_str!("../../../crds/examples/minimal.yaml");
        let mut bridge = check_manifest(manifest).unwrap();
        bridge.metadata.namespace = Some("tenant".to_owned());
        bridge.metadata.name = Some("acme".to_owned());
        let (bridges, mut writer) = reflector::store();
        writer.apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(bridge))));
        Caches {
            bridges,
            stateful_sets: empty(),
            services: empty(),
            config_maps: empty(),
            service_accounts: empty(),
            network_policies: empty(),
            pods: empty(),
            claims: empty(),
            secrets: empty(),
        }
    }

    fn context(metrics: &Arc<Metrics>) -> Context {
        let never = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, kube::Error>>()
        });
        let http = messaging_bridge_clients::http::client("test").unwrap();
        let observe: crate::platforms::CallObserver = Arc::new(|_, _, _, _| ());
        let interval = Duration::from_mins(10);
        Context::new(
            Client::new(never, "default"),
            caches(),
            Frame::new(settings(), "messaging-bridge".to_owned()),
            Platforms::new(http, interval, observe, Box::new(|| 0.5)),
            RelayStatusReader::new("test", String::new()).unwrap(),
            Arc::clone(metrics),
        )
    }

    #[tokio::test]
    async fn what_was_noted_of_a_bridge_that_is_gone_is_forgotten_whatever_the_watch_told() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let metrics = Arc::new(Metrics::new());
        let context = context(&metrics);
        let spec = context.caches.bridges.state()[0]
            .0
            .as_ref()
            .unwrap()
            .spec
            .clone();
        for name in ["acme", "gone"] {
            let key = format!("tenant/{name}");
            context.index().note("tenant", name, &spec);
            context.backoff.failed(&key, 0.5);
            context.metrics.bridge(&key, "true");
            context.reported(format!("{key}@u-1 1"));
        }
        context.forget_the_gone();
        let secret = &spec.twilio.credentials_secret_ref.name;
        assert_eq!(context.index().bridges("tenant", secret), ["acme"]);
        assert_eq!(context.backoff.waiting(), 1);
        assert!(context.is_reported("tenant/acme@u-1 1"));
        assert!(!context.is_reported("tenant/gone@u-1 1"));
        let text = metrics.text().unwrap();
        assert!(text.contains("bridges{ready=\"true\"} 1"), "{text}");
    }

    #[rstest]
    #[case::short("nothing waits", "nothing waits".len())]
    #[case::one_byte_a_character(&"x".repeat(2000), 1024)]
    #[case::two_bytes_a_character(&"ü".repeat(1000), 1024)]
    #[case::a_character_across_the_end(&format!("x{}", "ü".repeat(1000)), 1023)]
    fn the_text_of_an_event_is_bounded_in_bytes(#[case] note: &str, #[case] expected: usize) {
        let bounded = bounded(note);
        assert_eq!(bounded.len(), expected);
        assert!(note.starts_with(bounded));
    }
}
