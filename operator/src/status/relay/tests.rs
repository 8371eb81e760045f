#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-02T03:04:05Z";

fn pod(status: &Value) -> Arc<Pod> {
    let pod = json!({
        "metadata": {"name": "acme-relay-0", "namespace": "tenant", "creationTimestamp": "2026-01-02T03:04:00Z"},
        "spec": {"nodeName": "node1", "containers": []},
        "status": status,
    });
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn seen(status: &Value) -> WorkloadSeen {
    WorkloadSeen {
        stateful_set: Some(Arc::default()),
        pods: vec![pod(status)],
        ..WorkloadSeen::default()
    }
}

fn waiting_for(reason: &str, message: &str) -> Value {
    json!({"containerStatuses": [{
        "name": "relay", "image": "registry/relay:9", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
    }]})
}

fn ended(restarts: i32, message: &str) -> Value {
    json!({"containerStatuses": [{
        "name": "relay", "image": "i", "imageID": "", "ready": false, "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2, "message": message}},
    }]})
}

/// Runs since a second ago; ran from `began` until a minute ago before.
fn just_ended(restarts: i32, began: &str) -> Value {
    json!({"containerStatuses": [{
        "name": "relay", "image": "i", "imageID": "", "ready": false, "restartCount": restarts,
        "state": {"running": {"startedAt": "2026-01-02T03:04:04Z"}},
        "lastState": {"terminated": {"exitCode": 255, "startedAt": began, "finishedAt": "2026-01-02T03:03:05Z"}},
    }]})
}

/// Runs since then, after two ends within seconds; the last end is remembered for as long as the pod lives.
fn runs_after_ends(time: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}], "containerStatuses": [{
        "name": "relay", "image": "i", "imageID": "", "ready": false, "restartCount": 2,
        "state": {"running": {"startedAt": time}},
        "lastState": {"terminated": {
            "exitCode": 1, "startedAt": "2025-12-29T00:00:00Z", "finishedAt": "2025-12-29T00:00:01Z"}},
    }]})
}

fn runs_since(time: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [{
        "name": "relay", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"running": {"startedAt": time}},
    }]})
}

fn unschedulable_for(message: &str) -> Value {
    json!({"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message},
    ]})
}

#[rstest]
#[case::ready(&json!({"conditions": [{"type": "Ready", "status": "True"}]}), Reason::Available, "")]
#[case::image(&waiting_for("ImagePullBackOff", "not found"), Reason::ImagePullFailed, "\"registry/relay:9\"")]
#[case::image_is_never_pulled(&waiting_for("ErrImageNeverPull", ""), Reason::ImagePullFailed, "relay.image")]
#[case::crashing(&ended(3, "first line\nthe relay configuration has version 2\n"), Reason::CrashLooping,
    "ended 3 times, last with exit code 2: the relay configuration has version 2; see kubectl -n tenant logs acme-relay-0 --previous")]
#[case::ended_once_a_moment_ago(&just_ended(1, "2026-01-02T03:03:00Z"), Reason::CrashLooping, "exit code 255; see")]
#[case::runs_again_after_the_node_restarted(&just_ended(1, "2026-01-02T02:00:00Z"), Reason::Starting, "")]
#[case::runs_for_days_after_two_quick_ends(&runs_after_ends("2025-12-30T03:04:05Z"), Reason::NotReady, "volume")]
#[case::runs_for_a_minute_after_two_quick_ends(&runs_after_ends("2026-01-02T03:03:05Z"), Reason::CrashLooping, "ended 2 times")]
#[case::no_node(&unschedulable_for("0/1 nodes: node(s) didn't match selector"), Reason::Unschedulable, "didn't match")]
#[case::a_container_that_cannot_be_made(&waiting_for("CreateContainerConfigError", "bad"), Reason::NotReady, "bad")]
#[case::being_made(&waiting_for("ContainerCreating", ""), Reason::Starting, "")]
#[case::started_a_moment_ago(&runs_since("2026-01-02T03:04:00Z"), Reason::Starting, "")]
#[case::runs_and_is_not_ready(&runs_since("2026-01-02T03:00:00Z"), Reason::NotReady, "volume")]
#[case::evicted(&json!({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]}),
    Reason::NodeLost, "\"node1\"")]
fn a_pod_is_judged(#[case] status: &Value, #[case] reason: Reason, #[case] says: &str) {
    let verdict = judge(&seen(status), Install::Wanted, NOW.parse().unwrap());
    assert_eq!(verdict.reason, reason, "{}", verdict.message);
    assert!(verdict.message.contains(says), "{}", verdict.message);
}

fn warning_about(kind: &str, reason: &str, message: &str) -> Warning {
    Warning {
        kind: kind.to_owned(),
        name: "n".to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_seen: NOW.parse().unwrap(),
    }
}

#[test]
fn a_pod_that_is_refused_says_by_whom() {
    let mut seen = seen(&json!({}));
    seen.pods.clear();
    seen.warnings = vec![warning_about(
        "StatefulSet",
        "FailedCreate",
        "exceeded quota: none",
    )];
    let verdict = judge(&seen, Install::Wanted, NOW.parse().unwrap());
    assert_eq!(verdict.reason, Reason::PodRejected);
    assert!(
        verdict.message.contains("exceeded quota"),
        "{}",
        verdict.message
    );
}

#[test]
fn a_claim_that_is_not_bound_names_its_storage_class() {
    let mut seen = seen(&unschedulable_for(
        "pod has unbound immediate PersistentVolumeClaims",
    ));
    let claim = json!({"metadata": {"name": "data-acme-relay-0"}, "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}});
    seen.claims = vec![Arc::new(serde_json::from_value(claim).unwrap())];
    seen.warnings = vec![warning_about(
        "PersistentVolumeClaim",
        "ProvisioningFailed",
        "storageclass \"fast\" not found",
    )];
    let verdict = judge(&seen, Install::Wanted, NOW.parse().unwrap());
    assert_eq!(verdict.reason, Reason::VolumePending);
    assert!(
        verdict.message.contains("\"fast\" not found"),
        "{}",
        verdict.message
    );
    // The class may wait for a pod that finds no node for another reason.
    seen.pods = vec![pod(&unschedulable_for(
        "0/1 nodes are available: Insufficient memory",
    ))];
    assert_eq!(
        judge(&seen, Install::Wanted, NOW.parse().unwrap()).reason,
        Reason::Unschedulable
    );
}

#[test]
fn a_mount_that_fails_is_told() {
    let mut seen = seen(&waiting_for("ContainerCreating", ""));
    seen.warnings = vec![warning_about(
        "Pod",
        "FailedMount",
        "references non-existent secret key: authToken",
    )];
    let verdict = judge(&seen, Install::Wanted, NOW.parse().unwrap());
    assert_eq!(verdict.reason, Reason::NotReady);
    assert!(verdict.message.contains("authToken"), "{}", verdict.message);
}

#[rstest]
#[case::to_be_installed(Install::Wanted, Reason::Starting, "being installed")]
#[case::waiting_for_the_integration(
    Install::Unresolved,
    Reason::NotInstalled,
    "IntegrationResolved"
)]
#[case::refused(Install::Refused, Reason::NotInstalled, "see Accepted")]
#[case::invalid(Install::Invalid, Reason::NotInstalled, "see Accepted")]
#[case::paused(Install::Paused, Reason::NotInstalled, "messagingbridge.io/paused")]
fn without_a_workload_it_depends_on_the_bridge(
    #[case] install: Install,
    #[case] reason: Reason,
    #[case] says: &str,
) {
    let verdict = judge(&WorkloadSeen::default(), install, NOW.parse().unwrap());
    assert_eq!(verdict.reason, reason);
    assert!(verdict.message.contains(says), "{}", verdict.message);
}

/// What is left of a ready pod's status when its node is gone for so long, or is back.
fn conditions(ready: &Value, containers_ready: &str) -> Value {
    let mut status = runs_since("2026-01-02T00:00:00Z");
    status["conditions"] = json!([ready, {"type": "ContainersReady", "status": containers_ready}]);
    status
}

#[rstest]
#[case::a_moment(json!({"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-02T03:04:00Z"}), "True", Reason::NodeLost)]
#[case::for_hours_and_without_an_event(
    json!({"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}), "True", Reason::NodeLost)]
#[case::back_and_ready(json!({"type": "Ready", "status": "True"}), "True", Reason::Available)]
#[case::back_and_not_ready_for_its_own_reason(
    json!({"type": "Ready", "status": "False", "reason": "ContainersNotReady"}), "False", Reason::NotReady)]
#[case::a_gate_of_a_load_balancer_is_closed(
    json!({"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}), "True", Reason::NotReady)]
fn a_node_is_lost_from_the_controllers_mark_until_its_kubelet_speaks_again(
    #[case] ready: Value,
    #[case] containers_ready: &str,
    #[case] reason: Reason,
) {
    let mut seen = seen(&conditions(&ready, containers_ready));
    // An Event of a loss that is over lives on for an hour.
    let mut warning = warning_about("Pod", "NodeNotReady", "Node is not ready");
    warning.last_seen = "2026-01-02T03:02:00Z".parse().unwrap();
    seen.warnings = vec![warning];
    let verdict = judge(&seen, Install::Wanted, NOW.parse().unwrap());
    assert_eq!(verdict.reason, reason, "{}", verdict.message);
}

#[test]
fn a_pod_that_ends_is_rolling_out() {
    let mut ends = seen(&json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    let mut pod = ends.pods[0].as_ref().clone();
    pod.metadata.deletion_timestamp = pod.metadata.creation_timestamp.clone();
    ends.pods = vec![Arc::new(pod)];
    assert_eq!(
        judge(&ends, Install::Wanted, NOW.parse().unwrap()).reason,
        Reason::RollingOut
    );
}
