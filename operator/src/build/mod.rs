//! The third phase: everything that a bridge owns, from a [`ValidatedBridge`] alone. Pure: the same bridge gives the
//! same objects, byte for byte.
//!
//! It knows neither the resource nor what exists in the cluster. One module an object.

mod config_map;
mod metadata;
mod network_policy;
mod pod;
mod service;
mod service_account;
mod stateful_set;

use std::marker::PhantomData;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;

use crate::names::RelayNames;
use crate::validate::{BridgeRef, ValidatedBridge};

/// The port of the relay that takes webhooks.
pub const PUBLIC_PORT: i32 = 8080;
/// The port of the relay's admin address.
pub const ADMIN_PORT: i32 = 9090;

/// Stage of [`Objects`]: as they should be.
#[derive(Clone, Debug)]
pub struct Built;

/// Stage of [`Objects`]: as the API server has them after the apply.
#[derive(Clone, Debug)]
pub struct Applied;

/// Everything that a bridge owns.
///
/// `apply` takes it apart field by field: an object that is built and not applied does not compile.
#[derive(Clone, Debug)]
pub struct Objects<Stage> {
    /// Whose they are.
    pub bridge: BridgeRef,
    /// The relay's identity, without rights.
    pub service_account: ServiceAccount,
    /// The relay's configuration.
    pub config_map: ConfigMap,
    /// Where webhooks come in.
    pub public_service: Service,
    /// Where metrics and status are read.
    pub admin_service: Service,
    /// Who may reach the relay, and whom it may reach; `None` where the chart switches it off.
    pub network_policy: Option<NetworkPolicy>,
    /// The relay.
    pub stateful_set: StatefulSet,
    stage: PhantomData<Stage>,
}

/// What [`Objects`] consists of, to be taken apart.
pub(crate) struct Parts {
    pub(crate) bridge: BridgeRef,
    pub(crate) service_account: ServiceAccount,
    pub(crate) config_map: ConfigMap,
    pub(crate) public_service: Service,
    pub(crate) admin_service: Service,
    pub(crate) network_policy: Option<NetworkPolicy>,
    pub(crate) stateful_set: StatefulSet,
}

impl Objects<Built> {
    /// Takes it apart.
    pub(crate) fn into_parts(self) -> Parts {
        let Self {
            bridge,
            service_account,
            config_map,
            public_service,
            admin_service,
            network_policy,
            stateful_set,
            stage: PhantomData,
        } = self;
        Parts {
            bridge,
            service_account,
            config_map,
            public_service,
            admin_service,
            network_policy,
            stateful_set,
        }
    }
}

impl Objects<Applied> {
    /// As applied; only `apply` calls it, with what the API server answered.
    pub(crate) fn applied(
        bridge: BridgeRef,
        service_account: ServiceAccount,
        config_map: ConfigMap,
        [public_service, admin_service]: [Service; 2],
        network_policy: Option<NetworkPolicy>,
        stateful_set: StatefulSet,
    ) -> Self {
        Self {
            bridge,
            service_account,
            config_map,
            public_service,
            admin_service,
            network_policy,
            stateful_set,
            stage: PhantomData,
        }
    }
}

/// Why a bridge could not be built: never the user's fault.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration has no YAML form.
    #[error("the relay's configuration cannot be written: {0}")]
    Config(String),
    /// An object has no JSON form.
    #[error("an object cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Builds everything.
pub fn build(bridge: &ValidatedBridge) -> Result<Objects<Built>, BuildError> {
    let names = RelayNames::of(&bridge.bridge.name);
    let config_map = config_map::build(bridge, &names)?;
    let stateful_set = stateful_set::build(bridge, &names, &config_map);
    let network_policy = bridge
        .relay
        .network_policy
        .enabled
        .then(|| network_policy::build(bridge, &names))
        .map(metadata::hashed)
        .transpose()?;
    Ok(Objects {
        bridge: bridge.bridge.clone(),
        service_account: metadata::hashed(service_account::build(bridge, &names))?,
        config_map: metadata::hashed(config_map)?,
        public_service: metadata::hashed(service::public(bridge, &names))?,
        admin_service: metadata::hashed(service::admin(bridge, &names))?,
        network_policy,
        stateful_set: metadata::hashed(stateful_set)?,
        stage: PhantomData,
    })
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
