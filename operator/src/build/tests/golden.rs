//! Everything that is built, as it is sent: a change of it is seen in a review, and rolls or rewrites objects of every
//! bridge at the next upgrade.

use serde_json::{Value, json};

use super::*;
use crate::settings::OperatorSettings;

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
  caBundle: '-----BEGIN CERTIFICATE-----'
  logFormat: text
  networkPolicy:
    extraEgress: [{to: [{ipBlock: {cidr: 10.1.2.3/32}}], ports: [{port: 3128}]}]
    monitoringNamespaces: [monitoring]
platforms: {genesysBaseUrl: 'http://sandbox:8081', twilioBaseUrl: 'http://sandbox:8082'}
";

fn all(objects: Objects<Built>) -> Value {
    let Parts {
        bridge: _,
        service_account,
        config_map,
        public_service,
        admin_service,
        network_policy,
        stateful_set,
    } = objects.into_parts();
    json!([
        service_account,
        config_map,
        network_policy,
        public_service,
        admin_service,
        stateful_set,
    ])
}

#[test]
fn a_bridge_with_the_charts_defaults() {
    insta::assert_json_snapshot!(all(build(&validated()).unwrap()));
}

#[test]
fn a_bridge_with_every_setting() {
    let settings = OperatorSettings::parse(FULL).unwrap();
    let mut bridge = validated();
    bridge.relay = Arc::new(settings.relay);
    bridge.genesys_base_url = settings.platforms.genesys_base_url;
    bridge.twilio_base_url = settings.platforms.twilio_base_url;
    bridge.queue = crate::validate::QueueKind::Embedded(crate::validate::EmbeddedVolume {
        size: "2Gi".to_owned(),
        storage_class: Some("fast".to_owned()),
    });
    insta::assert_json_snapshot!(all(build(&bridge).unwrap()));
}
