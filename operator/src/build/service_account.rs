//! The relay's identity: no rights, and no token mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata;
use crate::names::RelayNames;
use crate::validate::ValidatedBridge;

pub(super) fn build(bridge: &ValidatedBridge, names: &RelayNames) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata::object(names.relay(), &bridge.bridge, names),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
