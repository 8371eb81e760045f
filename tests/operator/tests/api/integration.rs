//! The integration that a name leads to, and what becomes of a relay when it leads elsewhere.

use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::control_plane::set_up;
use messaging_bridge_sandbox::IntegrationSettings;
use serde_json::json;

use crate::objects::{CONFIG_MAP, STATEFUL_SET};
use crate::scene::Scene;

fn named(name: &str) -> IntegrationSettings {
    IntegrationSettings {
        name: Some(name.to_owned()),
        ..IntegrationSettings::default()
    }
}

impl Scene {
    fn rename_integration(&self, name: &str) {
        let sandbox = &self.plane.sandbox;
        sandbox
            .change_integration(&self.integration, named(name))
            .unwrap();
    }

    /// The same relay with the same configuration as before.
    async fn assert_runs_on(&self, before: &(serde_json::Value, [serde_json::Value; 3])) {
        let config = self.child(&CONFIG_MAP).await;
        assert_eq!((config["data"].clone(), self.relay().await), *before);
    }
}

pub(crate) async fn a_name_that_nobody_has_gets_the_nearest_names() {
    let scene = Scene::new("not-found").await;
    scene.rename_integration("not-fuond");
    scene.apply().await;
    let message = scene
        .until(ConditionType::IntegrationResolved, Reason::NotFound)
        .await;
    for says in [
        "did you mean \"not-fuond\"",
        "spec.genesys.integrationName",
        "api.mypurecloud.com",
    ] {
        assert!(message.contains(says), "{message}");
    }
    scene.until(ConditionType::Ready, Reason::NotFound).await;
    scene.until(ConditionType::Stalled, Reason::NotFound).await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Pending)
        .await;
    scene
        .until(ConditionType::RelayAvailable, Reason::NotInstalled)
        .await;
    // The other way to mend it: the bridge takes the name.
    scene
        .respec(&json!({"genesys": {"integrationName": "not-fuond"}}))
        .await;
    scene.until_installed().await;
    scene.end().await;
}

pub(crate) async fn a_name_that_two_have_gets_both_ids() {
    let scene = Scene::new("ambiguous").await;
    let second = scene
        .plane
        .sandbox
        .create_integration(named("ambiguous"))
        .unwrap();
    scene.apply().await;
    let message = scene
        .until(ConditionType::IntegrationResolved, Reason::Ambiguous)
        .await;
    for says in [scene.integration.as_str(), &second, "rename all but one"] {
        assert!(message.contains(says), "{message}");
    }
    scene.until(ConditionType::Ready, Reason::Ambiguous).await;
    scene.plane.sandbox.remove_integration(&second).unwrap();
    scene.look().await;
    scene.until_installed().await;
    scene.end().await;
}

pub(crate) async fn a_renamed_or_duplicated_integration_is_seen_and_the_relay_stays() {
    let scene = Scene::installed("renamed").await;
    let before = (
        scene.child(&CONFIG_MAP).await["data"].clone(),
        scene.relay().await,
    );
    let sandbox = &scene.plane.sandbox;

    scene.rename_integration("renamed-by-somebody");
    scene.look().await;
    let message = scene
        .until(ConditionType::IntegrationResolved, Reason::NotFound)
        .await;
    assert!(message.contains("renamed-by-somebody"), "{message}");
    scene.assert_runs_on(&before).await;
    scene.rename_integration("renamed");
    scene.look().await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;

    let second = sandbox.create_integration(named("renamed")).unwrap();
    scene.look().await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::Ambiguous)
        .await;
    scene.assert_runs_on(&before).await;
    sandbox.remove_integration(&second).unwrap();
    scene.look().await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;
    scene.end().await;
}

pub(crate) async fn a_deleted_integration_is_seen_and_one_made_anew_taken_up() {
    let scene = Scene::installed("deleted").await;
    let before = (
        scene.child(&CONFIG_MAP).await["data"].clone(),
        scene.relay().await,
    );
    let sandbox = &scene.plane.sandbox;
    sandbox.remove_integration(&scene.integration).unwrap();
    scene.look().await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::NotFound)
        .await;
    scene.assert_runs_on(&before).await;
    assert_eq!(
        scene.status().await.integration.unwrap().id,
        scene.integration
    );

    // One that is made anew has another id, and the relay is told.
    let made = set_up(sandbox, &scene.tenant);
    scene.look().await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Configured)
        .await;
    scene
        .until_object(
            "the new id",
            (&CONFIG_MAP.place, CONFIG_MAP.name),
            |config| {
                config["data"]["relay.yaml"]
                    .as_str()
                    .is_some_and(|text| text.contains(&made))
            },
        )
        .await;
    assert_eq!(scene.relay().await[0], before.1[0], "another StatefulSet");
    scene.end().await;
}

pub(crate) async fn a_bridge_for_another_integration_waits_with_its_relay_as_it_was() {
    let scene = Scene::installed("other-name").await;
    let before = (
        scene.child(&CONFIG_MAP).await["data"].clone(),
        scene.relay().await,
    );
    // What else changes in the bridge waits as well: half a configuration would be another bridge.
    let spec = json!({"genesys": {"integrationName": "nobody-has-this"}, "publicUrl": "https://other.example.com/x"});
    scene.respec(&spec).await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::NotFound)
        .await;
    scene.assert_runs_on(&before).await;
    assert_eq!(
        scene.status().await.integration.unwrap().id,
        scene.integration
    );
    scene.rename_integration("nobody-has-this");
    scene.look().await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;
    let elsewhere = scene
        .until(
            ConditionType::WebhooksConfigured,
            Reason::TwilioWebhookDiffers,
        )
        .await;
    assert!(
        elsewhere.contains("https://other.example.com/x/twilio/inbound"),
        "{elsewhere}"
    );
    let (place, name) = (&STATEFUL_SET.place, STATEFUL_SET.name);
    scene
        .until_object("a new template", (place, name), |object| {
            object["metadata"]["generation"] != before.1[1]
        })
        .await;
    scene.end().await;
}
