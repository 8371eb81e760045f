//! What the guides say of the chart: their commands run as they stand there, their examples render, their tables are
//! complete.

use std::time::Duration;

use messaging_bridge_clients::Platform;
use messaging_bridge_cluster::{Binary, Helm};
use messaging_bridge_operator::admin::Metrics;
use messaging_bridge_operator_suites::pages::{self, fenced, read};
use messaging_bridge_operator_suites::{repository, tenant};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::rig::{DEFINITION, RELEASE, alone, cluster, kubectl, rendered, text};

const INSTALL: &str = "docs/guides/install.md";
const UNINSTALL: &str = "docs/guides/uninstall.md";
/// Stands in for the reader's own file.
const VALUES: &str = "--values charts/messaging-bridge/examples/minimal.yaml";

/// The commands of the one block that holds all of this, with the reader's values.
fn commands(page: &str, with: &[&str]) -> String {
    pages::commands(page, with).replace("--values values.yaml", VALUES)
}

/// Those of the plain installation.
fn installation() -> String {
    let mut found = fenced(INSTALL, "sh");
    found.retain(|block| block.contains("helm install") && !block.contains("crds."));
    assert_eq!(found.len(), 1);
    found.remove(0).replace("--values values.yaml", VALUES)
}

#[tokio::test]
async fn the_install_guide_names_all_that_is_created() {
    let page = read(INSTALL);
    for object in rendered(cluster().await, Helm::V4, &[]).await {
        for word in [&object["kind"], &object["metadata"]["name"]] {
            let word = word.as_str().unwrap();
            assert!(page.contains(word), "{word}");
        }
    }
}

#[tokio::test]
async fn the_install_guides_values_render() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let blocks = fenced(INSTALL, "yaml");
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let file = folder.path().join("values.yaml");
        std::fs::write(&file, block).unwrap();
        let objects = rendered(cluster, Helm::V4, &["--values", text(&file)]).await;
        assert_eq!(objects.len(), 10);
    }
}

#[test]
fn the_install_guide_explains_every_metric_of_the_operator() {
    let page = read(INSTALL);
    let metrics = Metrics::new();
    metrics.reconciled("ok", Duration::ZERO);
    metrics.called(Platform::Twilio, "read_number", "ok", Duration::ZERO);
    let text = metrics.text().unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert_eq!(names.len(), 6, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("| `{name}")), "{name}");
    }
}

#[tokio::test]
async fn the_guides_commands_install_upgrade_and_remove_everything() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    pages::run(cluster, &installation()).await;
    let look = commands(INSTALL, &["rollout status", "Established"]);
    // Nothing runs pods here; the rest of the block is true.
    let (_, look) = look.split_once('\n').unwrap();
    pages::run(cluster, look).await;
    pages::run(cluster, &commands(INSTALL, &["helm upgrade"])).await;
    pages::run(cluster, &commands(INSTALL, &["pod-security"])).await;
    let (bridge, claim) = (a_bridge(), a_claim());
    tenant::apply(cluster, &[bridge.0, bridge.1, claim]).await;

    let uninstall = &fenced(UNINSTALL, "sh")[0];
    pages::run(cluster, uninstall).await;
    pages::run(cluster, &installation()).await;
    let list = pages::run(cluster, &commands(UNINSTALL, &["get messagingbridges"])).await;
    assert!(list.contains("acme"), "{list}");
    pages::run(cluster, &commands(UNINSTALL, &["delete messagingbridges"])).await;
    pages::run(cluster, &commands(UNINSTALL, &["delete crd"])).await;
    let said = pages::run(cluster, &commands(UNINSTALL, &["delete pvc"])).await;
    assert!(said.contains("data-acme-relay-0"), "{said}");
    pages::run(cluster, &commands(UNINSTALL, &["delete namespace"])).await;

    let crds = kubectl(cluster, &["get", "crd", "-o", "name"]).await;
    assert!(!crds.contains(DEFINITION), "{crds}");
    let namespaces = kubectl(cluster, &["get", "namespaces", "-o", "name"]).await;
    assert!(!namespaces.contains(RELEASE), "{namespaces}");
    let claims = kubectl(cluster, &["get", "pvc", "-A", "-o", "name"]).await;
    assert_eq!(claims, "");
}

fn a_bridge() -> (Value, Value) {
    let tenant = tenant::Tenant::new("guided", 2, "https://bridge.example.com/guided");
    (tenant.namespace(), tenant.bridge())
}

/// As the StatefulSet's template makes it.
fn a_claim() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "data-acme-relay-0",
            "namespace": "guided",
            "labels": {"app.kubernetes.io/managed-by": "messaging-bridge-operator"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    })
}

#[tokio::test]
async fn the_guides_two_ways_past_a_definition_that_is_there_lead_on() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    pages::run(cluster, &commands(INSTALL, &["kubectl apply", "crds/"])).await;
    let stops = format!("if {}; then exit 1; fi", installation().trim());
    pages::run(cluster, &stops).await;
    pages::run(cluster, &commands(INSTALL, &["crds.install=false"])).await;
    pages::run(cluster, &fenced(UNINSTALL, "sh")[0]).await;
    pages::run(cluster, &commands(INSTALL, &["--take-ownership"])).await;
}

#[tokio::test]
async fn the_page_of_values_is_what_the_values_comments_say() {
    let tool = tokio::task::spawn_blocking(|| Binary::HelmDocs.path()).await;
    let tool = tool.unwrap().unwrap_or_else(|error| panic!("{error}"));
    let check = Command::new(repository("scripts/chart-values"))
        .arg("check")
        .env("HELM_DOCS", tool)
        .output()
        .await
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}
