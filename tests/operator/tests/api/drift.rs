//! What is in the cluster and what was built: the API server's defaults and additions by others are no difference, a
//! change by hand is.

use messaging_bridge_crds::{ConditionType, Reason};
use serde_json::{Value, json};

use crate::objects::{
    ADMIN_SERVICE, CHILDREN, CONFIG_MAP, Child, NETWORK_POLICY, PUBLIC_SERVICE, SERVICE_ACCOUNT,
    STATEFUL_SET,
};
use crate::scene::Scene;

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
        assert_eq!(changes.len(), 1, "{field}: {changes:?}");
    }
    assert_added(&scene).await;
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
