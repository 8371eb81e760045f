//! Events tell what has changed, once, and not what is.

use http::Method;
use messaging_bridge_cluster::wait_for;
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::tenant::apply;

use crate::objects::{SECRETS, request};
use crate::scene::{PATIENCE, Scene};

/// The Events about the bridge, oldest first: type, reason, and how often it was told again.
async fn events(scene: &Scene) -> Vec<(String, String, i64)> {
    let path = format!(
        "/apis/events.k8s.io/v1/namespaces/{}/events",
        scene.tenant.name
    );
    let list = request(&scene.client, &Method::GET, &path, None)
        .await
        .unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let about_us = items.filter(|event| event["regarding"]["kind"] == "MessagingBridge");
    let mut events: Vec<_> = about_us
        .map(|event| {
            let word = |name: &str| event[name].as_str().unwrap().to_owned();
            let again = event["series"]["count"].as_i64().unwrap_or_default();
            (word("eventTime"), (word("type"), word("reason"), again))
        })
        .collect();
    events.sort();
    events.into_iter().map(|(_, event)| event).collect()
}

async fn until_events(scene: &Scene, wanted: &[(&str, &str)]) {
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(kind, reason)| ((*kind).to_owned(), (*reason).to_owned(), 0))
        .collect();
    let found = wait_for("the Events", PATIENCE, || async {
        let events = events(scene).await;
        if events == wanted {
            Ok(())
        } else {
            Err(format!("{events:?}"))
        }
    });
    found.await.unwrap();
    // It does not change by looking again.
    scene.look().await;
    assert_eq!(events(scene).await, wanted);
}

pub(crate) async fn events_are_for_transitions_only() {
    let scene = Scene::installed("news").await;
    // A claim that is not bound is told; all that is right from the first moment on is not.
    let pending = ("Warning", "VolumePending");
    until_events(&scene, &[pending]).await;
    scene.delete(&SECRETS, "genesys").await;
    scene
        .until(ConditionType::CredentialsValid, Reason::SecretMissing)
        .await;
    let missing = ("Warning", "SecretMissing");
    until_events(&scene, &[pending, missing]).await;
    apply(scene.plane.cluster, &[scene.genesys()]).await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    let mended = ("Normal", "Valid");
    until_events(&scene, &[pending, missing, mended]).await;
    scene.end().await;
}
