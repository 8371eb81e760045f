//! What is no longer built is removed: only what carries the label with the bridge's uid and has no other controller,
//! and only after a complete build was applied.
//!
//! Only the NetworkPolicy can be switched off. All else is built for every bridge, under names that follow from the
//! bridge's, so the operator has no right to delete it (but the StatefulSet, which may have to be made anew). A release
//! that no longer builds another kind removes it here, and has the right in the chart's role.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client, ResourceExt};

use super::ApplyError;
use super::ownership::{self, Owner};
use crate::names::UID_LABEL;
use crate::validate::BridgeRef;

/// Removes the bridge's policies, but for the one that was built.
pub(super) async fn remove(
    client: &Client,
    bridge: &BridgeRef,
    built: Option<&NetworkPolicy>,
    live: &[Arc<NetworkPolicy>],
) -> Result<(), ApplyError> {
    let kept = built.map(ResourceExt::name_any);
    for policy in live {
        let name = policy.name_any();
        if kept.as_ref() == Some(&name) || !is_removable(policy, bridge) {
            continue;
        }
        tracing::info!(
            namespace = bridge.namespace,
            bridge = bridge.name,
            kind = "NetworkPolicy",
            name,
            "removing"
        );
        let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), &bridge.namespace);
        let this_one = DeleteParams {
            preconditions: Some(Preconditions {
                uid: policy.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match api.delete(&name, &this_one).await {
            // Gone, or another by now: the cache will say so.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(ApplyError::of_call("NetworkPolicy", &name, error)),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn is_removable(policy: &NetworkPolicy, bridge: &BridgeRef) -> bool {
    policy.labels().get(UID_LABEL) == Some(&bridge.uid)
        && ownership::of(&policy.metadata, bridge) == Owner::Ours
        && policy.metadata.deletion_timestamp.is_none()
}
