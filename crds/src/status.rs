//! What the operator says about a bridge: `status` of the `MessagingBridge`.
//!
//! Times, never ages, so that status changes only when the world does. No secret, no message, no customer's number.

#![expect(
    unreachable_pub,
    reason = "the schema derive repeats each struct, `pub` included, inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::ConditionType;

/// What `status.observedGeneration` says before the operator has seen the bridge.
const NOT_OBSERVED: i64 = -1;

/// How the bridge is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MessagingBridgeStatus {
    /// The generation of the spec that this status is about; -1 before the operator has seen the bridge.
    #[serde(default = "not_observed")]
    pub observed_generation: i64,

    /// Accepted, CredentialsValid, IntegrationResolved, WebhooksConfigured, RelayAvailable, Ready, Delivering and
    /// Stalled. What is not known yet is Unknown and says what it waits for.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The integration that the bridge delivers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ResolvedIntegration")]
    pub integration: Option<ResolvedIntegration>,

    /// The addresses to be called by the platforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StatusWebhooks")]
    pub webhooks: Option<StatusWebhooks>,

    /// Which Secrets the relay has loaded: after a change, wait for Loaded before the platform is switched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub secrets: Vec<SecretStatus>,

    /// Messages that wait, both ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub backlog: Option<i64>,

    /// When the oldest waiting message arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub oldest_pending_time: Option<Time>,

    /// Messages that could not be delivered and are kept: see `messaging-bridge-relay dead-letters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub dead_letters: Option<i64>,

    /// When Twilio last called the relay with a valid signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub last_twilio_webhook_time: Option<Time>,

    /// When Genesys Cloud last called the relay with a valid signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub last_genesys_webhook_time: Option<Time>,

    /// The value of the annotation messagingbridge.io/reconcile-at that was last acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// An integration found by its name.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedIntegration {
    /// Its id.
    #[schemars(length(max = 128))]
    pub id: String,
    /// The name that it was found by.
    #[schemars(length(max = 256))]
    pub name: String,
    /// The API host of the org that it was found in.
    #[schemars(length(max = 253))]
    pub api_host: String,
}

/// The addresses to be set at both platforms.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StatusWebhooks {
    /// For "A message comes in" of the number, or of its Messaging Service, by POST. What follows the # asks Twilio for
    /// retries.
    #[schemars(length(max = 640))]
    pub twilio: String,
    /// For the integration's outbound notification webhook URL.
    #[schemars(length(max = 640))]
    pub genesys: String,
}

/// Whether the relay works with what a Secret holds now.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// The Secret's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Loaded: it does. Waiting: not yet, or the relay cannot be asked; a changed Secret reaches the relay in a minute
    /// or two. Unusable: it goes on with the last good values.
    pub state: SecretState,
}

/// How far a Secret's values have come.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(inline)]
pub enum SecretState {
    /// The relay works with them.
    Loaded,
    /// The relay does not work with them yet.
    Waiting,
    /// They cannot be used.
    Unusable,
}

fn not_observed() -> i64 {
    NOT_OBSERVED
}

impl Default for MessagingBridgeStatus {
    fn default() -> Self {
        Self {
            observed_generation: NOT_OBSERVED,
            conditions: Vec::new(),
            integration: None,
            webhooks: None,
            secrets: Vec::new(),
            backlog: None,
            oldest_pending_time: None,
            dead_letters: None,
            last_twilio_webhook_time: None,
            last_genesys_webhook_time: None,
            last_handled_reconcile_at: None,
        }
    }
}

impl MessagingBridgeStatus {
    /// The condition of this type, if the status has it.
    pub fn condition(&self, wanted: ConditionType) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == wanted.as_str())
    }
}
