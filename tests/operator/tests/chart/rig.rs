//! What the cases share: the cluster, the chart rendered, and whose turn it is.

use std::path::PathBuf;

use messaging_bridge_cluster::{Cluster, Helm, Level, Output};
use messaging_bridge_operator_suites::repository;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Both, for what must hold with either.
pub(crate) const HELMS: [Helm; 2] = [Helm::V3, Helm::V4];

pub(crate) use messaging_bridge_operator_suites::pages::read;

/// The name and the namespace of the guides' release.
pub(crate) const RELEASE: &str = "messaging-bridge";
/// The definition.
pub(crate) const DEFINITION: &str = "messagingbridges.messagingbridge.io";

static TURN: RwLock<()> = RwLock::const_new(());

/// To render only, which asks nobody.
pub(crate) async fn cluster() -> &'static Cluster {
    match Cluster::shared(Level::Api).await {
        Ok(cluster) => cluster,
        Err(error) => panic!("{error}"),
    }
}

/// To try objects, beside others that change nothing in the cluster.
pub(crate) async fn beside() -> (&'static Cluster, RwLockReadGuard<'static, ()>) {
    let guard = TURN.read().await;
    (cluster().await, guard)
}

/// Alone, in a cluster without the definition and without a release. None on a cluster that was given: others' bridges
/// may be there.
pub(crate) async fn alone() -> Option<(&'static Cluster, RwLockWriteGuard<'static, ()>)> {
    if Cluster::given() {
        left_out();
        return None;
    }
    let guard = TURN.write().await;
    let cluster = cluster().await;
    clear(cluster).await;
    Some((cluster, guard))
}

#[expect(
    clippy::print_stderr,
    reason = "a case that is left out must not look as if it had been tried"
)]
fn left_out() {
    eprintln!(
        "left out: it would remove the definition, with all bridges, from a cluster that was given"
    );
}

/// Removes every release, and the definition with what is left of bridges.
pub(crate) async fn clear(cluster: &Cluster) {
    for (namespace, release) in releases(cluster).await {
        let uninstall = ["uninstall", &release, "-n", &namespace];
        let done = cluster.helm(Helm::V4, &uninstall).await;
        done.and_then(Output::ok).unwrap();
    }
    kubectl(
        cluster,
        &["delete", "crd", DEFINITION, "--ignore-not-found"],
    )
    .await;
}

async fn releases(cluster: &Cluster) -> Vec<(String, String)> {
    let list = ["list", "--all-namespaces", "--all", "-o", "json"];
    let list = cluster.helm(Helm::V3, &list).await.and_then(Output::ok);
    let list: Vec<Value> = serde_json::from_str(&list.unwrap()).unwrap();
    let word = |release: &Value, key: &str| release[key].as_str().unwrap().to_owned();
    list.iter()
        .map(|release| (word(release, "namespace"), word(release, "name")))
        .collect()
}

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    repository("charts/messaging-bridge")
}

/// A copy of the chart with another definition: of another version.
pub(crate) fn chart_with_definition(change: impl Fn(&str) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copy = std::process::Command::new("cp")
        .args(["-r", &format!("{}/.", text(&chart())), text(folder.path())])
        .status();
    assert!(copy.unwrap().success());
    let template = folder.path().join("templates/crds/messagingbridges.yaml");
    let before = std::fs::read_to_string(&template).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "it is another");
    std::fs::write(&template, after).unwrap();
    folder
}

/// A path as Helm takes it.
pub(crate) fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// Runs kubectl, which must succeed; returns what it wrote.
pub(crate) async fn kubectl(cluster: &Cluster, args: &[&str]) -> String {
    messaging_bridge_operator_suites::tenant::kubectl(cluster, args).await
}

/// What Helm makes of the chart with these arguments, as it says it.
pub(crate) async fn rendered_text(
    cluster: &Cluster,
    helm: Helm,
    release: &str,
    args: &[&str],
) -> Output {
    let chart = chart();
    // A Helm that was built from its module takes the cluster for one of 1.20, unless it asks one.
    let version = "--kube-version=1.33";
    let mut all = vec![
        "template",
        release,
        text(&chart),
        version,
        "--namespace",
        RELEASE,
    ];
    all.extend(args);
    cluster.helm(helm, &all).await.unwrap()
}

/// The objects that Helm makes of the chart with these arguments.
pub(crate) async fn rendered(cluster: &Cluster, helm: Helm, args: &[&str]) -> Vec<Value> {
    rendered_as(cluster, helm, RELEASE, args).await
}

/// The objects of a release of another name.
pub(crate) async fn rendered_as(
    cluster: &Cluster,
    helm: Helm,
    release: &str,
    args: &[&str],
) -> Vec<Value> {
    match rendered_text(cluster, helm, release, args).await.ok() {
        Ok(text) => objects(&text),
        Err(error) => panic!("{error}"),
    }
}

/// The objects of a YAML stream.
pub(crate) fn objects(stream: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(stream).unwrap();
    all.into_iter().filter(|object| !object.is_null()).collect()
}

/// Kind and name of each object, sorted.
pub(crate) fn list(objects: &[Value]) -> Vec<String> {
    let mut list: Vec<String> = objects
        .iter()
        .map(|object| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!(
                "{} {}",
                word(&object["kind"]),
                word(&object["metadata"]["name"])
            )
        })
        .collect();
    list.sort();
    list
}

/// The only object of this kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there is more than one {kind}");
    first
}

/// The settings that the operator is given.
pub(crate) fn settings(objects: &[Value]) -> &str {
    only(objects, "ConfigMap")["data"]["operator.yaml"]
        .as_str()
        .unwrap()
}

/// What the API server says to objects that are tried and not kept. Unknown fields are refused, as kubectl does.
pub(crate) async fn tried(cluster: &Cluster, objects: &[Value]) -> Output {
    let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
    let stream = texts.join("\n---\n");
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "-f",
        "-",
    ];
    cluster.kubectl_with(&apply, &stream).await.unwrap()
}

/// A namespace, if it is not there; with labels.
pub(crate) async fn namespace(cluster: &Cluster, name: &str, labels: &Value) {
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
    });
    if let Err(error) = cluster.apply(&namespace.to_string()).await {
        panic!("{error}");
    }
}
