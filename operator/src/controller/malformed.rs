//! An object that cannot be read as a bridge: stored under another schema, or past the validation. It neither stops
//! the watch nor goes unseen: its status names the field, or an Event where the API server takes no status for it; what
//! runs for it is left as it is.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use kube::core::DynamicObject;
use kube::core::error_boundary::InvalidObject;
use kube::discovery::ApiResource;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use messaging_bridge_clients::mask;
use messaging_bridge_crds::{ConditionType, MessagingBridge, Reason};
use serde_json::{Value, json};

use super::reconcile::SOON;
use super::{Context, ReconcileError};
use crate::status::write;
use crate::validate::BridgeRef;

/// Writes the status of an object that has no type, or an Event about it.
pub(super) async fn report(
    about: &ObjectReference,
    invalid: &InvalidObject,
    context: &Context,
) -> Result<Action, ReconcileError> {
    let of = BridgeRef {
        namespace: invalid.metadata.namespace.clone().unwrap_or_default(),
        name: invalid.metadata.name.clone().unwrap_or_default(),
        uid: invalid.metadata.uid.clone().unwrap_or_default(),
    };
    let (namespace, name) = (&of.namespace, &of.name);
    let generation = invalid.metadata.generation.unwrap_or_default();
    context
        .metrics
        .bridge(&format!("{namespace}/{name}"), "false");
    let version = format!("{namespace}/{name}@{} {generation}", of.uid);
    if context.is_reported(&version) {
        return Ok(Action::await_change());
    }
    // The watch says what is wrong without the field, and shows no status: the object is looked at once more.
    let Some(object) = object(&of, context).await else {
        return Ok(Action::requeue(SOON));
    };
    let message = format!(
        "the object cannot be read as a MessagingBridge: {}; correct it, as kubectl explain messagingbridge.spec has it",
        mask::numbers_in(&unreadable(&object).unwrap_or_else(|| invalid.error.clone()))
    );
    tracing::warn!(namespace, bridge = name, message, "malformed bridge");
    let stored = &object["status"];
    let status = status(stored, generation, &message, context.now());
    if status != *stored {
        let read = object["metadata"]["resourceVersion"].as_str();
        match write::patch(&context.client, &of, read.unwrap_or_default(), &status).await {
            Err(error) if error.is_refusal() => {
                let reason = Reason::Invalid.as_str();
                context
                    .publish(about, EventType::Warning, reason, &message)
                    .await;
            }
            outcome => {
                if outcome?.is_none() {
                    return Ok(Action::requeue(SOON));
                }
            }
        }
    }
    context.reported(version);
    Ok(Action::await_change())
}

/// The object as it is stored, if it is and the API server answers.
async fn object(bridge: &BridgeRef, context: &Context) -> Option<Value> {
    let kind = ApiResource::erase::<MessagingBridge>(&());
    let client = context.client.clone();
    let api: Api<DynamicObject> = Api::namespaced_with(client, &bridge.namespace, &kind);
    let object = api.get_opt(&bridge.name).await.ok().flatten()?;
    serde_json::to_value(object).ok()
}

/// Why the object is no bridge, with the path of the field.
fn unreadable(object: &Value) -> Option<String> {
    let read: Result<MessagingBridge, _> = serde_path_to_error::deserialize(object);
    read.err().map(|error| error.to_string())
}

/// The status that is stored, with the conditions of such an object. All else stays as it is: the integration's id, for
/// one, is needed again when the object can be read again.
fn status(stored: &Value, generation: i64, message: &str, now: Timestamp) -> Value {
    let waits = "waits for a bridge that can be read";
    let conditions: Vec<Value> = ConditionType::ALL
        .into_iter()
        .map(|kind| {
            let (status, reason, message) = match kind {
                ConditionType::Accepted | ConditionType::Ready => {
                    ("False", Reason::Invalid, message)
                }
                ConditionType::Stalled => ("True", Reason::Invalid, message),
                _ => ("Unknown", Reason::Pending, waits),
            };
            json!({
                "type": kind.as_str(), "status": status, "reason": reason.as_str(), "message": message,
                "observedGeneration": generation, "lastTransitionTime": since(stored, kind, status, now),
            })
        })
        .collect();
    let mut next = stored.as_object().cloned().unwrap_or_default();
    next.insert("observedGeneration".to_owned(), json!(generation));
    next.insert("conditions".to_owned(), json!(conditions));
    Value::Object(next)
}

/// Since when a condition has this status.
fn since(stored: &Value, kind: ConditionType, status: &str, now: Timestamp) -> Value {
    let mut known = stored["conditions"].as_array().into_iter().flatten();
    known
        .find(|known| known["type"] == kind.as_str() && known["status"] == status)
        .and_then(|known| known.get("lastTransitionTime").cloned())
        .unwrap_or_else(|| json!(now))
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

    #[test]
    fn a_status_keeps_what_it_says_besides_and_is_the_same_the_next_time() {
        let (earlier, now) = ("2026-01-02T03:00:00Z", "2026-01-02T03:04:05Z");
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": earlier});
        let stored = json!({
            "observedGeneration": 1, "backlog": 3, "integration": {"id": "id-1"},
            "conditions": [condition("Accepted", "True"), condition("Ready", "False")],
        });
        let first = status(&stored, 2, "no number", now.parse().unwrap());
        assert_eq!(first["integration"], stored["integration"]);
        assert_eq!(
            (&first["backlog"], &first["observedGeneration"]),
            (&json!(3), &json!(2))
        );
        let since = |kind: &str| {
            let mut conditions = first["conditions"].as_array().unwrap().iter();
            let found = conditions.find(|condition| condition["type"] == kind);
            found.unwrap()["lastTransitionTime"].clone()
        };
        assert_eq!(
            (since("Accepted"), since("Ready")),
            (json!(now), json!(earlier))
        );
        let later = "2026-01-02T05:00:00Z".parse().unwrap();
        assert_eq!(status(&first, 2, "no number", later), first);
    }
}
