//! An object that cannot be read as a bridge: stored under another schema, or past the validation. It neither stops
//! the watch nor goes unseen: its status names the field, or an Event where the API server takes no status for it; what
//! runs for it is left as it is.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use kube::core::DynamicObject;
use kube::core::error_boundary::InvalidObject;
use kube::discovery::ApiResource;
use kube::runtime::events::EventType;
use messaging_bridge_clients::mask;
use messaging_bridge_crds::{ConditionType, MessagingBridge, Reason};
use serde_json::{Value, json};

use super::{Context, ReconcileError};
use crate::status::write;

/// Writes the status of an object that has no type, or an Event about it.
pub(super) async fn report(
    about: &ObjectReference,
    invalid: &InvalidObject,
    context: &Context,
) -> Result<(), ReconcileError> {
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let generation = invalid.metadata.generation.unwrap_or_default();
    let version = format!("{namespace}/{name}@{generation}");
    if context.is_reported(&version) {
        return Ok(());
    }
    let message = format!(
        "the object cannot be read as a MessagingBridge: {}; correct it, as kubectl explain messagingbridge.spec has it",
        mask::numbers_in(&problem(invalid, &namespace, &name, context).await)
    );
    tracing::warn!(namespace, bridge = name, message, "malformed bridge");
    let status = status(generation, &message, context);
    match write::patch(&context.client, &namespace, &name, &status).await {
        Err(error) if error.is_refusal() => {
            let reason = Reason::Invalid.as_str();
            context
                .publish(about, EventType::Warning, reason, &message)
                .await;
        }
        outcome => outcome?,
    }
    context.reported(version);
    Ok(())
}

/// What is wrong, with the field. The watch says it without, so that the object is looked at once more.
async fn problem(
    invalid: &InvalidObject,
    namespace: &str,
    name: &str,
    context: &Context,
) -> String {
    let kind = ApiResource::erase::<MessagingBridge>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind);
    let object = api.get_opt(name).await.ok().flatten();
    let object = object.and_then(|object| serde_json::to_value(object).ok());
    object
        .as_ref()
        .and_then(unreadable)
        .unwrap_or_else(|| invalid.error.clone())
}

/// Why the object is no bridge, with the path of the field.
fn unreadable(object: &Value) -> Option<String> {
    let read: Result<MessagingBridge, _> = serde_path_to_error::deserialize(object);
    read.err().map(|error| error.to_string())
}

fn status(generation: i64, message: &str, context: &Context) -> Value {
    let condition = |kind: ConditionType, status: &str, reason: Reason, message: &str| {
        json!({
            "type": kind.as_str(), "status": status, "reason": reason.as_str(), "message": message,
            "observedGeneration": generation, "lastTransitionTime": context.now(),
        })
    };
    let waits = "waits for a bridge that can be read";
    let conditions: Vec<Value> = ConditionType::ALL
        .into_iter()
        .map(|kind| match kind {
            ConditionType::Accepted | ConditionType::Ready => {
                condition(kind, "False", Reason::Invalid, message)
            }
            ConditionType::Stalled => condition(kind, "True", Reason::Invalid, message),
            other => condition(other, "Unknown", Reason::Pending, waits),
        })
        .collect();
    json!({"observedGeneration": generation, "conditions": conditions})
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use rstest::rstest;

    const BRIDGE: &str = include_str!("../../../crds/examples/minimal.yaml");

    #[rstest]
    #[case::of_another_type("/spec/twilio/number", json!(42), "spec.twilio.number: invalid type: integer `42`")]
    #[case::missing("/spec/genesys", json!({"region": "usw2"}), "spec.genesys: missing field `integrationName`")]
    #[case::unknown_word("/spec/genesys/wireProfile", json!("Old"), "spec.genesys.wireProfile: unknown variant `Old`")]
    fn the_field_that_cannot_be_read_is_named(
        #[case] pointer: &str,
        #[case] value: Value,
        #[case] says: &str,
    ) {
        let mut object: Value = serde_saphyr::from_str(BRIDGE).unwrap();
        assert_eq!(unreadable(&object), None);
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[field] = value;
        let problem = unreadable(&object).unwrap();
        assert!(problem.starts_with(says), "{problem}");
    }
}
