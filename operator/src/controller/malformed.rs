//! An object that cannot be read as a bridge: stored under another schema, or past the validation. It neither stops
//! the watch nor goes unseen: its status says so, and what runs for it is left as it is.

use kube::core::error_boundary::InvalidObject;
use messaging_bridge_clients::mask;
use messaging_bridge_crds::{ConditionType, Reason};
use serde_json::{Value, json};

use super::{Context, ReconcileError};
use crate::status::write;

/// Writes the status of an object that has no type.
pub(super) async fn report(
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
        mask::numbers_in(&invalid.error)
    );
    tracing::warn!(namespace, bridge = name, message, "malformed bridge");
    write::patch(
        &context.client,
        &namespace,
        &name,
        &status(generation, &message, context),
    )
    .await?;
    context.reported(version);
    Ok(())
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
