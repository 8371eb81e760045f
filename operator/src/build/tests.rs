#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod restricted;

use std::sync::Arc;

use kube::ResourceExt as _;
use rstest::rstest;
use serde_json::{Value, json};

use super::fixture::{settings, validated};
use super::*;
use crate::names::{CONFIG_ANNOTATION, HASH_ANNOTATION};

fn pod(objects: &Objects<Built>) -> Value {
    serde_json::to_value(&objects.stateful_set.spec.as_ref().unwrap().template).unwrap()
}

#[test]
fn the_same_bridge_gives_the_same_objects() {
    let twice = [validated(), validated()].map(|bridge| build(&bridge).unwrap());
    let hashes = twice.map(|objects| objects.stateful_set.annotations()[HASH_ANNOTATION].clone());
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn every_object_has_its_owner_and_what_it_is_found_by() {
    let objects = build(&validated()).unwrap();
    let metadata = [
        &objects.config_map.metadata,
        &objects.service_account.metadata,
        &objects.public_service.metadata,
        &objects.admin_service.metadata,
        &objects.network_policy.as_ref().unwrap().metadata,
        &objects.stateful_set.metadata,
    ];
    for metadata in metadata {
        let labels = metadata.labels.as_ref().unwrap();
        assert_eq!(labels["messagingbridge.io/uid"], "u-1");
        assert_eq!(labels["app.kubernetes.io/instance"], "acme");
        assert_eq!(
            labels["app.kubernetes.io/managed-by"],
            "messaging-bridge-operator"
        );
        assert!(
            metadata
                .annotations
                .as_ref()
                .unwrap()
                .contains_key(HASH_ANNOTATION)
        );
        let owner = &metadata.owner_references.as_ref().unwrap()[0];
        assert_eq!(
            (owner.kind.as_str(), owner.uid.as_str()),
            ("MessagingBridge", "u-1")
        );
        assert_eq!(owner.block_owner_deletion, Some(true));
        assert_eq!(metadata.namespace.as_deref(), Some("tenant-acme"));
    }
}

#[test]
fn what_outlives_the_bridge_carries_no_uid() {
    let objects = build(&validated()).unwrap();
    let spec = objects.stateful_set.spec.unwrap();
    for lasting in [
        serde_json::to_string(&spec.selector).unwrap(),
        serde_json::to_string(&spec.volume_claim_templates).unwrap(),
    ] {
        assert!(!lasting.contains("u-1"), "{lasting}");
    }
    let claim = &spec.volume_claim_templates.unwrap()[0];
    assert_eq!(claim.annotations()["messagingbridge.io/bridge"], "acme");
}

#[test]
fn the_pod_is_restricted() {
    let objects = build(&validated()).unwrap();
    let pod = pod(&objects);
    let spec = &pod["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        spec["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    assert_eq!(
        spec["securityContext"]["fsGroupChangePolicy"],
        "OnRootMismatch"
    );
    let container = &spec["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    assert_eq!(
        container["resources"]["requests"],
        json!({"cpu": "10m", "memory": "32Mi"})
    );
    assert_eq!(container["resources"]["limits"], json!({"memory": "128Mi"}));
    assert_eq!(
        container["lifecycle"]["preStop"],
        json!({"sleep": {"seconds": 5}})
    );
    assert_eq!(spec["terminationGracePeriodSeconds"], 30);
}

#[test]
fn only_named_keys_are_mounted_as_directories() {
    let objects = build(&validated()).unwrap();
    let pod = pod(&objects);
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let keys = |name: &str| -> Vec<(String, bool)> {
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == name)
            .unwrap();
        volume["projected"]["sources"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|source| {
                let secret = &source["secret"];
                let optional = secret["optional"] == true;
                secret["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(move |item| (item["key"].as_str().unwrap().to_owned(), optional))
            })
            .collect()
    };
    assert_eq!(
        keys("genesys"),
        [
            ("clientId", false),
            ("clientSecret", false),
            ("webhookSecret", false)
        ]
        .map(|(key, optional)| (key.to_owned(), optional))
    );
    let mut twilio = keys("twilio");
    twilio.sort();
    assert_eq!(
        twilio,
        [
            ("accountSid", false),
            ("apiKeySecret", true),
            ("apiKeySid", true),
            ("authToken", false)
        ]
        .map(|(key, optional)| (key.to_owned(), optional))
    );
    assert!(!pod.to_string().contains("subPath"));
}

#[test]
fn one_secret_for_both_sides_is_mounted_once() {
    let mut bridge = validated();
    bridge.config.twilio.credentials = bridge.config.genesys.credentials.clone();
    let pod = pod(&build(&bridge).unwrap());
    let mounts = pod["spec"]["containers"][0]["volumeMounts"]
        .as_array()
        .unwrap();
    let paths: Vec<_> = mounts
        .iter()
        .map(|mount| mount["mountPath"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "/etc/messaging-bridge",
            "/var/run/secrets/messaging-bridge/genesys",
            "/var/lib/messaging-bridge"
        ]
    );
    assert_eq!(
        pod["spec"]["volumes"][1]["projected"]["sources"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[rstest]
#[case::another_id(|bridge: &mut ValidatedBridge| bridge.config.genesys.integration_id = Some("other".into()), true)]
#[case::another_certificate(|bridge: &mut ValidatedBridge| set(bridge, |relay| relay.ca_bundle = Some("PEM".into())), true)]
#[case::another_policy(|bridge: &mut ValidatedBridge| set(bridge, |relay| relay.network_policy.enabled = false), false)]
fn what_the_relay_reads_rolls_its_pod(
    #[case] change: fn(&mut ValidatedBridge),
    #[case] rolls: bool,
) {
    let before = build(&validated()).unwrap();
    let mut bridge = validated();
    change(&mut bridge);
    let after = build(&bridge).unwrap();
    let hash = |objects: &Objects<Built>| {
        pod(objects)["metadata"]["annotations"][CONFIG_ANNOTATION].clone()
    };
    assert_eq!(hash(&before) != hash(&after), rolls);
}

fn set(bridge: &mut ValidatedBridge, change: fn(&mut crate::settings::RelaySettings)) {
    let mut relay = settings().relay;
    change(&mut relay);
    bridge.relay = Arc::new(relay);
}

#[test]
fn the_chart_adds_to_the_pod_but_never_replaces_what_it_is_found_by() {
    let mut bridge = validated();
    set(&mut bridge, |relay| {
        relay.pod_labels = [("team", "x"), ("app.kubernetes.io/instance", "other")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        relay.https_proxy = Some("http://proxy:3128".to_owned());
        relay.image_pull_secrets = vec!["registry".to_owned()];
    });
    let pod = pod(&build(&bridge).unwrap());
    assert_eq!(pod["metadata"]["labels"]["team"], "x");
    assert_eq!(
        pod["metadata"]["labels"]["app.kubernetes.io/instance"],
        "acme"
    );
    assert_eq!(
        pod["spec"]["containers"][0]["env"][0],
        json!({"name": "HTTPS_PROXY", "value": "http://proxy:3128"})
    );
    assert_eq!(
        pod["spec"]["imagePullSecrets"],
        json!([{"name": "registry"}])
    );
}

#[test]
fn the_network_policy_lets_in_whom_it_should() {
    let mut bridge = validated();
    set(&mut bridge, |relay| {
        relay.network_policy.monitoring_namespaces = vec!["metrics".to_owned()];
    });
    let policy = serde_json::to_value(build(&bridge).unwrap().network_policy).unwrap();
    let ingress = &policy["spec"]["ingress"];
    assert_eq!(
        ingress[0],
        json!({"ports": [{"port": 8080, "protocol": "TCP"}]})
    );
    assert_eq!(
        ingress[1]["ports"],
        json!([{"port": 9090, "protocol": "TCP"}])
    );
    let readers: Vec<_> = ingress[1]["from"]
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(readers, ["messaging-bridge", "metrics"]);
    let egress = policy["spec"]["egress"].as_array().unwrap();
    assert_eq!(egress.len(), 2);
    assert_eq!(
        egress[1]["ports"],
        json!([{"port": 443, "protocol": "TCP"}])
    );
    assert!(
        egress[1]["to"][0]["ipBlock"]["except"]
            .as_array()
            .unwrap()
            .contains(&json!("169.254.0.0/16"))
    );
}

#[test]
fn the_relay_reads_the_configuration_that_is_written() {
    let bridge = validated();
    let objects = build(&bridge).unwrap();
    let written = &objects.config_map.data.unwrap()["relay.yaml"];
    assert_eq!(
        messaging_bridge_crds::RelayConfig::parse(written).unwrap(),
        bridge.config
    );
}
