//! The two annotations by which a person steers the operator.

use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_sandbox::NumberSettings;
use serde_json::{Value, json};

use crate::objects::{CHILDREN, CONFIG_MAP};
use crate::scene::Scene;

const PAUSED: &str = "messagingbridge.io/paused";

pub(crate) async fn a_paused_bridge_is_left_as_it_is_and_its_status_is_kept() {
    let scene = Scene::new("paused").await;
    let mut bridge = scene.bridge();
    bridge["metadata"]["annotations"][PAUSED] = json!("true");
    let secrets = [scene.genesys(), scene.tenant.twilio()];
    scene.apply_with(&secrets, &bridge).await;
    scene.until(ConditionType::Accepted, Reason::Paused).await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Configured)
        .await;
    let message = scene
        .until(ConditionType::RelayAvailable, Reason::NotInstalled)
        .await;
    assert!(message.contains(PAUSED), "{message}");
    for child in CHILDREN {
        assert_eq!(scene.child(&child).await, Value::Null, "{child:?}");
    }
    scene.annotate(&json!({PAUSED: null})).await;
    scene.until(ConditionType::Accepted, Reason::Accepted).await;
    scene.until_installed().await;

    scene.annotate(&json!({PAUSED: "true"})).await;
    scene.until(ConditionType::Accepted, Reason::Paused).await;
    let by_hand = json!({"data": {"relay.yaml": "by hand"}});
    scene
        .patch(&CONFIG_MAP.place, CONFIG_MAP.name, &by_hand)
        .await;
    let moved = NumberSettings {
        sms_url: Some("https://elsewhere.example.com".to_owned()),
        ..NumberSettings::default()
    };
    scene
        .plane
        .sandbox
        .put_number(&scene.tenant.number, &moved)
        .unwrap();
    let mark = scene.plane.mark();
    scene.look().await;
    scene
        .until(
            ConditionType::WebhooksConfigured,
            Reason::TwilioWebhookDiffers,
        )
        .await;
    assert_eq!(scene.child(&CONFIG_MAP).await["data"], by_hand["data"]);
    let writes = scene.writes(mark).await;
    let others = |write: &&String| {
        !write.starts_with("patch messagingbridges/status") && !write.contains(" events")
    };
    assert_eq!(writes.iter().find(others), None);
    scene.annotate(&json!({PAUSED: null})).await;
    scene
        .until_object(
            "it is put back",
            (&CONFIG_MAP.place, CONFIG_MAP.name),
            |config| config["data"] != by_hand["data"],
        )
        .await;
    scene.end().await;
}

pub(crate) async fn a_look_that_is_asked_for_is_had_once() {
    let scene = Scene::installed("looks").await;
    let first = scene.status().await.last_handled_reconcile_at;
    assert_eq!(first.as_deref(), Some("look-0"));
    let mark = scene.plane.sandbox.request_mark();
    let status = scene.look().await;
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("look-1"));
    let asked = scene.questions(mark);
    assert_eq!(asked, 1, "the number was asked for");
    // Another change brings the bridge up, and no platform is asked for it: that was had.
    scene.annotate(&json!({PAUSED: "true"})).await;
    scene.until(ConditionType::Accepted, Reason::Paused).await;
    scene.annotate(&json!({PAUSED: null})).await;
    scene.until(ConditionType::Accepted, Reason::Accepted).await;
    assert_eq!(scene.questions(mark), 1);
    scene.end().await;
}
