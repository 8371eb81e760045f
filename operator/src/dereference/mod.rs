//! The first phase: every read that a reconcile needs, gathered into [`Observed`].
//!
//! Objects come from caches; Secrets are read when their version changed; the platforms are asked when it is due; the
//! relay is asked for its status. What is missing or refuses is a fact, not an error: only an API server that does not
//! answer ends this phase.

mod observed;
mod secrets;
mod workload;

use std::time::Duration;

use kube::ResourceExt as _;
use messaging_bridge_crds::MessagingBridge;

pub use observed::{LiveChildren, Observed, SecretSeen, SecretsSeen, Warning, WorkloadSeen};
pub(crate) use secrets::SecretReader;

use crate::controller::Context;
use crate::names::{PAUSED_ANNOTATION, RECONCILE_ANNOTATION};
use crate::platforms::{FactsRequest, PlatformFacts};
use crate::relay_status::RelaySeen;
use crate::validate::{self, ParsedSecrets, Target};

/// How long the platforms need not be asked where there is nothing to ask with.
const NOTHING_TO_ASK: Duration = Duration::from_mins(10);
/// The longest value of the annotation that is echoed.
const LONGEST_ECHO: usize = 256;

/// Why the reads could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DereferenceError {
    /// The API server did not answer.
    #[error("{what} could not be read: {source}")]
    Api {
        /// What was read.
        what: &'static str,
        /// The client's error.
        source: Box<kube::Error>,
    },
}

/// Whom a reconcile asks outside of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Nobody: nothing is known of the platforms.
    Nobody,
    /// The platforms, if it is due.
    WhatIsDue,
}

/// Reads everything; with the time until the platforms are due again.
pub(crate) async fn observe(
    bridge: &MessagingBridge,
    handled: Option<&str>,
    ask: Ask,
    context: &Context,
) -> Result<(Observed, Duration), DereferenceError> {
    let namespace = bridge.namespace().unwrap_or_default();
    let name = bridge.name_any();
    let salt = format!("{namespace}/{name}");
    let seen = context
        .secrets
        .read(&namespace, &bridge.spec, &context.caches)
        .await?;
    let secrets = ParsedSecrets::of(&seen, &namespace, &salt);
    let reconcile_at: Option<String> = bridge
        .annotations()
        .get(RECONCILE_ANNOTATION)
        .map(|value| value.chars().take(LONGEST_ECHO).collect());
    let target = validate::target(bridge, &context.frame.settings.platforms).ok();
    let (platform, wait) = match &target {
        Some(_) if ask == Ask::Nobody => (PlatformFacts::deferred(), Duration::ZERO),
        Some(target) => {
            let force = reconcile_at
                .clone()
                .filter(|token| Some(token.as_str()) != handled);
            let request = request(bridge, target, &secrets, salt, force);
            context.platforms.facts(&request, context.now()).await
        }
        None => (PlatformFacts::default(), NOTHING_TO_ASK),
    };
    let children = workload::children(bridge, &context.caches);
    let workload = workload::seen(&children, &namespace, context).await;
    let relay = if workload::is_running(&workload) {
        context.relays.read(&namespace, &name).await
    } else {
        RelaySeen::NotAsked
    };
    let observed = Observed {
        // What was asked for is handled when it was looked at.
        reconcile_at: if platform.deferred {
            handled.map(str::to_owned)
        } else {
            reconcile_at
        },
        remembered: target
            .as_ref()
            .and_then(|target| validate::remembered(bridge, target)),
        paused: bridge
            .annotations()
            .get(PAUSED_ANNOTATION)
            .is_some_and(|value| value != "false"),
        now: context.now(),
        secrets,
        platform,
        children,
        workload,
        relay,
    };
    Ok((observed, wait))
}

fn request(
    bridge: &MessagingBridge,
    target: &Target,
    secrets: &ParsedSecrets,
    salt: String,
    force: Option<String>,
) -> FactsRequest {
    FactsRequest {
        bridge: salt,
        version: version(bridge),
        force,
        hosts: target.genesys.clone(),
        profile: target.profile,
        integration_name: bridge.spec.genesys.integration_name.clone(),
        relay_clients: secrets.relay_clients().map(<[_]>::to_vec),
        lookup_clients: secrets.lookup_clients().map(<[_]>::to_vec),
        twilio: secrets.twilio.content.as_ref().ok().cloned(),
        twilio_api: target.twilio.clone(),
        number: bridge.spec.twilio.number.clone(),
        messaging_service: target.messaging_service.clone(),
    }
}

/// Changes when the spec does. What the Secrets hold is part of the questions themselves: a label on a Secret asks
/// nobody anything.
fn version(bridge: &MessagingBridge) -> String {
    let generation = bridge.metadata.generation.unwrap_or_default();
    format!("{} {generation}", bridge.uid().unwrap_or_default())
}
