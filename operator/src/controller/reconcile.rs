//! One bridge, through the five phases.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use messaging_bridge_crds::{ConditionType, MessagingBridge, MessagingBridgeStatus, SecretState};
use tokio::time::Instant;

use super::caches::Guarded;
use super::{Context, malformed};
use crate::apply::{self, ApplyError};
use crate::build::{self, BuildError};
use crate::dereference::{self, DereferenceError, Observed};
use crate::status::write::StatusError;
use crate::status::{self, Inputs, due, events};
use crate::validate::{self, Validation};

/// How long one reconcile may take, whatever hangs: the client repeats refused requests for many minutes by itself.
const DEADLINE: Duration = Duration::from_mins(1);
/// How often a relay is asked for its status.
const POLL: Duration = Duration::from_secs(30);
/// How often while something is about to change.
const POLL_CHANGING: Duration = Duration::from_secs(5);

/// Why a reconcile did not come to its end, one variant a phase.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Reading.
    #[error(transparent)]
    Dereference(#[from] DereferenceError),
    /// Building.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Applying, for a reason that passes by itself.
    #[error(transparent)]
    Apply(ApplyError),
    /// Writing the status.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// It took too long.
    #[error("not done within {} s", DEADLINE.as_secs())]
    Deadline,
}

impl ReconcileError {
    /// A word for metrics.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Dereference(_) => "dereference",
            Self::Build(_) => "build",
            Self::Apply(_) => "apply",
            Self::Status(_) => "status",
            Self::Deadline => "deadline",
        }
    }
}

/// Reconciles whatever the watch shows.
pub(super) async fn reconcile(
    object: Arc<Guarded>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let began = Instant::now();
    let work = async {
        match &object.0 {
            Ok(bridge) => one(bridge, &context).await,
            Err(invalid) => {
                malformed::report(&object.object_ref(&()), invalid, &context).await?;
                Ok(Action::await_change())
            }
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, work)
        .await
        .unwrap_or(Err(ReconcileError::Deadline));
    let result = outcome
        .as_ref()
        .map_or_else(ReconcileError::as_str, |_| "ok");
    context.metrics.reconciled(result, began.elapsed());
    if outcome.is_ok() {
        context.backoff.succeeded(&key(object.as_ref()));
    }
    outcome
}

/// What follows a failure: patience, more each time.
#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
pub(super) fn after_failure(
    object: Arc<Guarded>,
    error: &ReconcileError,
    context: Arc<Context>,
) -> Action {
    let bridge = key(object.as_ref());
    let wait = context.backoff.failed(&bridge, context.chance());
    tracing::warn!(
        bridge,
        error = chain(error),
        wait_seconds = wait.as_secs(),
        "will try again"
    );
    Action::requeue(wait)
}

fn key(object: &Guarded) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

/// The error with its causes, in one line.
fn chain(error: &ReconcileError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    messaging_bridge_clients::mask::numbers_in(&text)
}

async fn one(bridge: &MessagingBridge, context: &Context) -> Result<Action, ReconcileError> {
    if bridge.metadata.deletion_timestamp.is_some() {
        // Nothing is built for a bridge that goes, and nothing is taken from the relay that still delivers.
        return Ok(Action::await_change());
    }
    let namespace = bridge.namespace().unwrap_or_default();
    let name = bridge.name_any();
    let uid = bridge.uid().unwrap_or_default();
    let key = format!("{namespace}/{name}");
    context.index().note(&namespace, &name, &bridge.spec);
    let last = context.last_written(&key, &uid);
    let since = last.as_ref().map(|(_, at)| at.elapsed());
    // The cache may still show the status before the last write.
    let before = last
        .map(|(status, _)| status)
        .or_else(|| bridge.status.clone())
        .unwrap_or_default();
    let mut remembering = bridge.clone();
    remembering.status = Some(before.clone());

    let handled = before.last_handled_reconcile_at.as_deref();
    let (mut observed, platforms_due) =
        dereference::observe(&remembering, handled, context).await?;
    let validation = validate::validate(&remembering, &observed, &context.frame);
    let trouble = apply(&mut observed, &validation, context).await?;
    let inputs = Inputs {
        generation: bridge.metadata.generation.unwrap_or_default(),
        observed: &observed,
        validation: &validation,
        trouble: trouble.as_ref(),
    };
    let next = status::compose(&before, &inputs);
    context.metrics.bridge(&key, ready(&next));
    if due::is_due(&before, &next, since) {
        status::write::write(&context.client, &namespace, &name, &next).await?;
        context.wrote(&key, &uid, next.clone());
        tell(bridge, &before, &next, context).await;
    }
    match trouble {
        Some(error) if !error.is_permanent() => Err(ReconcileError::Apply(error)),
        _ => Ok(Action::requeue(platforms_due.min(poll(&next, &validation)))),
    }
}

/// Builds and applies, if there is something to build and nobody forbids it. What the API server refuses is a verdict
/// on the bridge, told by its status.
async fn apply(
    observed: &mut Observed,
    validation: &Validation,
    context: &Context,
) -> Result<Option<ApplyError>, ReconcileError> {
    let Some(bridge) = validation.build.as_ref().filter(|_| !observed.paused) else {
        return Ok(None);
    };
    let objects = build::build(bridge)?;
    match apply::apply(&context.client, objects, &observed.children).await {
        Ok(applied) => {
            observed.workload.stateful_set = Some(Arc::new(applied.stateful_set));
            Ok(None)
        }
        Err(error) => Ok(Some(error)),
    }
}

/// When the relay is asked again: soon while something is about to change, else at leisure.
fn poll(status: &MessagingBridgeStatus, validation: &Validation) -> Duration {
    let installs = validation.build.is_some();
    let waiting = status
        .secrets
        .iter()
        .any(|secret| secret.state == SecretState::Waiting);
    let ready = status
        .condition(ConditionType::RelayAvailable)
        .is_some_and(|condition| condition.status == "True");
    let heard = status
        .condition(ConditionType::Delivering)
        .is_some_and(|condition| condition.status != "Unknown");
    if installs && ready && (waiting || !heard) {
        POLL_CHANGING
    } else {
        POLL
    }
}

fn ready(status: &MessagingBridgeStatus) -> &'static str {
    let ready = status
        .condition(ConditionType::Ready)
        .map(|condition| condition.status.as_str());
    match ready {
        Some("True") => "true",
        Some("False") => "false",
        _ => "unknown",
    }
}

async fn tell(
    bridge: &MessagingBridge,
    before: &MessagingBridgeStatus,
    next: &MessagingBridgeStatus,
    context: &Context,
) {
    let about = bridge.object_ref(&());
    for notice in events::notices(before, next) {
        let kind = if notice.warning {
            EventType::Warning
        } else {
            EventType::Normal
        };
        context
            .publish(&about, kind, &notice.reason, &notice.message)
            .await;
    }
}
