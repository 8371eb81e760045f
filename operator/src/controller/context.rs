//! What all reconciles share.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use messaging_bridge_crds::MessagingBridgeStatus;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::caches::Caches;
use super::index::SecretIndex;
use crate::admin::Metrics;
use crate::dereference::SecretReader;
use crate::names::MANAGER;
use crate::platforms::Platforms;
use crate::relay_status::RelayStatusReader;
use crate::validate::Frame;

/// The longest text of an Event (`events.k8s.io/v1`).
const LONGEST_NOTE: usize = 1024;

/// What was written last for a bridge, while the cache may still show the version before.
pub(super) struct Written {
    pub(super) uid: String,
    pub(super) status: MessagingBridgeStatus,
    pub(super) at: Instant,
}

/// What all reconciles share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Caches,
    pub(crate) frame: Frame,
    pub(crate) platforms: Platforms,
    pub(crate) relays: RelayStatusReader,
    pub(crate) secrets: SecretReader,
    pub(super) metrics: Arc<Metrics>,
    pub(super) backoff: Backoff,
    recorder: Recorder,
    index: Mutex<SecretIndex>,
    written: Mutex<HashMap<String, Written>>,
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
            metrics,
            backoff: Backoff::default(),
            recorder,
            index: Mutex::default(),
            written: Mutex::default(),
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

    /// What was last written for this very bridge, and when.
    pub(super) fn last_written(
        &self,
        bridge: &str,
        uid: &str,
    ) -> Option<(MessagingBridgeStatus, Instant)> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let last = written.get(bridge).filter(|last| last.uid == uid)?;
        Some((last.status.clone(), last.at))
    }

    pub(super) fn wrote(&self, bridge: &str, uid: &str, status: MessagingBridgeStatus) {
        let last = Written {
            uid: uid.to_owned(),
            status,
            at: Instant::now(),
        };
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(bridge.to_owned(), last);
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

    /// Forgets all about a bridge that is gone.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        let bridge = format!("{namespace}/{name}");
        self.index().forget(namespace, name);
        self.backoff.succeeded(&bridge);
        self.platforms.forget(&bridge);
        self.metrics.forget(&bridge);
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&bridge);
        let of_bridge = format!("{bridge}@");
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.retain(|version| !version.starts_with(&of_bridge));
    }

    /// Publishes an Event; one that is lost changes nothing.
    pub(super) async fn publish(
        &self,
        about: &ObjectReference,
        kind: EventType,
        reason: &str,
        note: &str,
    ) {
        let note = note
            .char_indices()
            .nth(LONGEST_NOTE - 1)
            .map_or(note, |(end, _)| &note[..end]);
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(%error, reason, "an Event was not published");
        }
    }
}
