//! Objects that are stored although they are none: written while the definition did not check them, as by an older
//! release. The definition is everybody's, so that this runs alone.

use http::Method;
use kube::Client;
use messaging_bridge_cluster::wait_for;
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::conditions;
use messaging_bridge_operator_suites::tenant::apply;
use serde_json::{Value, json};

use crate::objects::{BRIDGES, request};
use crate::scene::{OPERATOR, PATIENCE, Scene};

const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/messagingbridges.messagingbridge.io";

async fn versions(client: &Client) -> Value {
    let definition = request(client, &Method::GET, DEFINITION, None)
        .await
        .unwrap();
    definition["spec"]["versions"].clone()
}

async fn set_versions(client: &Client, versions: &Value) {
    let patch = json!({"spec": {"versions": versions}});
    request(client, &Method::PATCH, DEFINITION, Some(&patch))
        .await
        .unwrap();
}

/// Versions that take anything as a spec; fields to select by need a schema that has them.
fn relaxed(versions: &Value) -> Value {
    let mut versions = versions.clone();
    versions[0]
        .as_object_mut()
        .unwrap()
        .remove("selectableFields");
    let schema = &mut versions[0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    schema
        .as_object_mut()
        .unwrap()
        .remove("x-kubernetes-validations");
    versions
}

/// The scene's bridge under another name, with this spec merged into it one level deep.
fn bridge(scene: &Scene, name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut bridge = scene.bridge();
    bridge["metadata"]["name"] = json!(name);
    change(&mut bridge["spec"]);
    bridge
}

/// Tries to create a bridge, or whether it could be created, until the API server takes it, or refuses it.
async fn until_created(scene: &Scene, bridge: &Value, (query, taken): (&str, bool)) {
    let path = format!("{}{query}", BRIDGES.path(&scene.tenant.name, ""));
    let what = format!("{}: taken is {taken}", bridge["metadata"]["name"]);
    let tried = wait_for(&what, PATIENCE, || async {
        match request(&scene.client, &Method::POST, &path, Some(bridge)).await {
            Err(kube::Error::Api(status)) if status.code == 422 && !taken => Ok(()),
            Ok(_) if taken => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    tried.await.unwrap();
}

/// Waits until the bridge, read without its type, is told to be invalid; returns why.
async fn until_invalid(scene: &Scene, name: &str) -> String {
    let bridge = scene
        .until_object("it is told to be invalid", (&BRIDGES, name), |bridge| {
            let accepted = condition(bridge, ConditionType::Accepted);
            accepted["reason"] == Reason::Invalid.as_str()
        })
        .await;
    assert_eq!(bridge["status"]["observedGeneration"], 1, "{bridge}");
    for kind in [ConditionType::Ready, ConditionType::Stalled] {
        let reason = condition(&bridge, kind)["reason"].clone();
        assert_eq!(reason, Reason::Invalid.as_str(), "{bridge}");
    }
    let accepted = condition(&bridge, ConditionType::Accepted);
    conditions::saw(accepted["reason"].as_str().unwrap());
    accepted["message"].as_str().unwrap().to_owned()
}

fn condition(bridge: &Value, kind: ConditionType) -> Value {
    let conditions = bridge["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == kind.as_str());
    found.cloned().unwrap_or_default()
}

const UNREADABLE: [&str; 2] = [
    "cannot be read as a MessagingBridge: spec.twilio.number",
    "kubectl explain",
];

fn assert_names_the_field(why: &str) {
    for says in UNREADABLE {
        assert!(why.contains(says), "{why}");
    }
}

/// Waits until an Event about the bridge tells what its status cannot.
async fn until_event(scene: &Scene, name: &str) -> String {
    let path = "/apis/events.k8s.io/v1/namespaces/beside-them/events";
    let found = wait_for("an Event tells it", PATIENCE, || async {
        let list = request(&scene.client, &Method::GET, path, None)
            .await
            .unwrap();
        let mut events = list["items"].as_array().into_iter().flatten();
        let about = events.find(|event| {
            event["regarding"]["name"] == name && event["reason"] == Reason::Invalid.as_str()
        });
        about
            .map(|event| event["note"].to_string())
            .ok_or_else(|| list.to_string())
    });
    found.await.unwrap()
}

/// A bridge that was right once, changed into another that cannot be read: only its conditions are told anew.
async fn changed(scene: &Scene, name: &str) {
    let integration = json!({"id": "id-1", "name": "n", "apiHost": "api.mypurecloud.com"});
    let known = json!({"status": {"integration": integration, "backlog": 3}});
    scene
        .patch(&BRIDGES, &format!("{name}/status"), &known)
        .await;
    let since =
        |bridge: &Value| condition(bridge, ConditionType::Ready)["lastTransitionTime"].clone();
    let before = since(&scene.read(&BRIDGES, name).await);
    let other = json!({"spec": {"twilio": {"number": 43}}});
    scene.patch(&BRIDGES, name, &other).await;
    let bridge = scene
        .until_object("it is told anew", (&BRIDGES, name), |bridge| {
            bridge["status"]["observedGeneration"] == 2
        })
        .await;
    assert_eq!(bridge["status"]["integration"], integration, "{bridge}");
    assert_eq!(bridge["status"]["backlog"], 3, "{bridge}");
    assert_eq!(since(&bridge), before, "{bridge}");
}

/// Stores one that has no shape of a bridge, and one that has it and breaks a rule; and once more forgets that they
/// were told, while no operator runs. Afterwards the definition is what it was.
async fn stored(scene: &Scene) {
    let strict = versions(&scene.client).await;
    set_versions(&scene.client, &relaxed(&strict)).await;
    let unreadable = bridge(scene, "unreadable", |spec| {
        spec["twilio"]["number"] = json!(42);
    });
    let ruleless = bridge(scene, "ruleless", |spec| {
        spec["publicUrl"] = json!("no address");
    });
    for bridge in [&unreadable, &ruleless] {
        until_created(scene, bridge, ("", true)).await;
    }
    assert_names_the_field(&until_invalid(scene, "unreadable").await);
    changed(scene, "unreadable").await;
    let why = until_invalid(scene, "ruleless").await;
    assert!(why.contains("spec.publicUrl"), "{why}");
    assert_eq!(scene.plane.stop().await, Some(0));
    for name in ["unreadable/status", "ruleless/status"] {
        let untold = json!({"status": {"conditions": null, "observedGeneration": -1}});
        scene.patch(&BRIDGES, name, &untold).await;
    }
    set_versions(&scene.client, &strict).await;
    let probe = bridge(scene, "probe", |spec| {
        spec["publicUrl"] = json!("no address");
    });
    until_created(scene, &probe, ("?dryRun=All", false)).await;
}

pub(crate) async fn an_object_that_cannot_be_read_stops_nobody_and_is_told() {
    let before = Scene::installed("before-them").await;
    let scene = Scene::new("beside-them").await;
    let secrets = [
        scene.tenant.namespace(),
        scene.genesys(),
        scene.tenant.twilio(),
    ];
    apply(scene.plane.cluster, &secrets).await;
    stored(&scene).await;
    // An operator that starts finds them in its first list, and tells them under the strict definition. Of one with a
    // field of another type the API server then takes no status.
    scene.plane.start_again(OPERATOR).await;
    until_invalid(&scene, "ruleless").await;
    assert_names_the_field(&until_event(&scene, "unreadable").await);
    // A new good one, and one that was there before, are looked after as always.
    scene.apply().await;
    scene.until_installed().await;
    before.look().await;
    before.until_installed().await;
    let right = json!({"spec": {"twilio": {"number": scene.tenant.number}}});
    scene.patch(&BRIDGES, "unreadable", &right).await;
    messaging_bridge_operator_suites::until(
        scene.plane.cluster,
        (&scene.tenant.name, "unreadable"),
        ConditionType::Accepted,
        Reason::Accepted,
        PATIENCE,
    )
    .await;
    before.end().await;
    scene.end().await;
}
