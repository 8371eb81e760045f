//! What the chart tells the operator: the shape of every relay, and how often the platforms are asked.
//!
//! A versioned YAML file, read once at the start. Reading is strict: an unknown field is an error that names it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::api::networking::v1::NetworkPolicyEgressRule;
use messaging_bridge_crds::QueueLimits;
use serde::Deserialize;
use url::Url;

/// The version of the file that this release reads.
pub const SETTINGS_VERSION: u32 = 1;

/// The shortest time between two checks of one bridge, in seconds: below it a thousand bridges would spend the
/// platforms' budgets on being looked at.
const SHORTEST_INTERVAL: u64 = 30;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorSettings {
    version: u32,
    /// Every relay.
    pub relay: RelaySettings,
    /// When the platforms are asked.
    #[serde(default)]
    pub checks: CheckSettings,
    /// Platforms to talk to instead of the real ones.
    #[serde(default)]
    pub platforms: PlatformSettings,
}

/// What every relay has in common.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelaySettings {
    /// The image, with its tag or digest.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    #[serde(default)]
    pub image_pull_policy: Option<String>,
    /// Names of Secrets in the bridge's namespace.
    #[serde(default)]
    pub image_pull_secrets: Vec<String>,
    /// Requests and limits of the container.
    #[serde(default)]
    pub resources: ResourceRequirements,
    /// Labels that a node must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pod stands.
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
    /// The pod's priority class.
    #[serde(default)]
    pub priority_class_name: Option<String>,
    /// More labels of the pod.
    #[serde(default)]
    pub pod_labels: BTreeMap<String, String>,
    /// More annotations of the pod.
    #[serde(default)]
    pub pod_annotations: BTreeMap<String, String>,
    /// The proxy through which both platforms are reached.
    #[serde(default)]
    pub https_proxy: Option<String>,
    /// Hosts that are reached without it.
    #[serde(default)]
    pub no_proxy: Option<String>,
    /// Further root certificates, PEM.
    #[serde(default)]
    pub ca_bundle: Option<String>,
    /// `json` or `text`.
    #[serde(default)]
    pub log_format: Option<String>,
    /// The volume of a bridge that names none.
    #[serde(default)]
    pub storage: StorageSettings,
    /// The NetworkPolicy of each relay.
    #[serde(default)]
    pub network_policy: NetworkPolicySettings,
}

/// The volume of a bridge that names none.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageSettings {
    /// Its size, as in `spec.queue.embedded.size`.
    #[serde(default = "default_size")]
    pub size: String,
    /// Its storage class; without it the cluster's default.
    #[serde(default)]
    pub storage_class_name: Option<String>,
}

fn default_size() -> String {
    "1Gi".to_owned()
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            size: default_size(),
            storage_class_name: None,
        }
    }
}

/// The NetworkPolicy of each relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicySettings {
    /// Whether there is one.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// What a relay may reach besides DNS and public addresses on port 443.
    #[serde(default)]
    pub extra_egress: Vec<NetworkPolicyEgressRule>,
    /// Namespaces that may read the relays' metrics.
    #[serde(default)]
    pub monitoring_namespaces: Vec<String>,
}

fn enabled() -> bool {
    true
}

impl Default for NetworkPolicySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            extra_egress: Vec::new(),
            monitoring_namespaces: Vec::new(),
        }
    }
}

/// When the platforms are asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckSettings {
    /// Seconds between two checks of one bridge, more or less a fifth.
    pub interval_seconds: u64,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            interval_seconds: 600,
        }
    }
}

/// Platforms to talk to instead of the real ones: for tests. Only who installs the operator can set them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlatformSettings {
    /// Instead of Genesys Cloud.
    #[serde(default)]
    pub genesys_base_url: Option<Url>,
    /// Instead of Twilio.
    #[serde(default)]
    pub twilio_base_url: Option<Url>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be opened.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no YAML, or a field is unknown, missing or of the wrong type.
    #[error("the operator's settings: {0}")]
    Malformed(String),
    /// A value that cannot work.
    #[error("the operator's settings: {field} {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What to write.
        problem: String,
    },
}

impl OperatorSettings {
    /// Reads the file.
    pub fn load(path: &std::path::Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings: Self = serde_saphyr::from_str(text)
            .map_err(|error| SettingsError::Malformed(error.without_snippet().to_string()))?;
        settings.checked()
    }

    fn checked(self) -> Result<Self, SettingsError> {
        let invalid = |field, problem: String| Err(SettingsError::Invalid { field, problem });
        if self.version != SETTINGS_VERSION {
            return invalid(
                "version",
                format!(
                    "is {}, this operator reads {SETTINGS_VERSION}",
                    self.version
                ),
            );
        }
        if self.relay.image.trim().is_empty() {
            return invalid("relay.image", "is empty: name the relay's image".to_owned());
        }
        if QueueLimits::for_volume(&self.relay.storage.size).is_none() {
            return invalid(
                "relay.storage.size",
                "must be a whole number of Mi, Gi or Ti, for example 1Gi".to_owned(),
            );
        }
        if self.checks.interval_seconds < SHORTEST_INTERVAL {
            return invalid(
                "checks.intervalSeconds",
                format!("must be {SHORTEST_INTERVAL} or more"),
            );
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use rstest::rstest;

    #[test]
    fn an_image_is_enough() {
        let settings = OperatorSettings::parse("{version: 1, relay: {image: r}}").unwrap();
        assert_eq!(settings.relay.storage.size, "1Gi");
        assert_eq!(settings.checks.interval_seconds, 600);
        assert!(settings.relay.network_policy.enabled);
    }

    #[rstest]
    #[case::another_version("{version: 2, relay: {image: r}}", "version is 2")]
    #[case::no_image("{version: 1, relay: {}}", "image")]
    #[case::an_empty_image("{version: 1, relay: {image: ''}}", "relay.image is empty")]
    #[case::a_slip("{version: 1, relay: {image: r, nodeselector: {}}}", "nodeselector")]
    #[case::a_size(
        "{version: 1, relay: {image: r, storage: {size: 1G}}}",
        "relay.storage.size"
    )]
    #[case::too_often(
        "{version: 1, relay: {image: r}, checks: {intervalSeconds: 5}}",
        "checks.intervalSeconds"
    )]
    #[case::no_url(
        "{version: 1, relay: {image: r}, platforms: {twilioBaseUrl: sandbox}}",
        "relative URL"
    )]
    fn what_cannot_work_is_named(#[case] text: &str, #[case] says: &str) {
        let error = OperatorSettings::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
