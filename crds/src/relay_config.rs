//! `RelayConfig`: the file that the operator writes and the relay reads, YAML or JSON.
//!
//! It is a bridge with everything looked up: hosts instead of a region, the integration's id where it is known, and
//! the names of the folders in which the Secrets are mounted. It never holds a secret. Reading is strict: another
//! version is refused by name before the rest is interpreted, and an unknown field is an error, so that a relay never
//! runs on half of what the operator meant.

use std::fmt;

use kube::ResourceExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::mask::masked;
use crate::messaging_bridge::{
    MAX_MESSAGES_PER_SECOND, MAX_REQUESTS_PER_MINUTE, MIN_MESSAGES_PER_SECOND,
    MIN_REQUESTS_PER_MINUTE,
};
use crate::region::{self, RegionError};
use crate::rules::validity;
use crate::{MessagingBridge, OnUnresolved, WireProfile};

/// The version of [`RelayConfig`] that this release writes and reads.
pub const RELAY_CONFIG_VERSION: u32 = 1;

/// How long an agent's message may be sent when the file does not say: 4 hours.
const DEFAULT_VALIDITY_SECONDS: u32 = 4 * 60 * 60;

/// The bytes that the queue may use when the file does not say: 1 GiB.
const DEFAULT_QUEUE_BYTES: u64 = 1 << 30;

/// The least that a queue can work with: room for some of the largest messages of both sides, 1 MiB.
const MIN_QUEUE_BYTES: u64 = 1 << 20;

/// The messages that may wait when the file does not say: as many as have room in the default number of bytes.
const DEFAULT_QUEUE_MESSAGES: u64 = DEFAULT_QUEUE_BYTES / BYTES_OF_A_ROW;

/// The fewest messages that a queue can work with.
const MIN_QUEUE_MESSAGES: u64 = 100;

/// What a waiting message costs on disk beside its text: numbers, keys and indexes, rounded up.
const BYTES_OF_A_ROW: u64 = 1 << 10;

/// Everything one relay needs to know about its bridge, except secrets.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayConfig {
    /// The version of this file's format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,

    /// The bridge that the relay serves.
    pub bridge: BridgeName,

    /// The Genesys Cloud side.
    pub genesys: RelayGenesys,

    /// The Twilio side.
    pub twilio: RelayTwilio,

    /// The HTTPS address at which both platforms reach the relay, as the bridge has it.
    pub public_url: String,

    /// The limits of the queue on disk.
    #[serde(default)]
    pub queue: QueueLimits,
}

/// The bridge that a relay serves, by its name in Kubernetes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BridgeName {
    /// The namespace of the bridge.
    pub namespace: String,

    /// The name of the bridge.
    pub name: String,
}

/// The Genesys Cloud side of a relay's configuration.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayGenesys {
    /// The host of the platform API, without scheme.
    pub api_host: String,

    /// The host that hands out tokens, without scheme.
    pub login_host: String,

    /// The name of the Open Messaging integration.
    pub integration_name: String,

    /// The id of the integration. Without it the relay looks it up by name and keeps it in its data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub integration_id: Option<String>,

    /// The shape of the messages.
    #[serde(default)]
    pub wire_profile: WireProfile,

    /// How many requests a minute the relay may send to Genesys Cloud. Without it: 300, then what the answers state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = MIN_REQUESTS_PER_MINUTE, max = MAX_REQUESTS_PER_MINUTE))]
    pub requests_per_minute: Option<u32>,

    /// Whether a failed message is also told in the conversation, as a marked message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failure_notices: bool,

    /// The Secret's name, which is the folder below `--secrets` that holds its keys.
    pub credentials: String,
}

/// The Twilio side of a relay's configuration.
#[derive(JsonSchema, Serialize, Deserialize, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayTwilio {
    /// The number that customers text, in E.164 form.
    pub number: String,

    /// The Twilio region, if it is not us1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub region: Option<String>,

    /// The Twilio edge through which the API is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub edge: Option<String>,

    /// How many messages a second the relay may hand to Twilio. Without it: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = MIN_MESSAGES_PER_SECOND, max = MAX_MESSAGES_PER_SECOND))]
    pub messages_per_second: Option<u32>,

    /// How many seconds after its arrival an agent's message may be sent: 60 to 36,000. Default: 14,400 (4 hours).
    #[serde(default = "default_validity")]
    #[schemars(range(min = *validity::RANGE.start(), max = *validity::RANGE.end()))]
    pub validity_seconds: u32,

    /// What to do when nobody can say whether a message was sent.
    #[serde(default)]
    pub on_unresolved: OnUnresolved,

    /// The Secret's name, which is the folder below `--secrets` that holds its keys.
    pub credentials: String,
}

impl fmt::Debug for RelayTwilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayTwilio")
            .field("number", &masked(&self.number))
            .field("region", &self.region)
            .field("edge", &self.edge)
            .field("messages_per_second", &self.messages_per_second)
            .field("validity_seconds", &self.validity_seconds)
            .field("on_unresolved", &self.on_unresolved)
            .field("credentials", &self.credentials)
            .finish()
    }
}

/// The limits of the queue on disk.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueLimits {
    /// The bytes that waiting messages may use; above it new ones are answered 503. Default: 1 GiB.
    #[serde(default = "default_queue_bytes")]
    #[schemars(range(min = MIN_QUEUE_BYTES))]
    pub max_bytes: u64,

    /// The messages that may wait; above it new ones are answered 503. Default: 1048576.
    #[serde(default = "default_queue_messages")]
    #[schemars(range(min = MIN_QUEUE_MESSAGES))]
    pub max_messages: u64,
}

fn default_validity() -> u32 {
    DEFAULT_VALIDITY_SECONDS
}

fn default_queue_bytes() -> u64 {
    DEFAULT_QUEUE_BYTES
}

fn default_queue_messages() -> u64 {
    DEFAULT_QUEUE_MESSAGES
}

impl QueueLimits {
    /// The limits of a queue on a volume of this size, written as in `spec.queue.embedded.size`: three fifths are for
    /// messages, the rest for marks, receipts, keys and the write-ahead log. `None` if it is not such a size.
    pub fn for_volume(size: &str) -> Option<Self> {
        let digits = size.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit: u64 = match &size[digits.len()..] {
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return None,
        };
        let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
        let max_bytes = bytes / 5 * 3;
        Some(Self {
            max_bytes,
            max_messages: max_bytes / BYTES_OF_A_ROW,
        })
    }
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            max_bytes: DEFAULT_QUEUE_BYTES,
            max_messages: DEFAULT_QUEUE_MESSAGES,
        }
    }
}

/// Why a file is not a [`RelayConfig`] that this relay can run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RelayConfigError {
    /// The file says nothing about its version.
    #[error("the relay configuration has no version: write \"version: {RELAY_CONFIG_VERSION}\"")]
    NoVersion,
    /// The file was written for another release.
    #[error(
        "the relay configuration has version {given}, this relay reads version {RELAY_CONFIG_VERSION}: run the relay \
         of the release that wrote the file"
    )]
    OtherVersion {
        /// The version that the file names.
        given: u64,
    },
    /// A number with which the relay could not work.
    #[error("the relay configuration has a {field} outside of its limits: write {limits}")]
    OutOfRange {
        /// The field, for example `queue.maxBytes`.
        field: &'static str,
        /// What may be written.
        limits: String,
    },
    /// Neither YAML nor JSON, a field is unknown, missing or of the wrong type; says where.
    #[error("the relay configuration can not be read: {0}")]
    Unreadable(String),
}

impl From<serde_saphyr::Error> for RelayConfigError {
    fn from(error: serde_saphyr::Error) -> Self {
        // The snippet would quote the file, phone number included.
        Self::Unreadable(error.without_snippet().to_string())
    }
}

/// The only part of the file that is read before its version is known.
#[derive(Deserialize)]
struct Head {
    version: Option<u64>,
}

impl RelayConfig {
    /// Reads a file, YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, RelayConfigError> {
        let head: Head = serde_saphyr::from_str(text)?;
        match head.version {
            None => Err(RelayConfigError::NoVersion),
            Some(given) if given != u64::from(RELAY_CONFIG_VERSION) => {
                Err(RelayConfigError::OtherVersion { given })
            }
            Some(_) => serde_saphyr::from_str::<Self>(text)?.within_limits(),
        }
    }

    fn within_limits(self) -> Result<Self, RelayConfigError> {
        let (genesys, twilio, queue) = (&self.genesys, &self.twilio, &self.queue);
        let limits = [
            (
                "genesys.requestsPerMinute",
                genesys.requests_per_minute.map(u64::from),
                u64::from(MIN_REQUESTS_PER_MINUTE)..=u64::from(MAX_REQUESTS_PER_MINUTE),
            ),
            (
                "twilio.messagesPerSecond",
                twilio.messages_per_second.map(u64::from),
                u64::from(MIN_MESSAGES_PER_SECOND)..=u64::from(MAX_MESSAGES_PER_SECOND),
            ),
            (
                "twilio.validitySeconds",
                Some(u64::from(twilio.validity_seconds)),
                u64::from(*validity::RANGE.start())..=u64::from(*validity::RANGE.end()),
            ),
            (
                "queue.maxBytes",
                Some(queue.max_bytes),
                MIN_QUEUE_BYTES..=u64::MAX,
            ),
            (
                "queue.maxMessages",
                Some(queue.max_messages),
                MIN_QUEUE_MESSAGES..=u64::MAX,
            ),
        ];
        for (field, value, allowed) in limits {
            if value.is_some_and(|value| !allowed.contains(&value)) {
                let (least, most) = allowed.into_inner();
                let limits = if most == u64::MAX {
                    format!("{least} or more")
                } else {
                    format!("{least} to {most}")
                };
                return Err(RelayConfigError::OutOfRange { field, limits });
            }
        }
        Ok(self)
    }

    /// The configuration of a bridge whose integration is not looked up yet.
    ///
    /// `namespace_fallback` names the namespace of a manifest that has none, as `kubectl apply` would.
    pub fn from_bridge(
        bridge: &MessagingBridge,
        namespace_fallback: &str,
    ) -> Result<Self, RegionError> {
        let genesys = &bridge.spec.genesys;
        let twilio = &bridge.spec.twilio;
        let hosts = region::resolve(&genesys.region)?;
        let embedded = bridge
            .spec
            .queue
            .as_ref()
            .and_then(|queue| queue.embedded.as_ref());
        let size = embedded.and_then(|queue| queue.size.as_deref());
        Ok(Self {
            version: RELAY_CONFIG_VERSION,
            bridge: BridgeName {
                namespace: bridge
                    .namespace()
                    .unwrap_or_else(|| namespace_fallback.to_owned()),
                name: bridge.name_any(),
            },
            genesys: RelayGenesys {
                api_host: hosts.api_host,
                login_host: hosts.login_host,
                integration_name: genesys.integration_name.clone(),
                integration_id: None,
                wire_profile: genesys.wire_profile,
                // The schema's minimum is 10: a negative number does not come this far.
                requests_per_minute: genesys
                    .requests_per_minute
                    .and_then(|rate| rate.try_into().ok()),
                failure_notices: genesys.failure_notices.unwrap_or_default(),
                credentials: genesys.credentials_secret_ref.name.clone(),
            },
            twilio: RelayTwilio {
                number: twilio.number.clone(),
                region: twilio.region.clone(),
                edge: twilio.edge.clone(),
                messages_per_second: twilio
                    .messages_per_second
                    .and_then(|rate| rate.try_into().ok()),
                // The schema's rules let only a validity through that is one.
                validity_seconds: twilio
                    .validity
                    .as_deref()
                    .and_then(validity::seconds)
                    .unwrap_or(DEFAULT_VALIDITY_SECONDS),
                on_unresolved: twilio.on_unresolved.unwrap_or_default(),
                credentials: twilio.credentials_secret_ref.name.clone(),
            },
            public_url: bridge.spec.public_url.clone(),
            queue: size.and_then(QueueLimits::for_volume).unwrap_or_default(),
        })
    }
}
