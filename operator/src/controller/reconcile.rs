//! One bridge, through the five phases.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use messaging_bridge_crds::{ConditionType, MessagingBridge, MessagingBridgeStatus, SecretState};
use tokio::time::Instant;

use super::attempt::Attempt;
use super::caches::Guarded;
use super::memory::Before;
use super::{Context, malformed};
use crate::apply::{self, ApplyError};
use crate::build::{self, BuildError};
use crate::dereference::{self, Ask, DereferenceError, Observed};
use crate::error_chain::in_one_line;
use crate::status::write::StatusError;
use crate::status::{self, Inputs, due, events};
use crate::validate::{self, BridgeRef, Validation};

/// How long one reconcile may take, whatever hangs: the client repeats refused requests for many minutes by itself.
const DEADLINE: Duration = Duration::from_mins(1);
/// How often a relay is asked for its status.
const POLL: Duration = Duration::from_secs(30);
/// When a bridge is looked at again that changed while it was.
pub(super) const SOON: Duration = Duration::from_secs(1);
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
    Apply(Arc<ApplyError>),
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

/// How a reconcile came to its end.
struct Done {
    action: Action,
    /// A word for metrics.
    result: &'static str,
}

impl Done {
    fn with(action: Action) -> Self {
        Self {
            action,
            result: "ok",
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
                let action = malformed::report(&object.object_ref(&()), invalid, &context).await?;
                Ok(Done::with(action))
            }
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, work)
        .await
        .unwrap_or(Err(ReconcileError::Deadline));
    let result = outcome
        .as_ref()
        .map_or_else(ReconcileError::as_str, |done| done.result);
    context.metrics.reconciled(result, began.elapsed());
    if outcome.is_ok() {
        context.backoff.succeeded(&key(object.as_ref()));
    }
    outcome.map(|done| done.action)
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
        error = in_one_line(error),
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

async fn one(bridge: &MessagingBridge, context: &Context) -> Result<Done, ReconcileError> {
    if bridge.metadata.deletion_timestamp.is_some() {
        // Nothing is built for a bridge that goes, and nothing is taken from the relay that still delivers.
        return Ok(Done::with(Action::await_change()));
    }
    let of = BridgeRef {
        namespace: bridge.namespace().unwrap_or_default(),
        name: bridge.name_any(),
        uid: bridge.uid().unwrap_or_default(),
    };
    context.index().note(&of.namespace, &of.name, &bridge.spec);
    let before = context.memory.before(&key_of(&of), bridge);
    if before.status.conditions.is_empty() {
        // All conditions are there from the first moment on: a platform may take its time.
        pass(bridge, &of, Ask::Nobody, context).await?;
    }
    pass(bridge, &of, Ask::WhatIsDue, context).await
}

/// Once through the five phases.
async fn pass(
    bridge: &MessagingBridge,
    of: &BridgeRef,
    ask: Ask,
    context: &Context,
) -> Result<Done, ReconcileError> {
    let key = key_of(of);
    let Before {
        status: before,
        version,
        since,
    } = context.memory.before(&key, bridge);
    let mut remembering = bridge.clone();
    remembering.status = Some(before.clone());
    let handled = before.last_handled_reconcile_at.as_deref();
    let (mut observed, platforms_due) =
        dereference::observe(&remembering, handled, ask, context).await?;
    let validation = validate::validate(&remembering, &observed, &context.frame);
    let trouble = apply(bridge, &mut observed, &validation, context).await?;
    let inputs = Inputs {
        generation: bridge.metadata.generation.unwrap_or_default(),
        observed: &observed,
        validation: &validation,
        trouble: trouble.as_deref(),
    };
    let next = status::compose(&before, &inputs);
    context.metrics.bridge(&key, ready(&next));
    if due::is_due(&before, &next, since) {
        let written = status::write::write(&context.client, of, &version, &next).await?;
        let Some(stored) = written else {
            // The bridge has changed since it was read, or is gone, and then it is not looked at again.
            return Ok(Done::with(Action::requeue(SOON)));
        };
        context.memory.wrote(&key, bridge, next.clone(), stored);
        tell(bridge, &before, &next, context).await;
    }
    let refused = match trouble {
        Some(error) if !error.is_permanent() => return Err(ReconcileError::Apply(error)),
        refused => refused.is_some(),
    };
    Ok(Done {
        action: Action::requeue(platforms_due.min(poll(&next, &validation))),
        result: if refused { "refused" } else { "ok" },
    })
}

fn key_of(bridge: &BridgeRef) -> String {
    format!("{}/{}", bridge.namespace, bridge.name)
}

/// Builds and applies, if there is something to build and nobody forbids it. What the API server refuses is a verdict
/// on the bridge, told by its status; it is not tried again before something changes that it depends on.
async fn apply(
    bridge: &MessagingBridge,
    observed: &mut Observed,
    validation: &Validation,
    context: &Context,
) -> Result<Option<Arc<ApplyError>>, ReconcileError> {
    let Some(validated) = validation.build.as_ref().filter(|_| !observed.paused) else {
        return Ok(None);
    };
    let key = key_of(&validated.bridge);
    let objects = build::build(validated)?;
    let (checked, asked) = (observed.platform.checked, observed.reconcile_at.as_deref());
    let attempt = Attempt::of(&objects, &observed.children, checked, asked);
    if let Some(error) = context.memory.refusal(&key, bridge, &attempt) {
        return Ok(Some(error));
    }
    let (client, rewritten) = (&context.client, &context.rewritten);
    match apply::apply(client, objects, &observed.children, rewritten).await {
        Ok(applied) => {
            context.memory.attempted(&key, bridge, None);
            observed.workload.stateful_set = Some(Arc::new(applied.stateful_set));
            Ok(None)
        }
        Err(error) => {
            let error = Arc::new(error);
            let refused = error.is_permanent().then(|| (attempt, Arc::clone(&error)));
            context.memory.attempted(&key, bridge, refused);
            Ok(Some(error))
        }
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
