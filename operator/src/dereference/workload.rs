//! The bridge's objects out of the caches, and how the relay's workload is.
//!
//! Events are asked for only while the relay is not ready: they say why a pod cannot be made, placed or started.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::{Api, Resource, ResourceExt as _};
use messaging_bridge_crds::MessagingBridge;

use super::{DereferenceError, LiveChildren, Warning, WorkloadSeen};
use crate::controller::{Caches, Context};
use crate::names::{BRIDGE_ANNOTATION, UID_LABEL};

/// Warnings that are older say nothing about now; the controllers repeat theirs within this time.
const FRESH: SignedDuration = SignedDuration::from_mins(20);
/// Of a namespace's warnings so many are looked at.
const WARNINGS: u32 = 500;
/// The longest text of a warning, in characters.
const LONGEST: usize = 1024;

/// The bridge's objects.
pub(super) fn children(bridge: &MessagingBridge, caches: &Caches) -> LiveChildren {
    let mut pods = of(bridge, &caches.pods);
    pods.sort_by_key(|pod| pod.creation_timestamp());
    LiveChildren {
        config_maps: of(bridge, &caches.config_maps),
        stateful_sets: of(bridge, &caches.stateful_sets),
        services: of(bridge, &caches.services),
        service_accounts: of(bridge, &caches.service_accounts),
        network_policies: of(bridge, &caches.network_policies),
        claims: of(bridge, &caches.claims),
        pods,
    }
}

/// By the bridge's name, and, where there is one, by its uid.
fn of<K>(bridge: &MessagingBridge, store: &Store<K>) -> Vec<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let name = bridge.name_any();
    let uid = bridge.uid();
    store.state_filter(|object| {
        object.meta().namespace == bridge.metadata.namespace
            && object.annotations().get(BRIDGE_ANNOTATION) == Some(&name)
            && object
                .labels()
                .get(UID_LABEL)
                .is_none_or(|of| Some(of) == uid.as_ref())
    })
}

/// How the workload is.
pub(super) async fn seen(
    children: &LiveChildren,
    namespace: &str,
    context: &Context,
) -> Result<WorkloadSeen, DereferenceError> {
    let mut seen = WorkloadSeen {
        stateful_set: children.stateful_sets.first().cloned(),
        pods: children.pods.clone(),
        claims: children.claims.clone(),
        warnings: Vec::new(),
    };
    let wanting = seen.stateful_set.is_some() && !seen.pods.last().is_some_and(|pod| is_ready(pod));
    if wanting {
        seen.warnings = warnings(&seen, namespace, context).await?;
    }
    Ok(seen)
}

/// Whether the relay can be asked for its status.
pub(super) fn is_running(seen: &WorkloadSeen) -> bool {
    seen.pods.last().is_some_and(|pod| {
        pod.status
            .as_ref()
            .and_then(|status| status.container_statuses.as_ref()?.first())
            .and_then(|container| container.state.as_ref()?.running.as_ref())
            .is_some()
    })
}

fn is_ready(pod: &Pod) -> bool {
    pod.status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn warnings(
    seen: &WorkloadSeen,
    namespace: &str,
    context: &Context,
) -> Result<Vec<Warning>, DereferenceError> {
    let api: Api<Event> = Api::namespaced(context.client.clone(), namespace);
    let selection = ListParams::default().fields("type=Warning").limit(WARNINGS);
    let events = api
        .list(&selection)
        .await
        .map_err(|error| DereferenceError::Api {
            what: "the namespace's Events",
            source: Box::new(error),
        })?;
    let uids: Vec<String> = seen
        .stateful_set
        .iter()
        .filter_map(|object| object.uid())
        .chain(seen.pods.iter().filter_map(|object| object.uid()))
        .chain(seen.claims.iter().filter_map(|object| object.uid()))
        .collect();
    let now = context.now();
    let mut warnings: Vec<Warning> = events
        .items
        .into_iter()
        .filter_map(|event| warning(event, &uids, now))
        .collect();
    warnings.sort_by_key(|warning| warning.last_seen);
    Ok(warnings)
}

fn warning(event: Event, uids: &[String], now: Timestamp) -> Option<Warning> {
    let about = event.involved_object;
    if !about.uid.as_ref().is_some_and(|uid| uids.contains(uid)) {
        return None;
    }
    let series = event
        .series
        .and_then(|series| series.last_observed_time.map(|time| time.0));
    let last_seen = series
        .or(event.last_timestamp.map(|time| time.0))
        .or(event.event_time.map(|time| time.0))
        .or(event.metadata.creation_timestamp.map(|time| time.0))?;
    (now.duration_since(last_seen) < FRESH).then(|| Warning {
        kind: about.kind.unwrap_or_default(),
        name: about.name.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        message: event
            .message
            .unwrap_or_default()
            .chars()
            .take(LONGEST)
            .collect(),
        last_seen,
    })
}
