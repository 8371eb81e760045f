//! The calls that apply makes, against a fake API server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod drift;
mod fake_server;

use std::sync::Arc;

use serde_json::{Value, json};

use self::fake_server::FakeServer;
use super::*;
use crate::build::{build, fixture};
use crate::names::RelayNames;
use crate::validate::{EmbeddedVolume, QueueKind, ValidatedBridge};

const IMMUTABLE: &str = "StatefulSet.apps \"acme-relay\" is invalid: spec: Forbidden: updates to statefulset spec for \
                         fields other than 'replicas', 'ordinals', 'template' are forbidden";

async fn run(server: &FakeServer, cache: &LiveChildren) -> Result<Objects<Applied>, ApplyError> {
    run_with(server, cache, &fixture::validated()).await
}

async fn run_with(
    server: &FakeServer,
    cache: &LiveChildren,
    bridge: &ValidatedBridge,
) -> Result<Objects<Applied>, ApplyError> {
    apply(
        &server.client(),
        build(bridge).unwrap(),
        cache,
        &server.rewritten,
    )
    .await
}

/// A server with a bridge that was applied, and no calls noted.
async fn installed() -> FakeServer {
    let server = FakeServer::default();
    run(&server, &LiveChildren::default()).await.unwrap();
    server.calls();
    server
}

fn with_size(size: &str) -> ValidatedBridge {
    let mut bridge = fixture::validated();
    bridge.queue = QueueKind::Embedded(EmbeddedVolume {
        size: size.to_owned(),
        storage_class: None,
    });
    bridge
}

fn claim(labels: &Value, phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-acme-relay-0", "namespace": "tenant-acme", "labels": labels},
        "spec": {"storageClassName": "slow", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": phase},
    })
}

fn template_labels() -> Value {
    json!(RelayNames::of("acme").stable_labels())
}

#[tokio::test]
async fn a_new_bridge_gets_its_identity_first_and_its_workload_last() {
    let server = FakeServer::default();
    run(&server, &LiveChildren::default()).await.unwrap();
    assert_eq!(
        server.changes(),
        [
            "PATCH serviceaccounts/acme-relay",
            "PATCH configmaps/acme-relay",
            "PATCH networkpolicies/acme-relay",
            "PATCH services/acme-relay",
            "PATCH services/acme-relay-admin",
            "PATCH statefulsets/acme-relay",
        ]
    );
}

#[tokio::test]
async fn an_unchanged_bridge_causes_no_call_at_all() {
    let server = installed().await;
    run(&server, &server.cache()).await.unwrap();
    assert_eq!(server.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cache_that_lags_causes_reads_and_no_write() {
    let server = installed().await;
    run(&server, &LiveChildren::default()).await.unwrap();
    assert_eq!(server.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn only_what_was_edited_by_hand_is_applied() {
    let server = installed().await;
    server.edit("services/acme-relay", "/spec/selector/also", json!("this"));
    run(&server, &server.cache()).await.unwrap();
    assert_eq!(server.changes(), ["PATCH services/acme-relay"]);
    run(&server, &server.cache()).await.unwrap();
    assert_eq!(server.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_port_that_was_changed_by_hand_and_keeps_its_name_is_put_back() {
    let server = installed().await;
    server.edit("services/acme-relay", "/spec/ports/0/port", json!(8080));
    // An apply adds ours beside theirs.
    let twice = "Service \"acme-relay\" is invalid: spec.ports[1].name: Duplicate value: \"http\"";
    server.refuse("PATCH services/acme-relay", 422, twice, 1);
    server.edit(
        "services/acme-relay",
        "/metadata/annotations/theirs",
        json!("stays while ports are put back"),
    );
    run(&server, &server.cache()).await.unwrap();
    assert_eq!(
        server.changes(),
        [
            "PATCH services/acme-relay",
            "PATCH services/acme-relay",
            "  merged: metadata.uid spec.ports",
            "PATCH services/acme-relay",
        ]
    );
    let service = server.object("services/acme-relay").unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], 80);
}

#[tokio::test]
async fn what_is_refused_for_another_reason_is_not_written_twice() {
    let server = installed().await;
    server.edit("services/acme-relay", "/spec/ports/0/port", json!(8080));
    server.refuse("PATCH services/acme-relay", 422, "no", 2);
    let error = run(&server, &server.cache()).await.unwrap_err();
    assert!(matches!(error, ApplyError::Refused { .. }), "{error}");
    assert_eq!(server.changes(), ["PATCH services/acme-relay"]);
}

#[tokio::test]
async fn a_field_that_admission_rewrites_is_applied_once_and_what_else_changes_is_put_right() {
    let server = FakeServer::default();
    server.rewrite("services/acme-relay", "/spec/type", json!("LoadBalancer"));
    let policy = "/spec/internalTrafficPolicy";
    server.rewrite("services/acme-relay", "/spec/ports/0/port", json!(8443));
    run(&server, &LiveChildren::default()).await.unwrap();
    server.calls();
    for cache in [server.cache(), LiveChildren::default()] {
        run(&server, &cache).await.unwrap();
        assert_eq!(server.changes(), Vec::<String>::new());
    }
    // What a controller says is no change; what a person does is.
    server.edit(
        "services/acme-relay",
        "/metadata/resourceVersion",
        json!("9"),
    );
    server.edit(
        "services/acme-relay",
        "/status",
        json!({"loadBalancer": {}}),
    );
    run(&server, &server.cache()).await.unwrap();
    assert_eq!(server.changes(), Vec::<String>::new());
    server.edit("services/acme-relay", policy, json!("Local"));
    run(&server, &server.cache()).await.unwrap();
    assert_eq!(server.changes(), ["PATCH services/acme-relay"]);
    run(&server, &server.cache()).await.unwrap();
    assert_eq!(server.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_somebody_else_made_is_named_and_left() {
    let server = FakeServer::default();
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "acme-relay"}, "data": {"their": "own"},
    });
    server.hold("configmaps/acme-relay", theirs);
    let error = run(&server, &LiveChildren::default()).await.unwrap_err();
    assert!(error.is_permanent());
    assert!(
        matches!(&error, ApplyError::NameTaken { kind, name } if kind == "ConfigMap" && name == "acme-relay"),
        "{error}"
    );
    let kept = server.object("configmaps/acme-relay").unwrap();
    assert_eq!(kept["data"], json!({"their": "own"}));
    assert!(server.object("statefulsets/acme-relay").is_none());
}

#[tokio::test]
async fn what_a_deleted_bridge_of_the_same_name_leaves_is_waited_for() {
    let server = installed().await;
    let mut anew = fixture::validated();
    anew.bridge.uid = "u-2".to_owned();
    // The cache of the new bridge holds nothing of the old one's.
    let error = run_with(&server, &LiveChildren::default(), &anew)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ApplyError::Leaving { .. }) && !error.is_permanent(),
        "{error}"
    );
    assert_eq!(server.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_longer_built_is_removed_but_never_the_claim() {
    let server = installed().await;
    server.hold(
        "persistentvolumeclaims/data-acme-relay-0",
        claim(&template_labels(), "Bound"),
    );
    let mut bridge = fixture::validated();
    let mut relay = bridge.relay.as_ref().clone();
    relay.network_policy.enabled = false;
    bridge.relay = Arc::new(relay);
    run_with(&server, &server.cache(), &bridge).await.unwrap();
    assert_eq!(
        server.changes(),
        ["DELETE networkpolicies/acme-relay", "  dependents: default"]
    );
}

#[tokio::test]
async fn nothing_is_removed_while_something_cannot_be_applied() {
    let server = installed().await;
    let mut bridge = fixture::validated();
    let mut relay = bridge.relay.as_ref().clone();
    relay.network_policy.enabled = false;
    relay.image = "registry.example/relay:2".to_owned();
    bridge.relay = Arc::new(relay);
    server.refuse("PATCH statefulsets/acme-relay", 403, "denied by policy", 1);
    let error = run_with(&server, &server.cache(), &bridge)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("denied by policy"), "{error}");
    assert!(server.object("networkpolicies/acme-relay").is_some());
}

#[tokio::test]
async fn a_stateful_set_that_cannot_be_changed_is_made_anew_without_its_pod() {
    let server = installed().await;
    server.refuse("PATCH statefulsets/acme-relay", 422, IMMUTABLE, 1);
    run_with(&server, &server.cache(), &with_size("2Gi"))
        .await
        .unwrap();
    assert_eq!(
        server.changes(),
        [
            "PATCH statefulsets/acme-relay",
            "DRY PATCH statefulsets/acme-relay-trial",
            "DELETE statefulsets/acme-relay",
            "  dependents: Orphan",
            "PATCH statefulsets/acme-relay",
        ]
    );
}

#[tokio::test]
async fn a_stateful_set_stays_if_the_new_one_would_be_refused() {
    let server = installed().await;
    server.refuse("PATCH statefulsets/acme-relay", 422, IMMUTABLE, 1);
    let denied = "admission webhook denied statefulset acme-relay-trial";
    server.refuse("DRY PATCH statefulsets/acme-relay-trial", 403, denied, 1);
    let error = run_with(&server, &server.cache(), &with_size("2Gi"))
        .await
        .unwrap_err();
    assert!(error.is_permanent());
    assert!(
        error.to_string().ends_with("denied statefulset acme-relay"),
        "{error}"
    );
    assert!(server.object("statefulsets/acme-relay").is_some());
}

#[tokio::test]
async fn a_webhook_that_cannot_be_asked_beforehand_forbids_nothing() {
    let server = installed().await;
    server.refuse("PATCH statefulsets/acme-relay", 422, IMMUTABLE, 1);
    let no_trial = "admission webhook \"x\" does not support dry run";
    server.refuse("DRY PATCH statefulsets/acme-relay-trial", 400, no_trial, 1);
    run_with(&server, &server.cache(), &with_size("2Gi"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_volume_grows_with_the_bridge() {
    let server = installed().await;
    server.hold(
        "persistentvolumeclaims/data-acme-relay-0",
        claim(&template_labels(), "Bound"),
    );
    run_with(&server, &server.cache(), &with_size("2Gi"))
        .await
        .unwrap();
    let grown = server
        .object("persistentvolumeclaims/data-acme-relay-0")
        .unwrap();
    assert_eq!(grown["spec"]["resources"]["requests"]["storage"], "2Gi");
    assert_eq!(grown["spec"]["storageClassName"], "slow");
    server.calls();
    run_with(&server, &server.cache(), &with_size("1Gi"))
        .await
        .unwrap();
    assert!(
        !server
            .changes()
            .iter()
            .any(|call| call.contains("persistentvolumeclaims"))
    );
}

#[tokio::test]
async fn a_volume_that_cannot_grow_is_named_with_its_class_after_all_else_stands() {
    let server = installed().await;
    let place = "persistentvolumeclaims/data-acme-relay-0";
    server.hold(place, claim(&template_labels(), "Bound"));
    let words = "only dynamically provisioned pvc can be resized";
    server.refuse(&format!("PATCH {place}"), 403, words, 1);
    let error = run_with(&server, &server.cache(), &with_size("2Gi"))
        .await
        .unwrap_err();
    assert!(error.is_permanent());
    let text = error.to_string();
    for says in [
        "data-acme-relay-0",
        "\"slow\"",
        words,
        "allowVolumeExpansion",
    ] {
        assert!(text.contains(says), "{text}");
    }
    assert!(
        server
            .changes()
            .contains(&"PATCH statefulsets/acme-relay".to_owned())
    );
}

#[tokio::test]
async fn a_volume_that_is_not_there_yet_is_not_asked_to_grow() {
    let server = installed().await;
    server.hold(
        "persistentvolumeclaims/data-acme-relay-0",
        claim(&template_labels(), "Pending"),
    );
    run_with(&server, &server.cache(), &with_size("2Gi"))
        .await
        .unwrap();
    assert!(
        !server
            .changes()
            .iter()
            .any(|call| call.contains("persistentvolumeclaims"))
    );
}

#[tokio::test]
async fn somebody_elses_claim_is_never_mounted() {
    let server = FakeServer::default();
    server.hold(
        "persistentvolumeclaims/data-acme-relay-0",
        claim(&json!({"app": "theirs"}), "Bound"),
    );
    let error = run(&server, &LiveChildren::default()).await.unwrap_err();
    assert!(
        matches!(&error, ApplyError::NameTaken { kind, .. } if kind == "PersistentVolumeClaim"),
        "{error}"
    );
    assert!(server.object("statefulsets/acme-relay").is_none());
}

#[tokio::test]
async fn the_claim_of_a_deleted_bridge_is_taken_up_again() {
    let server = FakeServer::default();
    server.hold(
        "persistentvolumeclaims/data-acme-relay-0",
        claim(&template_labels(), "Bound"),
    );
    run(&server, &LiveChildren::default()).await.unwrap();
    assert!(server.object("statefulsets/acme-relay").is_some());
}
