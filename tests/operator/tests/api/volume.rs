//! A volume that is to be larger: the claim is patched, the StatefulSet made anew.

use messaging_bridge_crds::{ConditionType, Reason};
use serde_json::json;

use crate::objects::{CLAIMS, STATEFUL_SET};
use crate::scene::Scene;

/// The namespace in which the API server refuses to make a claim larger, by the code of a missing right.
pub(crate) const THAT_CANNOT_GROW: &str = "cannot-grow";

pub(crate) async fn a_volume_that_cannot_grow_is_named_and_the_workload_is_made_anew() {
    let scene = Scene::installed(THAT_CANNOT_GROW).await;
    scene.provide_volume().await;
    let [workload, ..] = scene.relay().await;
    scene
        .respec(&json!({"queue": {"embedded": {"size": "2Gi"}}}))
        .await;
    let message = scene
        .until(ConditionType::Accepted, Reason::ApplyFailed)
        .await;
    for says in ["data-acme-relay-0", "2Gi", "allowVolumeExpansion"] {
        assert!(message.contains(says), "{message}");
    }
    let claim = scene.read(&CLAIMS, "data-acme-relay-0").await;
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "1Gi");
    // The template has the new size. The pod follows, since the queue's limits follow the size.
    let size = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";
    let anew = scene
        .until_object(
            "the workload is made anew",
            (&STATEFUL_SET.place, STATEFUL_SET.name),
            |object| object.pointer(size) == Some(&json!("2Gi")),
        )
        .await;
    assert_ne!(anew["metadata"]["uid"], workload);
    scene.end().await;
}
