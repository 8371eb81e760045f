//! What is made for a bridge, whatever its name.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use http::Method;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use messaging_bridge_cluster::wait_for;
use messaging_bridge_crds::{ConditionType, MessagingBridge, MessagingBridgeStatus, Reason};
use messaging_bridge_operator_suites::tenant::{apply, kubectl};
use serde_json::{Value, json};

use crate::objects::{CHILDREN, CONFIG_MAP, request};
use crate::scene::{PATIENCE, Scene};

/// The first status that is ever written for the tenant's bridge.
async fn first_status(scene: &Scene) -> MessagingBridgeStatus {
    let bridges: Api<MessagingBridge> = Api::namespaced(scene.client.clone(), &scene.tenant.name);
    let mut seen = pin!(bridges.watch(&WatchParams::default(), "0").await.unwrap());
    let first = async {
        while let Some(event) = seen.try_next().await.unwrap() {
            if let WatchEvent::Added(bridge) | WatchEvent::Modified(bridge) = event
                && let Some(status) = bridge.status
                && !status.conditions.is_empty()
            {
                return Some(status);
            }
        }
        None
    };
    let first = tokio::time::timeout(PATIENCE, first).await;
    first.unwrap().unwrap()
}

pub(crate) async fn a_bridge_gets_all_its_objects_and_all_conditions_from_the_first_write() {
    let scene = Scene::new("created").await;
    // A watch from its beginning on misses no write.
    let (status, ()) = tokio::join!(first_status(&scene), scene.apply());
    for condition in ConditionType::ALL {
        let found = status.condition(condition);
        if condition == ConditionType::Stalled {
            assert!(found.is_none(), "{found:?}");
            continue;
        }
        let found = found.unwrap_or_else(|| panic!("{condition} is missing: {status:?}"));
        assert!(!found.message.is_empty(), "{condition} says nothing");
        assert_eq!(found.observed_generation, Some(1), "{condition}");
    }
    assert_eq!(status.observed_generation, 1);
    let urls = status.webhooks.unwrap();
    assert_eq!(
        urls.twilio,
        "https://bridge.example.com/created/twilio/inbound#rc=3&rp=ct,rt,5xx&rt=4000"
    );
    assert_eq!(
        urls.genesys,
        "https://bridge.example.com/created/genesys/outbound"
    );
    scene.until_installed().await;
    for child in CHILDREN {
        let object = scene.child(&child).await;
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!(owner["kind"], "MessagingBridge", "{child:?}");
        assert_eq!(owner["controller"], true, "{child:?}");
    }
    let config = scene.child(&CONFIG_MAP).await;
    let config = config["data"]["relay.yaml"].as_str().unwrap().to_owned();
    assert!(config.contains(&scene.integration), "{config}");
    let status = scene.status().await;
    assert_eq!(status.integration.unwrap().id, scene.integration);
    scene.end().await;
}

/// Every object of these lists that belongs to a bridge, by kind and name.
async fn children_of(scene: &Scene, bridge: &str) -> Vec<Value> {
    let mut children = Vec::new();
    for plural in [
        "/api/v1/namespaces/{}/configmaps",
        "/api/v1/namespaces/{}/serviceaccounts",
        "/api/v1/namespaces/{}/services",
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
        "/apis/apps/v1/namespaces/{}/statefulsets",
        "/api/v1/namespaces/{}/pods",
    ] {
        let path = plural.replace("{}", &scene.tenant.name);
        let list = request(&scene.client, &Method::GET, &path, None)
            .await
            .unwrap();
        let items = list["items"].as_array().unwrap().iter();
        let ours = items
            .filter(|item| item["metadata"]["annotations"]["messagingbridge.io/bridge"] == bridge);
        children.extend(ours.cloned());
    }
    children
}

/// Two Services, and the pod that shows that the names fit: the API server checks the labels that are made of them.
pub(crate) async fn the_longest_and_the_oddest_names_make_valid_objects() {
    let namespace = "n".repeat(63);
    let scene = Scene::new(&namespace).await;
    let longest = format!("{}.{}", "x".repeat(189), "y".repeat(63));
    assert_eq!(longest.len(), 253);
    let names = [
        longest,
        "z".repeat(63),
        "4you.example".to_owned(),
        "a".to_owned(),
    ];
    let bridges: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut bridge = scene.bridge();
            bridge["metadata"]["name"] = json!(name);
            bridge
        })
        .collect();
    let secrets = [scene.genesys(), scene.tenant.twilio()];
    scene.apply_with(&secrets, &bridges[0]).await;
    apply(scene.plane.cluster, &bridges[1..]).await;
    for name in &names {
        let bridge = (namespace.as_str(), name.as_str());
        messaging_bridge_operator_suites::until(
            scene.plane.cluster,
            bridge,
            ConditionType::IntegrationResolved,
            Reason::Resolved,
            PATIENCE,
        )
        .await;
        let what = format!("all objects of {name} are there");
        let whole = wait_for(&what, PATIENCE, || async {
            let found = children_of(&scene, name).await;
            if found.len() == CHILDREN.len() + 1 {
                return Ok(());
            }
            Err(format!("{} of them", found.len()))
        });
        whole.await.unwrap();
        let seen = messaging_bridge_operator_suites::status(scene.plane.cluster, bridge.0, name);
        let seen = seen.await.unwrap();
        let accepted = seen.condition(ConditionType::Accepted).unwrap();
        assert_eq!(accepted.reason, Reason::Accepted.as_str(), "{accepted:?}");
    }
    scene.end().await;
}

pub(crate) async fn bridges_are_found_by_their_number_and_by_their_integration() {
    let scene = Scene::installed("found").await;
    let number = format!("spec.twilio.number={}", scene.tenant.number);
    let integration = format!("spec.genesys.integrationName={}", scene.tenant.name);
    for selector in [number, integration] {
        let found = [
            "get",
            "messagingbridges",
            "-A",
            "-o=name",
            "--field-selector",
            &selector,
        ];
        let found = kubectl(scene.plane.cluster, &found).await;
        assert_eq!(
            found.lines().collect::<Vec<_>>(),
            ["messagingbridge.messagingbridge.io/acme"],
            "{selector}"
        );
    }
    scene.end().await;
}
