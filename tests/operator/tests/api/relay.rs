//! What is told of a relay: how its pod is, and what it says of itself. Why a pod does not start is for the suite with a
//! node.

use messaging_bridge_crds::{ConditionType, Reason};
use serde_json::{Value, json};

use crate::kubelet::POD;
use crate::objects::{BRIDGES, PODS};
use crate::scene::Scene;

/// The relay's status with these lanes.
fn lanes(lanes: &Value) -> Value {
    json!({
        "lanes": lanes, "deadLetters": 2,
        "genesys": {"lastWebhookTime": "2026-01-02T03:04:05Z"},
        "twilio": {"lastWebhookTime": "2026-01-02T03:04:06Z"},
    })
}

fn idle() -> Value {
    lanes(&json!([{"direction": "inbound", "backlog": 0}, {"direction": "outbound", "backlog": 0}]))
}

pub(crate) async fn a_relay_that_starts_runs_and_rolls_is_told() {
    let scene = Scene::installed("starts").await;
    scene.plane.relays.say("starts", idle());
    scene.provide_volume().await;
    scene.run(false).await;
    scene
        .until(ConditionType::RelayAvailable, Reason::Starting)
        .await;
    scene.until(ConditionType::Ready, Reason::Starting).await;
    scene.run(true).await;
    scene
        .until(ConditionType::RelayAvailable, Reason::Available)
        .await;
    let message = scene.until(ConditionType::Ready, Reason::Available).await;
    assert!(message.contains("both ways"), "{message}");
    let row = ["get", "messagingbridge", "acme", "--no-headers"];
    let row = scene.tenant.kubectl(scene.plane.cluster, &row).await;
    assert!(row.contains("True") && row.contains("Available"), "{row}");
    // A pod that ends takes its time on a node: this one waits to be let go.
    let held = |held: &Value| json!({"metadata": {"finalizers": held}});
    scene
        .patch(&PODS, POD, &held(&json!(["example.com/held"])))
        .await;
    scene.delete(&PODS, POD).await;
    let message = scene
        .until(ConditionType::RelayAvailable, Reason::RollingOut)
        .await;
    assert!(message.contains("successor"), "{message}");
    scene.patch(&PODS, POD, &held(&Value::Null)).await;
    scene
        .until_status("the successor is waited for", |status| {
            let relay = status.condition(ConditionType::RelayAvailable);
            relay.is_some_and(|relay| relay.reason == Reason::Starting.as_str())
        })
        .await;
    scene.run(true).await;
    scene.until(ConditionType::Ready, Reason::Available).await;
    scene.end().await;
}

pub(crate) async fn what_a_relay_says_is_told() {
    let scene = Scene::installed("says").await;
    scene.run(true).await;
    // It does not answer yet.
    scene
        .until(ConditionType::Delivering, Reason::RelayUnreachable)
        .await;
    scene.until(ConditionType::Ready, Reason::Available).await;
    let says = |status: Value| scene.plane.relays.say("says", status);
    says(idle());
    scene.look().await;
    scene.until(ConditionType::Delivering, Reason::Idle).await;
    let status = scene.status().await;
    assert_eq!((status.backlog, status.dead_letters), (Some(0), Some(2)));
    assert!(
        status.last_twilio_webhook_time.is_some() && status.last_genesys_webhook_time.is_some()
    );

    let late = json!([{"direction": "outbound", "backlog": 3, "oldestPendingTime": "2026-01-02T03:04:05Z"}]);
    says(lanes(&late));
    scene.look().await;
    let message = scene
        .until(ConditionType::Delivering, Reason::Delayed)
        .await;
    for words in ["towards Twilio", "status.oldestPendingTime"] {
        assert!(message.contains(words), "{message}");
    }
    let status = scene.status().await;
    assert_eq!(status.backlog, Some(3));
    assert!(status.oldest_pending_time.is_some());

    let blocked = json!([{
        "direction": "inbound", "backlog": 3, "oldestPendingTime": "2026-01-02T03:04:05Z",
        "blocked": {"cause": "Permission", "fix": "give the role the permission"},
    }]);
    says(lanes(&blocked));
    scene.look().await;
    let message = scene
        .until(ConditionType::Delivering, Reason::Blocked)
        .await;
    assert!(
        message.contains("give the role the permission"),
        "{message}"
    );
    scene.until(ConditionType::Stalled, Reason::Blocked).await;
    // A backlog, and even a standstill, is no reason to call the bridge broken.
    scene.until(ConditionType::Ready, Reason::Available).await;
    says(idle());
    scene.look().await;
    scene.until(ConditionType::Delivering, Reason::Idle).await;
    let bridge = scene.read(&BRIDGES, "acme").await;
    let conditions = bridge["status"]["conditions"].to_string();
    assert!(!conditions.contains("Stalled"), "{conditions}");
    scene.end().await;
}
