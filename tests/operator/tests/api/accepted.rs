//! What the API server, or somebody else's object, keeps from being made.

use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::tenant::apply;
use serde_json::{Value, json};

use crate::objects::{CONFIG_MAP, QUOTAS, STATEFUL_SET};
use crate::scene::Scene;

/// The namespace in which a quota refuses what the operator has the right to make.
pub(crate) const WITH_A_QUOTA: &str = "quota";

pub(crate) async fn a_name_that_is_taken_is_not_taken_over() {
    let scene = Scene::new("name-taken").await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "acme-relay", "namespace": scene.tenant.name}, "data": {"theirs": "yes"},
    });
    apply(scene.plane.cluster, &[scene.tenant.namespace(), theirs]).await;
    scene.apply().await;
    let message = scene
        .until(ConditionType::Accepted, Reason::NameTaken)
        .await;
    for says in ["ConfigMap", "acme-relay", "delete or rename it"] {
        assert!(message.contains(says), "{message}");
    }
    scene.until(ConditionType::Ready, Reason::NameTaken).await;
    scene.until(ConditionType::Stalled, Reason::NameTaken).await;
    let message = scene
        .until(ConditionType::RelayAvailable, Reason::NotInstalled)
        .await;
    assert!(message.contains("see Accepted"), "{message}");
    assert_eq!(
        scene.child(&CONFIG_MAP).await["data"],
        json!({"theirs": "yes"})
    );
    scene.delete(&CONFIG_MAP.place, CONFIG_MAP.name).await;
    scene.look().await;
    scene.until_installed().await;
    scene.until(ConditionType::Accepted, Reason::Accepted).await;
    scene.end().await;
}

pub(crate) async fn an_object_that_a_quota_refuses_is_named() {
    let scene = Scene::new(WITH_A_QUOTA).await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "no-services", "namespace": scene.tenant.name}, "spec": {"hard": {"services": "0"}},
    });
    apply(scene.plane.cluster, &[scene.tenant.namespace(), quota]).await;
    scene
        .until_object("the quota counts", (&QUOTAS, "no-services"), |quota| {
            quota["status"]["hard"]["services"] == "0"
        })
        .await;
    scene.apply().await;
    let message = scene
        .until(ConditionType::Accepted, Reason::ApplyFailed)
        .await;
    for says in ["Service", "acme-relay", "no-services"] {
        assert!(message.contains(says), "{message}");
    }
    scene.until(ConditionType::Ready, Reason::ApplyFailed).await;
    scene
        .until(ConditionType::Stalled, Reason::ApplyFailed)
        .await;
    assert_eq!(scene.child(&STATEFUL_SET).await, Value::Null);
    assert_is_not_repeated(&scene).await;
    scene.delete(&QUOTAS, "no-services").await;
    scene.look().await;
    scene.until_installed().await;
    scene.until(ConditionType::Accepted, Reason::Accepted).await;
    scene.end().await;
}

/// What was refused is told again and not tried again, however often the bridge is looked at.
async fn assert_is_not_repeated(scene: &Scene) {
    let paused = "messagingbridge.io/paused";
    let mut mark = scene.plane.mark();
    for round in 0..3 {
        scene.annotate(&json!({paused: "true"})).await;
        scene.until(ConditionType::Accepted, Reason::Paused).await;
        scene.annotate(&json!({paused: null})).await;
        let refused = scene.until(ConditionType::Accepted, Reason::ApplyFailed);
        assert!(refused.await.contains("no-services"));
        if round == 0 {
            // Until then the operator may hear of what it has made itself, which is a change.
            mark = scene.plane.mark();
        }
    }
    let requests = scene.plane.requests(mark).await;
    let tried = requests.iter().find(|request| {
        request.namespace == scene.tenant.name && request.verb == "patch" && request.code == 403
    });
    assert_eq!(tried.map(|request| &request.uri), None);
}
