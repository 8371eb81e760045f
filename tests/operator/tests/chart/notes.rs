//! What Helm prints after an installation: the next commands, and a warning where a value asks for one.

use messaging_bridge_cluster::{Cluster, Helm};

use crate::rig::{HELMS, RELEASE, alone, chart, text};

/// What is always said.
const NEXT: [&str; 5] = [
    "kubectl -n messaging-bridge rollout status deployment/messaging-bridge-operator",
    "kubectl -n TENANT create secret generic genesys",
    "kubectl -n TENANT create secret generic twilio",
    "kubectl explain messagingbridge.spec",
    "kubectl -n TENANT get messagingbridges -w",
];

/// What is set, and what is then said once.
const WARNED: [(&str, &str); 6] = [
    (
        "platforms.genesysBaseUrl=http://sandbox",
        "WARNING: platforms.* is set",
    ),
    (
        "platforms.twilioBaseUrl=http://sandbox",
        "WARNING: platforms.* is set",
    ),
    (
        "relay.networkPolicy.enabled=false",
        "WARNING: relay.networkPolicy.enabled is false",
    ),
    (
        "operator.httpsProxy=http://proxy:3128",
        "WARNING: operator.httpsProxy is set",
    ),
    (
        "relay.httpsProxy=http://proxy:3128",
        "WARNING: relay.httpsProxy is set",
    ),
    ("crds.install=false", "crds.install is false"),
];

/// What is set and needs no warning.
const QUIET: [&str; 3] = [
    "relay.networkPolicy.monitoringNamespaces={monitoring}",
    "relay.httpsProxy=http://proxy:3128,relay.networkPolicy.extraEgress[0].ports[0].port=3128",
    "operator.networkPolicy.enabled=false,operator.httpsProxy=http://proxy:3128",
];

async fn notes(cluster: &Cluster, helm: Helm, set: &str) -> String {
    let chart = chart();
    let args = [
        "install",
        RELEASE,
        text(&chart),
        "--namespace",
        RELEASE,
        "--dry-run=server",
        "--set",
        set,
    ];
    let said = cluster.helm(helm, &args).await.unwrap().ok();
    let said = said.unwrap_or_else(|error| panic!("{error}"));
    let (_, notes) = said.split_once("NOTES:").unwrap();
    notes.to_owned()
}

#[tokio::test]
async fn the_next_commands_are_said_and_a_risk_is_warned_of() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    for helm in HELMS {
        for (set, warning) in WARNED {
            let notes = notes(cluster, helm, set).await;
            for next in NEXT {
                assert!(notes.contains(next), "{next}\n{notes}");
            }
            assert_eq!(notes.matches(warning).count(), 1, "{set}\n{notes}");
            let warnings = usize::from(warning.starts_with("WARNING"));
            assert_eq!(notes.matches("WARNING").count(), warnings, "{set}\n{notes}");
        }
        for set in QUIET {
            let notes = notes(cluster, helm, set).await;
            assert!(!notes.contains("WARNING"), "{set}\n{notes}");
        }
    }
}
