//! A bridge that is deleted takes all with it that was made for it, but its claim.

use serde_json::Value;

use crate::objects::{BRIDGES, CHILDREN, CLAIMS, PODS};
use crate::scene::Scene;

pub(crate) async fn a_deleted_bridge_leaves_its_claim_only() {
    let scene = Scene::installed("goes").await;
    scene.delete(&BRIDGES, "acme").await;
    for child in CHILDREN {
        let name = (&child.place, child.name);
        scene
            .until_object("it is collected", name, Value::is_null)
            .await;
    }
    scene
        .until_object(
            "the pod is collected",
            (&PODS, "acme-relay-0"),
            Value::is_null,
        )
        .await;
    let claim = scene.read(&CLAIMS, "data-acme-relay-0").await;
    assert_eq!(
        claim["metadata"]["annotations"]["messagingbridge.io/bridge"],
        "acme"
    );
    assert_eq!(claim["metadata"]["deletionTimestamp"], Value::Null);
    // One of its name comes after it.
    let again = scene.bridge();
    scene.apply_with(&[], &again).await;
    scene.until_installed().await;
    scene.end().await;
}
