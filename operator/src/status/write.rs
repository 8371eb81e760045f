//! The only writer of a bridge's status.

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource as _};
use messaging_bridge_crds::{MessagingBridge, MessagingBridgeStatus};
use serde_json::{Value, json};

/// Apart from the field manager of the relay's objects: `kubectl get -o yaml --show-managed-fields` tells them apart.
const MANAGER: &str = "messaging-bridge-operator-status";

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
#[error("the status was not written: {0}")]
pub struct StatusError(#[source] kube::Error);

impl StatusError {
    /// Whether the API server takes no status for this object from anybody: one of its fields has another type than
    /// the definition says.
    pub fn is_refusal(&self) -> bool {
        let Self(kube::Error::Api(answer)) = self else {
            return false;
        };
        answer.code == 422 || answer.code == 500 && answer.message.contains(NO_TYPE)
    }
}

/// What an apply is answered about such an object.
const NO_TYPE: &str = "failed to create typed live object";

/// Writes the status. A bridge that is gone meanwhile needs none.
pub async fn write(
    client: &Client,
    namespace: &str,
    name: &str,
    status: &MessagingBridgeStatus,
) -> Result<(), StatusError> {
    let status = serde_json::to_value(status).unwrap_or_default();
    patch(client, namespace, name, &status).await
}

/// Writes a status that has no type, for an object that has none.
pub async fn patch(
    client: &Client,
    namespace: &str,
    name: &str,
    status: &Value,
) -> Result<(), StatusError> {
    // Untyped: what cannot be read as a bridge still has a status to be written.
    let kind = kube::discovery::ApiResource::erase::<MessagingBridge>(&());
    let api: Api<kube::core::DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &kind);
    let body = json!({
        "apiVersion": MessagingBridge::api_version(&()),
        "kind": MessagingBridge::kind(&()),
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER).force();
    match api
        .patch_status(name, &parameters, &Patch::Apply(&body))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
        Err(error) => Err(StatusError(error)),
    }
}
