//! The only writer of a bridge's status.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use messaging_bridge_crds::{MessagingBridge, MessagingBridgeStatus};
use serde_json::{Value, json};

use crate::validate::BridgeRef;

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

/// A status as the API server has it after a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The bridge's version since then.
    pub version: String,
    /// With what others have added to it.
    pub status: MessagingBridgeStatus,
}

/// Writes the status of the bridge at this version. `None`: it has changed meanwhile, is gone, or another of its name is
/// there.
pub async fn write(
    client: &Client,
    bridge: &BridgeRef,
    version: &str,
    status: &MessagingBridgeStatus,
) -> Result<Option<Stored>, StatusError> {
    let body = serde_json::to_value(status).unwrap_or_default();
    let Some(answer) = patch(client, bridge, version, &body).await? else {
        return Ok(None);
    };
    let stored = answer.data.get("status").cloned().unwrap_or_default();
    Ok(Some(Stored {
        version: answer.resource_version().unwrap_or_default(),
        status: serde_json::from_value(stored).unwrap_or_else(|_| status.clone()),
    }))
}

/// Writes a status that has no type, for an object that has none; returns the object.
///
/// The version goes with it: what was found out about a bridge is never said of another that was made in its place. (A
/// uid would be ignored: the API server takes nothing but the status from a write of the status.)
pub async fn patch(
    client: &Client,
    bridge: &BridgeRef,
    version: &str,
    status: &Value,
) -> Result<Option<DynamicObject>, StatusError> {
    // Untyped: what cannot be read as a bridge still has a status to be written.
    let kind = kube::discovery::ApiResource::erase::<MessagingBridge>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &bridge.namespace, &kind);
    let body = json!({
        "apiVersion": MessagingBridge::api_version(&()),
        "kind": MessagingBridge::kind(&()),
        "metadata": {"resourceVersion": version},
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER).force();
    match api
        .patch_status(&bridge.name, &parameters, &Patch::Apply(&body))
        .await
    {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(None),
        Err(error) => Err(StatusError(error)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::client::Body;
    use rstest::rstest;

    use super::*;

    /// Writes a status to an API server that answers this; with what it was asked.
    async fn written(code: u16, answer: Value) -> (Result<Option<Stored>, StatusError>, Value) {
        let asked = Arc::new(Mutex::new(Value::Null));
        let seen = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (seen, answer) = (Arc::clone(&seen), answer.clone());
            async move {
                let bytes = request.into_body().collect_bytes().await?;
                *seen.lock().unwrap() = serde_json::from_slice(&bytes).unwrap();
                let answer = Response::builder()
                    .status(code)
                    .body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, kube::Error>(answer.unwrap())
            }
        });
        let bridge = BridgeRef {
            namespace: "tenant".to_owned(),
            name: "acme".to_owned(),
            uid: "u-1".to_owned(),
        };
        let client = Client::new(service, "default");
        let outcome = write(&client, &bridge, "11", &MessagingBridgeStatus::default()).await;
        let asked = asked.lock().unwrap().clone();
        (outcome, asked)
    }

    #[tokio::test]
    async fn a_status_is_for_the_version_that_was_looked_at_and_what_is_stored_is_known() {
        let stored = json!({
            "apiVersion": "messagingbridge.io/v1alpha1", "kind": "MessagingBridge",
            "metadata": {"name": "acme", "resourceVersion": "12"}, "status": {"observedGeneration": 4},
        });
        let (outcome, asked) = written(200, stored).await;
        assert_eq!(asked["metadata"], json!({"resourceVersion": "11"}));
        let stored = outcome.unwrap().unwrap();
        assert_eq!(stored.version, "12");
        assert_eq!(stored.status.observed_generation, 4);
    }

    #[rstest]
    #[case::gone(404)]
    #[case::changed_or_another_of_its_name(409)]
    #[tokio::test]
    async fn a_bridge_that_is_not_what_it_was_gets_no_status(#[case] code: u16) {
        let answer = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "no", "code": code});
        assert_eq!(written(code, answer).await.0.unwrap(), None);
    }
}
