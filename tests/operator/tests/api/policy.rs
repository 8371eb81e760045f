//! The NetworkPolicy is the one object that the chart can switch off. The chart's values are everybody's, so that this
//! runs alone.

use serde_json::Value;

use crate::objects::{CHILDREN, NETWORK_POLICY};
use crate::scene::{OPERATOR, Scene};

pub(crate) async fn a_policy_that_is_switched_off_is_removed_and_comes_back() {
    let scene = Scene::installed("policy").await;
    let policy = (&NETWORK_POLICY.place, NETWORK_POLICY.name);
    assert_eq!(scene.plane.stop().await, Some(0));
    let mark = scene.plane.mark();
    let off = "networkPolicy: {enabled: false}";
    scene.plane.start_again_with(OPERATOR, off).await;
    scene
        .until_object("the policy is gone", policy, Value::is_null)
        .await;
    let writes = scene.writes(mark).await;
    let deletions: Vec<&String> = writes
        .iter()
        .filter(|write| write.starts_with("delete"))
        .collect();
    assert_eq!(deletions, ["delete networkpolicies acme-relay"]);
    for child in CHILDREN
        .iter()
        .filter(|child| child.place.path("n", "") != NETWORK_POLICY.place.path("n", ""))
    {
        assert_ne!(scene.child(child).await, Value::Null, "{child:?}");
    }
    assert_eq!(scene.plane.stop().await, Some(0));
    scene.plane.start_again(OPERATOR).await;
    scene
        .until_object("the policy is back", policy, |policy| !policy.is_null())
        .await;
    scene.end().await;
}
