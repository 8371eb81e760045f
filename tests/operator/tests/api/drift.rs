//! What is in the cluster and what was built: the API server's defaults and additions by others are no difference, a
//! change by hand is.

use http::Method;
use messaging_bridge_cluster::wait_for;
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::tenant::apply;
use serde_json::{Value, json};

use crate::objects::{
    ADMIN_SERVICE, BRIDGES, CHILDREN, CONFIG_MAP, Child, NETWORK_POLICY, PUBLIC_SERVICE,
    SERVICE_ACCOUNT, STATEFUL_SET, request,
};
use crate::scene::{PATIENCE, Scene};

/// One change by hand of each object: what is merged into it, and the field that it changes.
fn edits() -> [(Child, Value, &'static str); 7] {
    let port = json!([{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}]);
    [
        (
            CONFIG_MAP,
            json!({"data": {"relay.yaml": "by hand"}}),
            "/data/relay.yaml",
        ),
        (
            SERVICE_ACCOUNT,
            json!({"automountServiceAccountToken": true}),
            "/automountServiceAccountToken",
        ),
        (
            NETWORK_POLICY,
            json!({"spec": {"ingress": [{}]}}),
            "/spec/ingress",
        ),
        (
            PUBLIC_SERVICE,
            json!({"spec": {"ports": port}}),
            "/spec/ports",
        ),
        (
            PUBLIC_SERVICE,
            json!({"spec": {"selector": {"example.com/only": "mine"}}}),
            "/spec/selector",
        ),
        (
            ADMIN_SERVICE,
            json!({"spec": {"publishNotReadyAddresses": false}}),
            "/spec/publishNotReadyAddresses",
        ),
        (
            STATEFUL_SET,
            json!({"spec": {"replicas": 0}}),
            "/spec/replicas",
        ),
    ]
}

/// A label and an annotation of somebody else.
async fn add(scene: &Scene) {
    let by_others = json!({"metadata": {
        "labels": {"example.com/team": "texts"}, "annotations": {"example.com/note": "looked at"},
    }});
    for child in CHILDREN {
        scene.patch(&child.place, child.name, &by_others).await;
    }
}

async fn assert_added(scene: &Scene) {
    for child in CHILDREN {
        let metadata = scene.child(&child).await["metadata"].clone();
        assert_eq!(metadata["labels"]["example.com/team"], "texts", "{child:?}");
        assert_eq!(
            metadata["annotations"]["example.com/note"], "looked at",
            "{child:?}"
        );
    }
}

pub(crate) async fn defaults_and_additions_by_others_are_left_alone() {
    let scene = Scene::installed("left-alone").await;
    // What the installation still had to tell is told with the first.
    scene.look().await;
    // Each look ends with the status, which repeats what was asked for. Nothing else is written.
    let only_status = ["patch messagingbridges/status acme"];
    let mark = scene.plane.mark();
    scene.look().await;
    assert_eq!(scene.writes(mark).await, only_status);
    add(&scene).await;
    let mark = scene.plane.mark();
    scene.look().await;
    assert_eq!(scene.writes(mark).await, only_status);
    assert_added(&scene).await;
    scene.end().await;
}

pub(crate) async fn a_change_by_hand_is_put_back_once_and_additions_stay() {
    let scene = Scene::installed("by-hand").await;
    add(&scene).await;
    for (child, patch, field) in edits() {
        let before = scene.child(&child).await.pointer(field).cloned();
        assert!(before.is_some(), "{child:?} has no {field}");
        let mark = scene.plane.mark();
        scene.patch(&child.place, child.name, &patch).await;
        let what = format!("{field} is put back");
        scene
            .until_object(&what, (&child.place, child.name), |object| {
                object.pointer(field) == before.as_ref()
            })
            .await;
        scene.look().await;
        let writes = scene.writes(mark).await;
        let of_child = |write: &&String| {
            !write.contains("messagingbridges/status") && !write.contains(" events")
        };
        let changes: Vec<&String> = writes.iter().filter(of_child).collect();
        // Ports that clash with ours are put aside first; what follows is the apply.
        let wanted = if field == "/spec/ports" { 2 } else { 1 };
        assert_eq!(changes.len(), wanted, "{field}: {changes:?}");
    }
    assert_added(&scene).await;
    assert_owned_twice(&scene, &["f:ports"]).await;
    scene.until(ConditionType::Accepted, Reason::Accepted).await;
    scene.end().await;
}

/// The fields of the public Service's spec that the operator has set otherwise than by an apply, and nothing else of it.
async fn assert_owned_twice(scene: &Scene, wanted: &[&str]) {
    let path = PUBLIC_SERVICE
        .place
        .path(&scene.tenant.name, PUBLIC_SERVICE.name);
    let service = request(&scene.client, &Method::GET, &path, None)
        .await
        .unwrap();
    let entries = service["metadata"]["managedFields"].as_array().unwrap();
    let updates = entries.iter().filter(|entry| {
        entry["manager"] == "messaging-bridge-operator" && entry["operation"] == "Update"
    });
    for entry in updates {
        let fields = entry["fieldsV1"].as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["f:spec"], "{entry}");
        let of_spec = fields["f:spec"].as_object().unwrap();
        assert_eq!(of_spec.keys().collect::<Vec<_>>(), wanted, "{entry}");
    }
}

/// A policy of the cluster that sets a field of ours in one namespace's Services.
fn rewriting(namespace: &str) -> [Value; 2] {
    let name = format!("rewrite-{namespace}");
    [
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "resourceRules": [{
                        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                        "resources": ["services"],
                    }],
                },
                "failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
                "mutations": [{
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {
                        "expression": "Object{spec: Object.spec{publishNotReadyAddresses: false}}",
                    },
                }],
            },
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name},
        }),
    ]
}

pub(crate) async fn a_field_that_admission_rewrites_is_not_fought_over() {
    let scene = Scene::new("rewritten").await;
    apply(scene.plane.cluster, &rewriting(&scene.tenant.name)).await;
    scene.apply().await;
    scene.until_installed().await;
    // The policy is in force some time after it was stored.
    let hand = json!({"spec": {"publishNotReadyAddresses": true}, "metadata": {"labels": {"example.com/tried": "1"}}});
    let what = "the policy is in force";
    let found = wait_for(what, PATIENCE, || async {
        scene
            .patch(&ADMIN_SERVICE.place, ADMIN_SERVICE.name, &hand)
            .await;
        let service = scene.child(&ADMIN_SERVICE).await;
        if service["spec"]["publishNotReadyAddresses"] == true {
            return Err(service.to_string());
        }
        Ok(())
    });
    found.await.unwrap();
    scene.look().await;
    let mark = scene.plane.mark();
    for _ in 0..2 {
        scene.look().await;
    }
    let writes = scene.writes(mark).await;
    let of_services = writes.iter().filter(|write| write.contains("services"));
    assert_eq!(of_services.collect::<Vec<_>>(), Vec::<&String>::new());
    scene.until(ConditionType::Accepted, Reason::Accepted).await;
    scene.end().await;
}

pub(crate) async fn what_is_deleted_by_hand_is_made_anew() {
    let scene = Scene::installed("deleted-by-hand").await;
    for child in CHILDREN {
        let before = scene.child(&child).await["metadata"]["uid"].clone();
        scene.delete(&child.place, child.name).await;
        scene
            .until_object("it is made anew", (&child.place, child.name), |object| {
                let uid = &object["metadata"]["uid"];
                uid.is_string() && *uid != before
            })
            .await;
    }
    scene.until_installed().await;
    scene.end().await;
}

/// The reason of one of the conditions.
fn reason<'a>(bridge: &'a Value, kind: &str) -> &'a Value {
    let mut conditions = bridge["status"]["conditions"].as_array().unwrap().iter();
    let found = conditions.find(|condition| condition["type"] == kind);
    found.map_or(&Value::Null, |condition| &condition["reason"])
}

pub(crate) async fn a_status_changed_by_hand_is_put_right_and_additions_stay() {
    let scene = Scene::installed("status-by-hand").await;
    let bridge = scene.read(&BRIDGES, "acme").await;
    let mut conditions = bridge["status"]["conditions"].as_array().unwrap().clone();
    conditions[0]["reason"] = json!("ByHand");
    conditions[0]["status"] = json!("False");
    let mut added = conditions[0].clone();
    added["type"] = json!("Audited");
    conditions.push(added);
    let by_hand = json!({"status": {"conditions": conditions, "integration": null}});
    scene.patch(&BRIDGES, "acme/status", &by_hand).await;
    scene.annotate(&json!({"example.com/look": "now"})).await;
    scene
        .until_object("it is put right", (&BRIDGES, "acme"), |bridge| {
            let status = &bridge["status"];
            *reason(bridge, "Accepted") == Reason::Accepted.as_str()
                && status["integration"]["id"] == scene.integration.as_str()
        })
        .await;
    // The Event of what was put right is told after the status: before this look ends.
    scene.look().await;
    // What somebody else has added stays, and is no reason to write again.
    let mark = scene.plane.mark();
    for _ in 0..2 {
        scene.look().await;
    }
    assert_eq!(
        scene.writes(mark).await,
        ["patch messagingbridges/status acme"; 2]
    );
    let bridge = scene.read(&BRIDGES, "acme").await;
    assert_eq!(*reason(&bridge, "Audited"), "ByHand", "{bridge}");
    scene.end().await;
}
