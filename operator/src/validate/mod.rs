//! The second phase: what follows from what was read. Pure.
//!
//! It gives one verdict for each condition that bridge, Secrets and platforms decide, and says what may be built.
//! *Never worse than before*: when a later check fails (a platform down, credentials refused, Secret or integration
//! gone), the relay that runs is built as always; only the integration's id is then the one that status remembers, and
//! only if it was resolved for the same organisation and name.

mod platform;
mod secrets;
mod target;
pub mod validated;
mod verdict;

use std::sync::Arc;

use kube::ResourceExt as _;
use messaging_bridge_clients::webhooks::WebhookUrls;
use messaging_bridge_crds::{MessagingBridge, QueueLimits, Reason, ResolvedIntegration};

pub use self::secrets::{Parsed, ParsedSecrets};
pub use self::target::{Target, target};
pub use self::validated::{BridgeRef, EmbeddedVolume, QueueKind, ValidatedBridge};
pub use self::verdict::Verdict;
use crate::dereference::Observed;
use crate::platforms::Answer;
use crate::settings::{OperatorSettings, RelaySettings};

/// What is the same for all bridges.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The chart's settings.
    pub settings: OperatorSettings,
    /// Every relay's, shared.
    pub relay: Arc<RelaySettings>,
    /// Where the operator runs.
    pub operator_namespace: String,
}

impl Frame {
    /// Of these settings.
    pub fn new(settings: OperatorSettings, operator_namespace: String) -> Self {
        let relay = Arc::new(settings.relay.clone());
        Self {
            settings,
            relay,
            operator_namespace,
        }
    }
}

/// What follows from what was read.
#[derive(Clone, Debug)]
pub struct Validation {
    /// `Accepted`, as far as the resource alone decides it.
    pub accepted: Verdict,
    /// `CredentialsValid`.
    pub credentials: Verdict,
    /// `IntegrationResolved`.
    pub integration: Verdict,
    /// `WebhooksConfigured`.
    pub webhooks: Verdict,
    /// The integration that the relay delivers to.
    pub resolved: Option<ResolvedIntegration>,
    /// What the platforms are to call.
    pub urls: Option<WebhookUrls>,
    /// What is to be built; nothing while the integration was never resolved.
    pub build: Option<ValidatedBridge>,
}

/// Decides.
pub fn validate(bridge: &MessagingBridge, observed: &Observed, frame: &Frame) -> Validation {
    let target = match target(bridge, &frame.settings.platforms) {
        Ok(target) => target,
        Err(problem) => return invalid(problem),
    };
    let facts = &observed.platform;
    let resolved = match facts.integration.believed() {
        Some(Answer::Said(Ok(found))) => Some(ResolvedIntegration {
            id: found.id.as_str().to_owned(),
            name: bridge.spec.genesys.integration_name.clone(),
            api_host: target.config.genesys.api_host.clone(),
        }),
        _ => observed.remembered.clone(),
    };
    let accepted = if observed.paused {
        Verdict::new(
            Reason::Paused,
            "nothing is changed while the annotation messagingbridge.io/paused is set; remove it to go on",
        )
    } else {
        Verdict::new(Reason::Accepted, "the bridge can be worked with")
    };
    Validation {
        accepted,
        credentials: platform::credentials(&observed.secrets, facts, &target),
        integration: platform::integration(&observed.secrets, facts, &target),
        webhooks: platform::webhooks(&observed.secrets, facts, &target),
        build: resolved
            .as_ref()
            .map(|integration| validated(bridge, &target, integration, frame)),
        resolved,
        urls: Some(target.urls),
    }
}

/// The integration that status remembers, if it was resolved for what the bridge says now.
pub fn remembered(bridge: &MessagingBridge, target: &Target) -> Option<ResolvedIntegration> {
    let known = bridge.status.as_ref()?.integration.clone()?;
    let same = known.name == bridge.spec.genesys.integration_name
        && known.api_host == target.config.genesys.api_host;
    same.then_some(known)
}

fn invalid(problem: String) -> Validation {
    let waits = || Verdict::new(Reason::Pending, "waits for a bridge that can be accepted");
    Validation {
        accepted: Verdict::new(Reason::Invalid, problem),
        credentials: waits(),
        integration: waits(),
        webhooks: waits(),
        resolved: None,
        urls: None,
        build: None,
    }
}

fn validated(
    bridge: &MessagingBridge,
    target: &Target,
    integration: &ResolvedIntegration,
    frame: &Frame,
) -> ValidatedBridge {
    let storage = &frame.relay.storage;
    let embedded = bridge
        .spec
        .queue
        .as_ref()
        .and_then(|queue| queue.embedded.as_ref());
    let volume = EmbeddedVolume {
        size: embedded
            .and_then(|queue| queue.size.clone())
            .unwrap_or_else(|| storage.size.clone()),
        storage_class: embedded
            .and_then(|queue| queue.storage_class_name.clone())
            .or_else(|| storage.storage_class_name.clone()),
    };
    let mut config = target.config.clone();
    config.genesys.integration_id = Some(integration.id.clone());
    config.queue = QueueLimits::for_volume(&volume.size).unwrap_or_default();
    ValidatedBridge {
        bridge: BridgeRef {
            namespace: config.bridge.namespace.clone(),
            name: bridge.name_any(),
            uid: bridge.uid().unwrap_or_default(),
        },
        config,
        queue: QueueKind::Embedded(volume),
        relay: Arc::clone(&frame.relay),
        operator_namespace: frame.operator_namespace.clone(),
        genesys_base_url: frame.settings.platforms.genesys_base_url.clone(),
        twilio_base_url: frame.settings.platforms.twilio_base_url.clone(),
    }
}

#[cfg(test)]
mod tests;
