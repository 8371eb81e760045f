//! What is no longer built is removed: only what carries the label with the bridge's uid and has no other controller,
//! and only after a complete build was applied. Claims of volumes are never among it.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};

use super::ApplyError;
use super::object::Child;
use super::ownership::{self, Owner};
use crate::build::{Built, Objects};
use crate::dereference::LiveChildren;
use crate::names::UID_LABEL;
use crate::validate::BridgeRef;

/// Kind and name of what is built.
pub(super) type Kept = BTreeSet<(String, String)>;

/// Kind and name of everything that was built.
pub(super) fn names(objects: &Objects<Built>) -> Kept {
    let mut kept = Kept::new();
    keep(&mut kept, &objects.service_account);
    keep(&mut kept, &objects.config_map);
    keep(&mut kept, &objects.public_service);
    keep(&mut kept, &objects.admin_service);
    keep(&mut kept, &objects.stateful_set);
    if let Some(policy) = &objects.network_policy {
        keep(&mut kept, policy);
    }
    kept
}

fn keep<K: Child>(kept: &mut Kept, object: &K) {
    kept.insert((K::kind(&()).into_owned(), object.name_any()));
}

/// Removes the bridge's objects that are not among the kept.
pub(super) async fn remove(
    client: &Client,
    bridge: &BridgeRef,
    kept: &Kept,
    live: &LiveChildren,
) -> Result<(), ApplyError> {
    remove_kind(client, bridge, kept, &live.stateful_sets).await?;
    remove_kind(client, bridge, kept, &live.services).await?;
    remove_kind(client, bridge, kept, &live.config_maps).await?;
    remove_kind(client, bridge, kept, &live.network_policies).await?;
    remove_kind(client, bridge, kept, &live.service_accounts).await
}

async fn remove_kind<K: Child>(
    client: &Client,
    bridge: &BridgeRef,
    kept: &Kept,
    live: &[Arc<K>],
) -> Result<(), ApplyError> {
    let kind = K::kind(&()).into_owned();
    for object in live {
        let name = object.name_any();
        if kept.contains(&(kind.clone(), name.clone())) || !is_removable(object.as_ref(), bridge) {
            continue;
        }
        tracing::info!(
            namespace = bridge.namespace,
            bridge = bridge.name,
            kind,
            name,
            "removing"
        );
        let api: Api<K> = Api::namespaced(client.clone(), &bridge.namespace);
        let this_one = DeleteParams {
            preconditions: Some(Preconditions {
                uid: object.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match api.delete(&name, &this_one).await {
            // Gone, or another by now: the cache will say so.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(ApplyError::of_call(&kind, &name, error)),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn is_removable<K: Child>(object: &K, bridge: &BridgeRef) -> bool {
    object.labels().get(UID_LABEL) == Some(&bridge.uid)
        && ownership::of(object.meta(), bridge) == Owner::Ours
        && object.meta().deletion_timestamp.is_none()
}
