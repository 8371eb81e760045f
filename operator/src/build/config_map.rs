//! The relay's configuration, and the further root certificates that it is to trust.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{BuildError, metadata};
use crate::names::RelayNames;
use crate::validate::ValidatedBridge;

/// The key of the configuration.
pub(super) const CONFIG_KEY: &str = "relay.yaml";
/// The key of the root certificates.
pub(super) const CA_KEY: &str = "ca.pem";

pub(super) fn build(bridge: &ValidatedBridge, names: &RelayNames) -> Result<ConfigMap, BuildError> {
    let config = serde_saphyr::to_string(&bridge.config)
        .map_err(|error| BuildError::Config(error.to_string()))?;
    let mut data = BTreeMap::from([(CONFIG_KEY.to_owned(), config)]);
    if let Some(roots) = &bridge.relay.ca_bundle {
        data.insert(CA_KEY.to_owned(), roots.clone());
    }
    Ok(ConfigMap {
        metadata: metadata::object(names.relay(), &bridge.bridge, names),
        data: Some(data),
        ..ConfigMap::default()
    })
}
