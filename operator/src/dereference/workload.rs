//! The bridge's objects out of the caches, and how the relay's workload is.
//!
//! Events are asked for only while the relay is not ready: they say why a pod cannot be made, placed or started.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::{Api, Client, Resource, ResourceExt as _};
use messaging_bridge_crds::MessagingBridge;

use super::{LiveChildren, Warning, WorkloadSeen};
use crate::controller::{Caches, Context};
use crate::names::{BRIDGE_ANNOTATION, UID_LABEL};
use crate::pod;

/// Warnings that are older say nothing about now; the controllers repeat theirs within this time.
const FRESH: SignedDuration = SignedDuration::from_mins(20);
/// Of an object's warnings so many are looked at: they are repeated under few names.
const WARNINGS: u32 = 100;
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
) -> WorkloadSeen {
    let mut seen = WorkloadSeen {
        stateful_set: children.stateful_sets.first().cloned(),
        pods: children.pods.clone(),
        claims: children.claims.clone(),
        warnings: Vec::new(),
    };
    let wanting =
        seen.stateful_set.is_some() && !seen.pods.last().is_some_and(|pod| pod::is_ready(pod));
    if wanting {
        seen.warnings = warnings(&context.client, namespace, &seen, context.now()).await;
    }
    seen
}

/// Whether the relay can be asked for its status.
pub(super) fn is_running(seen: &WorkloadSeen) -> bool {
    seen.pods
        .last()
        .is_some_and(|pod| pod::started(pod).is_some())
}

/// The warnings about StatefulSet, newest pod and claims, each asked for by its uid: a busy namespace has thousands.
/// They explain and decide nothing, so that one who cannot have them goes on without.
async fn warnings(
    client: &Client,
    namespace: &str,
    seen: &WorkloadSeen,
    now: Timestamp,
) -> Vec<Warning> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let workload = seen.stateful_set.iter().filter_map(|object| object.uid());
    let pod = seen.pods.last().and_then(|object| object.uid());
    let claims = seen.claims.iter().filter_map(|object| object.uid());
    let mut warnings = Vec::new();
    for uid in workload.chain(pod).chain(claims) {
        let about_it = format!("type=Warning,involvedObject.uid={uid}");
        let selection = ListParams::default().fields(&about_it).limit(WARNINGS);
        match api.list(&selection).await {
            Ok(events) => {
                warnings.extend(
                    events
                        .items
                        .into_iter()
                        .filter_map(|event| warning(event, now)),
                );
            }
            Err(error) => {
                tracing::warn!(namespace, %error, "the Events about a relay could not be read");
                break;
            }
        }
    }
    warnings.sort_by_key(|warning| warning.last_seen);
    warnings
}

fn warning(event: Event, now: Timestamp) -> Option<Warning> {
    let about = event.involved_object;
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

#[cfg(test)]
mod tests;
