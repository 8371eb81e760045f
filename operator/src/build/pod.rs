//! The relay's pod: as little as it can be given (restricted Pod Security, no token, read-only root).
//!
//! Secrets are mounted as directories with only the named keys, so that kubelet swaps a changed Secret into the
//! running pod; a hash of the configuration on the template rolls the pod when that changes, and nothing else does.

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, EnvVar,
    HTTPGetAction, KeyToPath, Lifecycle, LifecycleHandler, LocalObjectReference,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, SeccompProfile,
    SecretProjection, SecurityContext, SleepAction, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use messaging_bridge_clients::secrets::{GENESYS_KEYS, TWILIO_KEYS, TWILIO_OPTIONAL_KEYS};

use super::config_map::{CA_KEY, CONFIG_KEY};
use super::{ADMIN_PORT, PUBLIC_PORT, metadata};
use crate::names::{CONFIG_ANNOTATION, RelayNames, VOLUME};
use crate::validate::ValidatedBridge;

/// The container's name, for `kubectl exec` and `kubectl logs`.
pub(crate) const CONTAINER: &str = "relay";
/// The user of the image.
const USER: i64 = 65532;
/// Longer than what the relay needs to end: 5 s for the endpoints, then its sends in flight.
const GRACE_SECONDS: i64 = 30;
/// Endpoints are gone when the relay hears of its end.
const SLEEP_SECONDS: i64 = 5;
const CONFIG_DIRECTORY: &str = "/etc/messaging-bridge";
const SECRETS_DIRECTORY: &str = "/var/run/secrets/messaging-bridge";
const DATA_DIRECTORY: &str = "/var/lib/messaging-bridge";

pub(super) fn template(
    bridge: &ValidatedBridge,
    names: &RelayNames,
    config_map: &ConfigMap,
) -> PodTemplateSpec {
    let relay = &bridge.relay;
    let mut labels = relay.pod_labels.clone();
    labels.extend(names.stable_labels());
    let mut annotations = relay.pod_annotations.clone();
    annotations.extend(names.bridge_annotation());
    annotations.insert(CONFIG_ANNOTATION.to_owned(), config_hash(config_map));
    let pull_secrets = relay.image_pull_secrets.iter();
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(names.relay().to_owned()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            security_context: Some(pod_security()),
            image_pull_secrets: filled(
                pull_secrets
                    .map(|name| LocalObjectReference { name: name.clone() })
                    .collect(),
            ),
            node_selector: (!relay.node_selector.is_empty()).then(|| relay.node_selector.clone()),
            tolerations: filled(relay.tolerations.clone()),
            priority_class_name: relay.priority_class_name.clone(),
            containers: vec![container(bridge)],
            volumes: Some(volumes(bridge, names)),
            ..PodSpec::default()
        }),
    }
}

fn config_hash(config_map: &ConfigMap) -> String {
    let data = config_map.data.iter().flatten();
    let text: String = data
        .flat_map(|(key, text)| [key, "\n", text, "\n"])
        .collect();
    metadata::hash(&text)
}

fn container(bridge: &ValidatedBridge) -> Container {
    Container {
        name: CONTAINER.to_owned(),
        image: Some(bridge.relay.image.clone()),
        image_pull_policy: bridge.relay.image_pull_policy.clone(),
        args: Some(arguments(bridge)),
        env: filled(environment(bridge)),
        ports: Some(vec![port("http", PUBLIC_PORT), port("admin", ADMIN_PORT)]),
        resources: Some(bridge.relay.container_resources()),
        // A relay that checks its queue after a crash may take its time; then it is looked at closely.
        startup_probe: Some(probe("/readyz", 1, 120)),
        readiness_probe: Some(probe("/readyz", 5, 2)),
        liveness_probe: Some(probe("/healthz", 10, 6)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction {
                    seconds: SLEEP_SECONDS,
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        security_context: Some(container_security()),
        // The last lines of a relay that could not start end up in the bridge's status.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(
            vec![
                mount("config", CONFIG_DIRECTORY, true),
                mount(
                    "genesys",
                    &format!("{SECRETS_DIRECTORY}/{}", bridge.config.genesys.credentials),
                    true,
                ),
                mount(
                    "twilio",
                    &format!("{SECRETS_DIRECTORY}/{}", bridge.config.twilio.credentials),
                    true,
                ),
                mount(VOLUME, DATA_DIRECTORY, false),
            ]
            .into_iter()
            .filter(|mount| !(mount.name == "twilio" && is_one_secret(bridge)))
            .collect(),
        ),
        ..Container::default()
    }
}

/// Both sides' keys may lie in one Secret; it is mounted once then.
fn is_one_secret(bridge: &ValidatedBridge) -> bool {
    bridge.config.genesys.credentials == bridge.config.twilio.credentials
}

fn arguments(bridge: &ValidatedBridge) -> Vec<String> {
    let mut arguments = vec![
        "run".to_owned(),
        format!("--config={CONFIG_DIRECTORY}/{CONFIG_KEY}"),
        format!("--secrets={SECRETS_DIRECTORY}"),
        format!("--data-dir={DATA_DIRECTORY}"),
        format!("--listen=0.0.0.0:{PUBLIC_PORT}"),
        format!("--admin-listen=0.0.0.0:{ADMIN_PORT}"),
        format!(
            "--log-format={}",
            bridge.relay.log_format.as_deref().unwrap_or("json")
        ),
    ];
    let replaced = [
        ("genesys", &bridge.genesys_base_url),
        ("twilio", &bridge.twilio_base_url),
    ];
    for (platform, url) in replaced {
        arguments.extend(url.iter().map(|url| format!("--{platform}-base-url={url}")));
    }
    arguments
}

fn environment(bridge: &ValidatedBridge) -> Vec<EnvVar> {
    let roots = bridge
        .relay
        .ca_bundle
        .as_ref()
        .map(|_| format!("{CONFIG_DIRECTORY}/{CA_KEY}"));
    [
        ("HTTPS_PROXY", bridge.relay.https_proxy.clone()),
        ("NO_PROXY", bridge.relay.no_proxy.clone()),
        ("SSL_CERT_FILE", roots),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            bridge.relay.otlp_endpoint.clone(),
        ),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        Some(EnvVar {
            name: name.to_owned(),
            value: Some(value?),
            ..EnvVar::default()
        })
    })
    .collect()
}

fn volumes(bridge: &ValidatedBridge, names: &RelayNames) -> Vec<Volume> {
    let genesys = &bridge.config.genesys.credentials;
    let twilio = &bridge.config.twilio.credentials;
    let mut sources = vec![keys(genesys, &GENESYS_KEYS, false)];
    let twilio_sources = vec![
        keys(twilio, &required_twilio_keys(), false),
        // An API key may be added to the Secret later, and reaches the pod without a restart.
        keys(twilio, &TWILIO_OPTIONAL_KEYS, true),
    ];
    let config = Volume {
        name: "config".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: names.relay().to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    if is_one_secret(bridge) {
        sources.extend(twilio_sources);
        return vec![config, projected("genesys", sources)];
    }
    vec![
        config,
        projected("genesys", sources),
        projected("twilio", twilio_sources),
    ]
}

fn required_twilio_keys() -> Vec<&'static str> {
    TWILIO_KEYS
        .into_iter()
        .filter(|key| !TWILIO_OPTIONAL_KEYS.contains(key))
        .collect()
}

fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The named keys of a Secret. A required key that is missing keeps a new pod from starting, and leaves a running one
/// its last values.
fn keys(secret: &str, keys: &[&str], optional: bool) -> VolumeProjection {
    let items = keys.iter().map(|&key| KeyToPath {
        key: key.to_owned(),
        path: key.to_owned(),
        ..KeyToPath::default()
    });
    VolumeProjection {
        secret: Some(SecretProjection {
            name: secret.to_owned(),
            items: Some(items.collect()),
            optional: optional.then_some(true),
        }),
        ..VolumeProjection::default()
    }
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

fn probe(path: &str, every_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(every_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn port(name: &str, port: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// A list where there is something in it: an empty one is no field.
fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
