//! One object: compared, and applied only where it differs.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ownership::{self, Owner};
use super::{ApplyError, diff, workload};
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
}

impl<'a> Writer<'a> {
    pub(super) fn new(client: &'a Client, bridge: &'a BridgeRef) -> Self {
        Self { client, bridge }
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
            && diff::is_current(&built, live.as_ref())
        {
            return Ok(live.as_ref().clone());
        }
        let kind = K::kind(&()).into_owned();
        let live = self
            .api::<K>()
            .get_opt(&name)
            .await
            .map_err(|error| ApplyError::of_call(&kind, &name, error))?;
        let is_there = live.is_some();
        if let Some(live) = live {
            match ownership::of(live.meta(), self.bridge) {
                Owner::Ours if live.meta().deletion_timestamp.is_some() => {
                    return Err(ApplyError::Leaving { kind, name });
                }
                Owner::Ours if diff::is_current(&built, &live) => return Ok(live),
                Owner::Ours => {}
                Owner::Predecessor => return Err(ApplyError::Leaving { kind, name }),
                Owner::Foreign => return Err(ApplyError::NameTaken { kind, name }),
            }
        }
        let written = match self.write(&built).await {
            Err(error) if is_there && clashes(&error) => self.overwrite(&built).await,
            outcome => outcome,
        };
        written.map_err(|error| ApplyError::of_call(&kind, &name, error))
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

    /// Puts our lists in the place of the live ones. A port whose number was changed by hand is somebody else's to an
    /// apply, which adds ours beside it; both have one name, and the API server refuses that.
    async fn overwrite<K: Child>(&self, built: &K) -> Result<K, kube::Error> {
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.api::<K>()
            .patch(&built.name_any(), &parameters, &Patch::Merge(built))
            .await
    }

    /// What an apply would be answered, without one.
    pub(super) async fn try_out<K: Child>(&self, built: &K) -> Result<K, kube::Error> {
        let parameters = PatchParams::apply(MANAGER).force().dry_run();
        self.api::<K>()
            .patch(&built.name_any(), &parameters, &Patch::Apply(built))
            .await
    }
}

/// Whether the object would not be valid together with what others have set in it.
fn clashes(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422 && !workload::is_immutable(&status.message))
}
