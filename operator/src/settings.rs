//! What the chart tells the operator: the shape of every relay, and how often the platforms are asked.
//!
//! A versioned YAML file, read once at the start. Reading is strict: an unknown field is an error that names it, also
//! inside the parts that are Kubernetes' own types, and what the API server would refuse for every bridge is refused
//! here once.

mod check;
pub(crate) mod quantity;
mod strict;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::api::networking::v1::NetworkPolicyEgressRule;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;
use url::Url;

/// The version of the file that this release reads.
pub const SETTINGS_VERSION: u32 = 1;

/// What a relay requests and may use where the chart says nothing else. No CPU limit: it would delay the answers to
/// webhooks.
const USUAL_REQUESTS: [(&str, &str); 2] = [("cpu", "10m"), ("memory", "32Mi")];
const USUAL_LIMITS: [(&str, &str); 1] = [("memory", "128Mi")];

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorSettings {
    /// The version of the file's format: 1.
    pub version: u32,
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
    #[serde(default, deserialize_with = "strict::filled")]
    pub image_pull_policy: Option<String>,
    /// Names of Secrets in the bridge's namespace.
    #[serde(default)]
    pub image_pull_secrets: Vec<String>,
    /// Requests and limits of the container, as far as the chart sets them; see [`RelaySettings::container_resources`].
    #[serde(default, deserialize_with = "strict::resources")]
    pub resources: ResourceRequirements,
    /// Labels that a node must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pod stands.
    #[serde(default, deserialize_with = "strict::tolerations")]
    pub tolerations: Vec<Toleration>,
    /// The pod's priority class.
    #[serde(default, deserialize_with = "strict::filled")]
    pub priority_class_name: Option<String>,
    /// More labels of the pod.
    #[serde(default)]
    pub pod_labels: BTreeMap<String, String>,
    /// More annotations of the pod.
    #[serde(default)]
    pub pod_annotations: BTreeMap<String, String>,
    /// The proxy through which both platforms are reached.
    #[serde(default, deserialize_with = "strict::filled")]
    pub https_proxy: Option<String>,
    /// Hosts that are reached without it.
    #[serde(default, deserialize_with = "strict::filled")]
    pub no_proxy: Option<String>,
    /// Further root certificates, PEM.
    #[serde(default, deserialize_with = "strict::filled")]
    pub ca_bundle: Option<String>,
    /// `json` or `text`.
    #[serde(default, deserialize_with = "strict::filled")]
    pub log_format: Option<String>,
    /// The collector of the relays' traces: OTLP over HTTP.
    #[serde(default, deserialize_with = "strict::filled")]
    pub otlp_endpoint: Option<String>,
    /// The volume of a bridge that names none.
    #[serde(default)]
    pub storage: StorageSettings,
    /// The NetworkPolicy of each relay.
    #[serde(default)]
    pub network_policy: NetworkPolicySettings,
}

impl RelaySettings {
    /// What the container requests and may use: what the chart sets, and for the rest a relay's usual need.
    pub fn container_resources(&self) -> ResourceRequirements {
        let with = |given: &Option<BTreeMap<String, Quantity>>, usual: &[(&str, &str)]| {
            let mut all: BTreeMap<String, Quantity> = usual
                .iter()
                .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())))
                .collect();
            all.extend(given.clone().unwrap_or_default());
            Some(all)
        };
        ResourceRequirements {
            requests: with(&self.resources.requests, &USUAL_REQUESTS),
            limits: with(&self.resources.limits, &USUAL_LIMITS),
            claims: None,
        }
    }
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
    #[serde(default, deserialize_with = "strict::egress")]
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
        let malformed = |error: serde_saphyr::Error| {
            // The snippet would quote the file.
            SettingsError::Malformed(error.without_snippet().to_string())
        };
        let head: Head = serde_saphyr::from_str(text).map_err(malformed)?;
        check::version(head.version)?;
        let settings: Self = serde_saphyr::from_str(text).map_err(malformed)?;
        check::all(&settings)?;
        Ok(settings)
    }
}

/// The only part of the file that is read before its version is known.
#[derive(Deserialize)]
struct Head {
    version: Option<u64>,
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
    #[case::no_version("{relay: {image: r}}", "version is missing")]
    #[case::another_version("{version: 2, relays: {}}", "version is 2")]
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
    #[case::a_slip_inside_a_toleration(
        "{version: 1, relay: {image: r, tolerations: [{key: a}, {efect: NoSchedule}]}}",
        "relay.tolerations has an unknown field [1].efect"
    )]
    #[case::a_slip_inside_a_rule(
        "{version: 1, relay: {image: r, networkPolicy: {extraEgress: [{to: [{ipblock: {cidr: 10.0.0.0/8}}]}]}}}",
        "relay.networkPolicy.extraEgress has an unknown field [0].to[0].ipblock"
    )]
    #[case::a_slip_inside_resources(
        "{version: 1, relay: {image: r, resources: {limit: {memory: 1Gi}}}}",
        "relay.resources has an unknown field limit"
    )]
    fn what_cannot_work_is_named(#[case] text: &str, #[case] says: &str) {
        let error = OperatorSettings::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn an_empty_value_is_as_good_as_none() {
        let settings = OperatorSettings::parse(
            "{version: 1, relay: {image: r, priorityClassName: '', httpsProxy: '', caBundle: '', logFormat: ''}}",
        )
        .unwrap();
        assert_eq!(settings.relay.priority_class_name, None);
        assert_eq!(settings.relay.https_proxy, None);
        assert_eq!(settings.relay.ca_bundle, None);
        assert_eq!(settings.relay.log_format, None);
    }

    #[test]
    fn an_amount_may_be_written_as_a_number() {
        let settings = OperatorSettings::parse(
            "{version: 1, relay: {image: r, resources: {requests: {cpu: 1}}}}",
        )
        .unwrap();
        let resources = settings.relay.container_resources();
        assert_eq!(resources.requests.unwrap()["cpu"], Quantity("1".to_owned()));
    }

    #[test]
    fn what_the_chart_does_not_set_is_a_relays_usual_need() {
        let settings = OperatorSettings::parse(
            "{version: 1, relay: {image: r, resources: {limits: {memory: 256Mi}}}}",
        )
        .unwrap();
        let resources = serde_json::to_value(settings.relay.container_resources()).unwrap();
        assert_eq!(
            resources,
            serde_json::json!({
                "requests": {"cpu": "10m", "memory": "32Mi"},
                "limits": {"memory": "256Mi"},
            })
        );
    }
}
