//! Names: whatever a release or an override is called, what comes of it is legal, short enough, and the same everywhere.

use messaging_bridge_cluster::Helm;
use serde_json::{Value, json};

use crate::rig::{RELEASE, beside, cluster, list, namespace, only, rendered_as, tried};

/// The longest that Helm lets a release be called.
const LONGEST_RELEASE: &str = "a-release-that-has-the-longest-name-that-helm-permits";
const LONGEST: &str = "a-name-of-sixty-three-characters-as-long-as-a-label-may-ever-be";

/// A release, what else is set, and what the operator's objects are called.
const CASES: [(&str, &str, &str); 10] = [
    ("messaging-bridge", "", "messaging-bridge-operator"),
    ("texts", "", "texts-messaging-bridge-operator"),
    ("texts", "nameOverride=mb", "texts-mb-operator"),
    ("texts", "fullnameOverride=mb", "mb-operator"),
    (
        LONGEST_RELEASE,
        "",
        "a-release-that-has-the-longest-name-that-hel-operator",
    ),
    (
        "texts",
        "nameOverride=a-name-of-sixty-three-characters-as-long-as-a-label-may-ever-be",
        "texts-a-name-of-sixty-three-characters-as-lo-operator",
    ),
    (
        "texts",
        "fullnameOverride=a-name-of-sixty-three-characters-as-long-as-a-label-may-ever-be",
        "a-name-of-sixty-three-characters-as-long-as-operator",
    ),
    // A Service's name has no dot and begins with a letter.
    ("texts.eu", "", "texts-eu-messaging-bridge-operator"),
    ("2026", "", "mb-2026-messaging-bridge-operator"),
    ("2026", "fullnameOverride=2027", "mb-2027-operator"),
];

#[tokio::test]
async fn whatever_a_release_is_called_the_api_server_takes_it() {
    assert_eq!((LONGEST_RELEASE.len(), LONGEST.len()), (53, 63));
    let (cluster, _turn) = beside().await;
    namespace(cluster, RELEASE, &json!({})).await;
    for (release, set, name) in CASES {
        let args: &[&str] = if set.is_empty() {
            &[]
        } else {
            &["--set-string", set]
        };
        let objects = rendered_as(cluster, Helm::V4, release, args).await;
        let said = tried(cluster, &objects).await;
        assert!(said.succeeded(), "{release} {set}: {said}");
        for kind in [
            "Deployment",
            "Service",
            "ClusterRoleBinding",
            "NetworkPolicy",
        ] {
            assert_eq!(
                only(&objects, kind)["metadata"]["name"],
                name,
                "{release} {set}"
            );
        }
        assert!(
            list(&objects).contains(&format!("ClusterRole {name}")),
            "{release} {set}"
        );
    }
}

#[tokio::test]
async fn what_refers_to_another_object_names_it_as_it_is_called() {
    let cluster = cluster().await;
    for (release, set, name) in CASES {
        let args: &[&str] = if set.is_empty() {
            &[]
        } else {
            &["--set-string", set]
        };
        let objects = rendered_as(cluster, Helm::V4, release, args).await;
        let deployment = &only(&objects, "Deployment")["spec"];
        let pod = &deployment["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], name);
        assert_eq!(pod["volumes"][0]["configMap"]["name"], name);
        let binding = only(&objects, "ClusterRoleBinding");
        assert_eq!(binding["roleRef"]["name"], name);
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": name, "namespace": RELEASE}])
        );
        let labels = deployment["template"]["metadata"]["labels"]
            .as_object()
            .unwrap();
        let selectors: [&Value; 3] = [
            &deployment["selector"]["matchLabels"],
            &only(&objects, "Service")["spec"]["selector"],
            &only(&objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        ];
        for selector in selectors {
            for (label, value) in selector.as_object().unwrap() {
                assert_eq!(labels.get(label), Some(value), "{release} {set}");
            }
        }
    }
}
