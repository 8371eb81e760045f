//! What a reconcile has read, as data: everything that `validate` and `status` decide from, and nothing that can be
//! asked again.
//!
//! A Secret that is missing, a relay that does not answer or a platform that refuses is a fact in here, not an error.
//! Values of Secrets are in here too, so no type that holds them shows them in its `Debug`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use messaging_bridge_crds::ResolvedIntegration;

use crate::platforms::PlatformFacts;
use crate::relay_status::RelaySeen;
use crate::validate::ParsedSecrets;

/// All that was read for one bridge at one time.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What the Secrets that the bridge names hold.
    pub secrets: ParsedSecrets,
    /// What both platforms said, now or at the last check.
    pub platform: PlatformFacts,
    /// The objects that the operator has made for the bridge.
    pub children: LiveChildren,
    /// How the relay's pod, volume and StatefulSet are.
    pub workload: WorkloadSeen,
    /// What the relay says of itself.
    pub relay: RelaySeen,
    /// The integration that `status` remembers; only if it was resolved for the API host and name that the bridge
    /// has now.
    pub remembered: Option<ResolvedIntegration>,
    /// Whether the bridge carries the annotation that forbids changes.
    pub paused: bool,
    /// The value of the annotation that asks for a check now.
    pub reconcile_at: Option<String>,
    /// When all this was read.
    pub now: Timestamp,
}

/// The Secrets that a bridge names, by role. Several roles may name the same Secret.
#[derive(Debug, Clone)]
pub struct SecretsSeen {
    /// `genesys.credentialsSecretRef`.
    pub genesys: SecretSeen,
    /// `twilio.credentialsSecretRef`.
    pub twilio: SecretSeen,
    /// `genesys.operatorCredentialsSecretRef`; `None` when the bridge names none.
    pub operator: Option<SecretSeen>,
}

/// One Secret as the API server has it.
#[derive(Clone)]
pub enum SecretSeen {
    /// There is none of this name in the bridge's namespace.
    Missing {
        /// The Secret's name.
        name: String,
    },
    /// It exists and could not be read.
    Unreadable {
        /// The Secret's name.
        name: String,
        /// Why, in words for a person; holds no value.
        problem: String,
    },
    /// It was read.
    Keys {
        /// The Secret's name.
        name: String,
        /// Its data, decoded.
        keys: Arc<BTreeMap<String, Vec<u8>>>,
    },
}

impl SecretSeen {
    /// The Secret's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Missing { name } | Self::Unreadable { name, .. } | Self::Keys { name, .. } => {
                name
            }
        }
    }

    /// Its data, if it was read.
    pub fn keys(&self) -> Option<&BTreeMap<String, Vec<u8>>> {
        match self {
            Self::Keys { keys, .. } => Some(keys),
            Self::Missing { .. } | Self::Unreadable { .. } => None,
        }
    }
}

impl fmt::Debug for SecretSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => f.debug_struct("Missing").field("name", name).finish(),
            Self::Unreadable { name, problem } => f
                .debug_struct("Unreadable")
                .field("name", name)
                .field("problem", problem)
                .finish(),
            Self::Keys { name, keys } => f
                .debug_struct("Keys")
                .field("name", name)
                .field("keys", &keys.keys().collect::<Vec<_>>())
                .finish(),
        }
    }
}

/// The objects in the bridge's namespace that carry the operator's `managed-by` label and are the bridge's: by its uid
/// label, or by its name in the annotation `messagingbridge.io/bridge`.
///
/// From a cache: an object that is absent here may exist, made a moment ago, or by somebody else without our labels.
/// Whoever creates one asks first.
#[derive(Debug, Clone, Default)]
pub struct LiveChildren {
    /// Configurations of the relay.
    pub config_maps: Vec<Arc<ConfigMap>>,
    /// The workload; more than one after a change of names.
    pub stateful_sets: Vec<Arc<StatefulSet>>,
    /// The public and the admin Service.
    pub services: Vec<Arc<Service>>,
    /// The relay's identity, which has no rights.
    pub service_accounts: Vec<Arc<ServiceAccount>>,
    /// Who may reach the relay, and whom it may reach.
    pub network_policies: Vec<Arc<NetworkPolicy>>,
    /// Volumes' claims; never removed by the operator. They carry no uid, so one may stem from a deleted bridge of
    /// the same name.
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
    /// The relay's pods, those that end included.
    pub pods: Vec<Arc<Pod>>,
}

/// How the workload is, for the condition `RelayAvailable`.
#[derive(Debug, Clone, Default)]
pub struct WorkloadSeen {
    /// The bridge's StatefulSet, if there is one.
    pub stateful_set: Option<Arc<StatefulSet>>,
    /// Its pods, newest last.
    pub pods: Vec<Arc<Pod>>,
    /// Its claims.
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
    /// Recent warnings about StatefulSet, pods and claims, newest last; read only while the relay is not ready.
    pub warnings: Vec<Warning>,
}

/// A warning Event about an object of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The kind of the object that it is about: `StatefulSet`, `Pod` or `PersistentVolumeClaim`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// For example `FailedCreate`, `FailedScheduling`, `FailedMount`, `ProvisioningFailed`.
    pub reason: String,
    /// What the cluster says, at most 1 KiB.
    pub message: String,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_its_keys_and_never_its_values() {
        let seen = SecretSeen::Keys {
            name: "twilio".to_owned(),
            keys: Arc::new(BTreeMap::from([(
                "authToken".to_owned(),
                b"hush-hush".to_vec(),
            )])),
        };
        let shown = format!("{seen:?}");
        assert!(shown.contains("authToken"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
        assert!(!shown.contains("104"), "{shown}");
    }
}
