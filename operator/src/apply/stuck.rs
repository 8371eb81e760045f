//! A pod that keeps its successor from being made: one of an older revision that never becomes ready, for example of
//! an image that does not exist, after the right one was named.
//!
//! With `podManagementPolicy: Parallel` the StatefulSet's controller replaces it by itself; where it counts unavailable
//! pods first (the feature `MaxUnavailableStatefulSet`) it waits for ever, because the broken pod is one. The operator
//! ends such a pod where it has the right to; a pod that is ready, or of the newest revision, is never touched.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};

use super::ApplyError;
use crate::validate::BridgeRef;

/// The label with which the controller marks a pod's revision.
const REVISION: &str = "controller-revision-hash";
const KIND: &str = "Pod";

/// Ends the StatefulSet's stuck pods. The cache may lag: each is looked at in the API server first.
pub(super) async fn remove(
    client: &Client,
    bridge: &BridgeRef,
    stateful_set: &StatefulSet,
    pods: &[Arc<Pod>],
) -> Result<(), ApplyError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &bridge.namespace);
    for pod in pods.iter().filter(|pod| is_stuck(pod, stateful_set)) {
        let name = pod.name_any();
        let failed = |error| ApplyError::of_call(KIND, &name, error);
        let live = api.get_opt(&name).await.map_err(failed)?;
        let Some(live) = live.filter(|live| is_stuck(live, stateful_set)) else {
            continue;
        };
        let this_one = DeleteParams {
            preconditions: Some(Preconditions {
                uid: live.uid(),
                resource_version: live.resource_version(),
            }),
            ..DeleteParams::default()
        };
        let (namespace, owner) = (&bridge.namespace, &bridge.name);
        match api.delete(&name, &this_one).await {
            Ok(_) => {
                tracing::info!(
                    namespace,
                    bridge = owner,
                    pod = name,
                    "ending a stuck pod of an older revision"
                );
            }
            // Changed meanwhile: it may have become ready.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(kube::Error::Api(status)) if status.code == 403 => tracing::warn!(
                namespace,
                bridge = owner,
                pod = name,
                "a pod of an older revision is stuck, and the operator has no right to delete it: delete it by hand"
            ),
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Whether the pod is of an older revision than the StatefulSet's controller has settled on, and not ready.
fn is_stuck(pod: &Pod, stateful_set: &StatefulSet) -> bool {
    let Some(newest) = settled_revision(stateful_set) else {
        return false;
    };
    let owned = pod.owner_references().iter().any(|owner| {
        owner.controller == Some(true) && Some(&owner.uid) == stateful_set.uid().as_ref()
    });
    let older = pod
        .labels()
        .get(REVISION)
        .is_some_and(|revision| revision != newest);
    owned && older && pod.metadata.deletion_timestamp.is_none() && !is_ready(pod)
}

/// The newest revision, once the controller has seen the newest template.
fn settled_revision(stateful_set: &StatefulSet) -> Option<&str> {
    let status = stateful_set.status.as_ref()?;
    let seen = status.observed_generation?;
    (Some(seen) == stateful_set.metadata.generation).then_some(status.update_revision.as_deref()?)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::of_an_older_revision_and_not_ready(json!({}), true)]
    #[case::ready(json!({"ready": "True"}), false)]
    #[case::of_the_newest_revision(json!({"revision": "r-2"}), false)]
    #[case::ending_already(json!({"deleted": "2026-01-01T00:00:00Z"}), false)]
    #[case::not_the_stateful_sets(json!({"owner": "other"}), false)]
    #[case::before_the_controller_has_seen_the_change(json!({"seen": 6}), false)]
    fn a_pod_is_stuck(#[case] change: Value, #[case] expected: bool) {
        let get = |name: &str, usual: Value| change.get(name).cloned().unwrap_or(usual);
        let pod = serde_json::from_value(json!({
            "metadata": {
                "name": "acme-relay-0",
                "labels": {REVISION: get("revision", json!("r-1"))},
                "deletionTimestamp": get("deleted", Value::Null),
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "acme-relay",
                    "uid": get("owner", json!("s-1")), "controller": true,
                }],
            },
            "status": {"conditions": [{"type": "Ready", "status": get("ready", json!("False"))}]},
        }));
        let stateful_set = serde_json::from_value(json!({
            "metadata": {"name": "acme-relay", "uid": "s-1", "generation": 7},
            "status": {"replicas": 1, "observedGeneration": get("seen", json!(7)), "updateRevision": "r-2"},
        }));
        assert_eq!(is_stuck(&pod.unwrap(), &stateful_set.unwrap()), expected);
    }
}
