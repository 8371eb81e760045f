//! A whole platform that is in trouble: it concerns every bridge, so that these run alone.

use messaging_bridge_cluster::wait_for;
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_sandbox::{AccountSettings, Effect, Endpoint, Fault, Faults};

use serde_json::Value;

use crate::objects::BRIDGES;
use crate::scene::{PATIENCE, Scene};

fn account(status: &str) -> AccountSettings {
    AccountSettings {
        status: Some(status.to_owned()),
        ..AccountSettings::default()
    }
}

pub(crate) async fn a_suspended_account_is_named() {
    let scene = Scene::installed("suspended").await;
    let relay = scene.relay().await;
    scene
        .plane
        .sandbox
        .change_account(account("suspended"))
        .unwrap();
    scene.look().await;
    let message = scene
        .until(ConditionType::CredentialsValid, Reason::AccountSuspended)
        .await;
    assert!(message.contains("reactivate the account"), "{message}");
    scene
        .until(ConditionType::Ready, Reason::AccountSuspended)
        .await;
    assert_eq!(scene.relay().await, relay);
    scene
        .plane
        .sandbox
        .change_account(account("active"))
        .unwrap();
    scene.look().await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    scene.end().await;
}

/// Both platforms answer 503.
fn down() -> Faults {
    let effect = || Effect::Status {
        status: 503,
        body: None,
    };
    let ends = [Endpoint::GenesysApi, Endpoint::TwilioApi];
    Faults {
        rules: ends.map(|end| Fault::new(end, effect())).into(),
    }
}

/// Looks until Genesys is heard again: for some seconds all who ask share a failure.
async fn until_heard(scene: &Scene) {
    let heard = wait_for("Genesys is heard again", PATIENCE, || async {
        let status = scene.look().await;
        let integration = status.condition(ConditionType::IntegrationResolved);
        match integration.filter(|found| found.status == "True") {
            Some(_) => Ok(()),
            None => Err(format!("{integration:?}")),
        }
    });
    heard.await.unwrap();
}

pub(crate) async fn a_platform_that_does_not_answer_is_unknown() {
    let known = Scene::installed("known").await;
    known.plane.sandbox.set_faults(down());
    // What was known stands until three looks in a row were in vain.
    let parts = [
        ConditionType::CredentialsValid,
        ConditionType::IntegrationResolved,
        ConditionType::WebhooksConfigured,
    ];
    for _ in 0..2 {
        let status = known.look().await;
        for part in parts {
            assert_eq!(status.condition(part).unwrap().status, "True", "{status:?}");
        }
    }
    let relay = known.relay().await;
    known.look().await;
    for part in parts {
        let message = known.until(part, Reason::PlatformUnreachable).await;
        assert!(message.contains("503"), "{message}");
    }
    known
        .until(ConditionType::Ready, Reason::VolumePending)
        .await;
    assert_eq!(known.relay().await, relay);
    // A new bridge is told at once.
    let new = Scene::new("new-meanwhile").await;
    new.apply().await;
    for part in parts {
        new.until(part, Reason::PlatformUnreachable).await;
    }
    new.until(ConditionType::RelayAvailable, Reason::NotInstalled)
        .await;
    known.plane.sandbox.set_faults(Faults::default());
    for scene in [known, new] {
        until_heard(&scene).await;
        scene.until_installed().await;
        scene.end().await;
    }
}

/// Both platforms take their time.
fn slow() -> Faults {
    let ends = [Endpoint::GenesysApi, Endpoint::TwilioApi];
    Faults {
        rules: ends
            .map(|end| Fault::new(end, Effect::Latency { millis: 8000 }))
            .into(),
    }
}

pub(crate) async fn a_bridge_is_told_before_it_is_looked_at_and_one_made_anew_is_another() {
    let scene = Scene::new("made-anew").await;
    scene.plane.sandbox.set_faults(slow());
    let mark = scene.plane.mark();
    scene.apply().await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Pending)
        .await;
    let status = scene.status().await;
    let there = |kind: &ConditionType| status.condition(*kind).is_some();
    let missing = ConditionType::ALL.into_iter().find(|kind| !there(kind));
    assert_eq!(missing, Some(ConditionType::Stalled), "{status:?}");
    assert_eq!(status.last_handled_reconcile_at, None);
    // Another of its name is there when the platforms have answered: nothing is said of it that was asked for the first.
    let first = scene.read(&BRIDGES, "acme").await["metadata"]["uid"].clone();
    scene.delete(&BRIDGES, "acme").await;
    scene
        .until_object("it is gone", (&BRIDGES, "acme"), Value::is_null)
        .await;
    scene.apply().await;
    let second = scene.read(&BRIDGES, "acme").await["metadata"]["uid"].clone();
    assert_ne!(first, second);
    scene.plane.sandbox.set_faults(Faults::default());
    scene.until_installed().await;
    let requests = scene.plane.requests(mark).await;
    let refused: Vec<u16> = requests
        .iter()
        .filter(|request| request.namespace == scene.tenant.name)
        .filter(|request| request.resource == "messagingbridges/status" && request.code != 200)
        .map(|request| request.code)
        .collect();
    assert_eq!(refused, [409]);
    scene.end().await;
}
