//! The StatefulSet: applied, and made anew where the API server allows no change.
//!
//! *Never worse than before*: before the one that runs is deleted, the API server is asked whether it would take the new
//! one; a StatefulSet that is refused by a policy leaves the old one as it is.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Preconditions, PropagationPolicy};

use super::ApplyError;
use super::object::Writer;

const KIND: &str = "StatefulSet";
/// How long a deletion without dependents takes at most: it is one write.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// The words of an admission webhook that cannot be asked beforehand.
const NO_TRIAL: &str = "does not support dry run";

/// Applies the StatefulSet. Where a field cannot be changed (the claim's size in its template, the selector), it is
/// deleted alone and made anew: its pod runs on as an orphan with its volume, and is taken up again by its labels.
pub(super) async fn apply(
    writer: &Writer<'_>,
    built: StatefulSet,
    cache: &[Arc<StatefulSet>],
) -> Result<StatefulSet, ApplyError> {
    match writer.apply(built.clone(), cache).await {
        Err(ApplyError::Refused { message, .. }) if is_immutable(&message) => {
            recreate(writer, &built).await
        }
        outcome => outcome,
    }
}

/// The words of `ValidateStatefulSetUpdate` and of the immutable fields' common check.
pub(super) fn is_immutable(message: &str) -> bool {
    message.contains("updates to statefulset spec for fields other than")
        || message.contains("field is immutable")
}

/// Asks whether the API server would take it, under a name that nothing has: quotas, policies and webhooks included.
async fn try_out(writer: &Writer<'_>, built: &StatefulSet) -> Result<(), ApplyError> {
    let name = built.name_any();
    let mut trial = built.clone();
    let trial_name = format!("{name}-trial");
    trial.metadata.name = Some(trial_name.clone());
    match writer.try_out(&trial).await {
        Err(kube::Error::Api(status)) if status.message.contains(NO_TRIAL) => Ok(()),
        Err(error) => Err(match ApplyError::of_call(KIND, &name, error) {
            ApplyError::Refused {
                kind,
                name,
                message,
            } => ApplyError::Refused {
                message: message.replace(&trial_name, &name),
                kind,
                name,
            },
            other => other,
        }),
        Ok(_) => Ok(()),
    }
}

async fn recreate(writer: &Writer<'_>, built: &StatefulSet) -> Result<StatefulSet, ApplyError> {
    let name = built.name_any();
    let failed = |error| ApplyError::of_call(KIND, &name, error);
    try_out(writer, built).await?;
    let api = writer.api::<StatefulSet>();
    if let Some(live) = api.get_opt(&name).await.map_err(failed)? {
        tracing::info!(name, "making the StatefulSet anew; pod and volume stay");
        let only_this = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Orphan),
            preconditions: Some(Preconditions {
                uid: live.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        api.delete(&name, &only_this).await.map_err(failed)?;
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while api.get_opt(&name).await.map_err(failed)?.is_some() {
        if tokio::time::Instant::now() > deadline {
            return Err(ApplyError::Leaving {
                kind: KIND.to_owned(),
                name,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
    writer.write(built).await.map_err(failed)
}
