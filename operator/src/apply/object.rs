//! One object: compared, and applied only where it differs.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::ownership::{self, Owner};
use super::{ApplyError, Rewritten, diff};
use crate::names::MANAGER;
use crate::validate::BridgeRef;

/// A namespaced kind that the operator makes.
pub(super) trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Child for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Applies one bridge's objects.
pub(super) struct Writer<'a> {
    client: &'a Client,
    bridge: &'a BridgeRef,
    rewritten: &'a Rewritten,
}

impl<'a> Writer<'a> {
    pub(super) fn new(client: &'a Client, bridge: &'a BridgeRef, rewritten: &'a Rewritten) -> Self {
        Self {
            client,
            bridge,
            rewritten,
        }
    }

    pub(super) fn api<K: Child>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.bridge.namespace)
    }

    /// Applies the object where it differs from the live one.
    ///
    /// The cache is asked first. It may lag behind our own writes, and it does not hold what others made: a difference
    /// found there is looked at once more in the API server itself, so that nothing is written twice, and nothing that
    /// stands there as somebody else's is overwritten.
    pub(super) async fn apply<K: Child>(
        &self,
        built: K,
        cache: &[Arc<K>],
    ) -> Result<K, ApplyError> {
        let name = built.name_any();
        if let Some(live) = cache.iter().find(|live| live.name_any() == name)
            && ownership::of(live.meta(), self.bridge) == Owner::Ours
            && live.meta().deletion_timestamp.is_none()
            && self.is_settled(&built, live.as_ref())
        {
            return Ok(live.as_ref().clone());
        }
        let kind = K::kind(&()).into_owned();
        let live = self
            .api::<K>()
            .get_opt(&name)
            .await
            .map_err(|error| ApplyError::of_call(&kind, &name, error))?;
        let uid = live.as_ref().and_then(ResourceExt::uid);
        if let Some(live) = live {
            match ownership::of(live.meta(), self.bridge) {
                Owner::Ours if live.meta().deletion_timestamp.is_some() => {
                    return Err(ApplyError::Leaving { kind, name });
                }
                Owner::Ours if self.is_settled(&built, &live) => return Ok(live),
                Owner::Ours => {}
                Owner::Predecessor => return Err(ApplyError::Leaving { kind, name }),
                Owner::Foreign => return Err(ApplyError::NameTaken { kind, name }),
            }
        }
        let written = match (self.write(&built).await, uid) {
            (Err(error), Some(uid)) if is_clash_of_ports(&error) => {
                self.overwrite_ports(&built, &uid).await
            }
            (outcome, _) => outcome,
        };
        let written = written.map_err(|error| ApplyError::of_call(&kind, &name, error))?;
        self.rewritten.note(self.bridge, &built, &written);
        Ok(written)
    }

    /// Whether nothing is to be written: the live object says what was built, or what admission made of it.
    fn is_settled<K: Child>(&self, built: &K, live: &K) -> bool {
        diff::is_current(built, live) || self.rewritten.holds(self.bridge, built, live)
    }

    /// Server-side apply. Forced: a field of ours that somebody else has set is ours again.
    pub(super) async fn write<K: Child>(&self, built: &K) -> Result<K, kube::Error> {
        let name = built.name_any();
        tracing::info!(
            namespace = self.bridge.namespace,
            bridge = self.bridge.name,
            kind = %K::kind(&()),
            name,
            "applying"
        );
        let parameters = PatchParams::apply(MANAGER).force();
        self.api::<K>()
            .patch(&name, &parameters, &Patch::Apply(built))
            .await
    }

    /// Puts our ports in the place of the live ones, of this very object, and applies the rest. A port whose number was
    /// changed by hand is somebody else's to an apply, which adds ours beside it; both have one name, and the API server
    /// refuses that. The ports are ours twice from then on, by an update and by the apply; no other field is.
    async fn overwrite_ports<K: Child>(&self, built: &K, uid: &str) -> Result<K, kube::Error> {
        let ports = serde_json::to_value(built)
            .ok()
            .and_then(|built| built.pointer("/spec/ports").cloned());
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        // Another object of this name has another uid: the API server refuses to change that.
        let patch = json!({"metadata": {"uid": uid}, "spec": {"ports": ports}});
        self.api::<K>()
            .patch(&built.name_any(), &parameters, &Patch::Merge(patch))
            .await?;
        self.write(built).await
    }

    /// What an apply would be answered, without one.
    pub(super) async fn try_out<K: Child>(&self, built: &K) -> Result<K, kube::Error> {
        let parameters = PatchParams::apply(MANAGER).force().dry_run();
        self.api::<K>()
            .patch(&built.name_any(), &parameters, &Patch::Apply(built))
            .await
    }
}

/// Whether a Service's ports are not valid together with those that others have set.
fn is_clash_of_ports(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.code == 422 && status.message.contains("spec.ports[") && status.message.contains("Duplicate value"))
}
