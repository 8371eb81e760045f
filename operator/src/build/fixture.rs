//! A bridge for the tests, whose name is not the product's, so that swapped labels fail.

use std::sync::Arc;

use messaging_bridge_crds::{RelayConfig, check_manifest};

use crate::settings::OperatorSettings;
use crate::validate::{BridgeRef, EmbeddedVolume, QueueKind, ValidatedBridge};

const SETTINGS: &str = "{version: 1, relay: {image: 'registry.example/relay:1', logFormat: json}}";

/// Every setting that shapes a relay.
const FULL: &str = "
version: 1
relay:
  image: registry.example/relay@sha256:0a1b
  imagePullPolicy: IfNotPresent
  imagePullSecrets: [registry]
  resources: {requests: {cpu: 20m}, limits: {memory: 256Mi}}
  nodeSelector: {kubernetes.io/arch: amd64}
  tolerations: [{key: dedicated, operator: Equal, value: messaging, effect: NoSchedule}]
  priorityClassName: high
  podLabels: {team: texts}
  podAnnotations: {example.com/scrape: 'true'}
  httpsProxy: http://proxy.example.com:3128
  noProxy: .cluster.local
  caBundle: EXAMPLE_ROOT
  logFormat: text
  otlpEndpoint: http://collector.observability:4318
  networkPolicy:
    extraEgress: [{to: [{ipBlock: {cidr: 10.1.2.3/32}}], ports: [{port: 3128}]}]
    monitoringNamespaces: [monitoring]
platforms: {genesysBaseUrl: 'http://sandbox:8081', twilioBaseUrl: 'http://sandbox:8082'}
";

/// The settings with a root certificate that can be read.
pub(crate) fn with_root(settings: &str) -> String {
    let root = include_str!("example-root.pem");
    settings.replace("EXAMPLE_ROOT", &format!("{root:?}"))
}

pub(crate) fn settings() -> OperatorSettings {
    OperatorSettings::parse(SETTINGS).expect("the fixture's settings are valid")
}

pub(crate) fn validated() -> ValidatedBridge {
    let manifest = include_str!("../../../crds/examples/minimal.yaml");
    let bridge = check_manifest(manifest).expect("the examples are valid");
    let mut config = RelayConfig::from_bridge(&bridge, "default").expect("the region is known");
    config.genesys.integration_id = Some("7f9d6a52".to_owned());
    ValidatedBridge {
        bridge: BridgeRef {
            namespace: "tenant-acme".to_owned(),
            name: "acme".to_owned(),
            uid: "u-1".to_owned(),
        },
        config,
        queue: QueueKind::Embedded(EmbeddedVolume {
            size: "1Gi".to_owned(),
            storage_class: None,
        }),
        relay: Arc::new(settings().relay),
        operator_namespace: "messaging-bridge".to_owned(),
        genesys_base_url: None,
        twilio_base_url: None,
    }
}

pub(crate) fn with_every_setting() -> ValidatedBridge {
    let settings =
        OperatorSettings::parse(&with_root(FULL)).expect("the fixture's settings are valid");
    ValidatedBridge {
        relay: Arc::new(settings.relay),
        genesys_base_url: settings.platforms.genesys_base_url,
        twilio_base_url: settings.platforms.twilio_base_url,
        queue: QueueKind::Embedded(EmbeddedVolume {
            size: "2Gi".to_owned(),
            storage_class: Some("fast".to_owned()),
        }),
        ..validated()
    }
}
