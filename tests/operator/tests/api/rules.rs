//! What the API server accepts and refuses: the very table of cases that the check without a cluster is tested with.

use std::collections::BTreeMap;

use http::{Request, StatusCode};
use messaging_bridge_cluster::{Cluster, Level, Output, wait_for};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::scene::{PATIENCE, plane};

const TABLE: &str = include_str!("../../../../crds/tests/bridge-rules.yaml");
const BASE: &str = include_str!("../../../../crds/examples/full.yaml");
const CRD: &str = include_str!("../../../../crds/messagingbridges.yaml");
const NAMESPACE: &str = "rules";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    fill: BTreeMap<String, usize>,
    #[serde(default)]
    was: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    refused: Vec<Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    field: String,
    #[serde(default)]
    says: String,
    /// What the check without a cluster says where it says more.
    #[serde(default)]
    #[expect(dead_code, reason = "the other check's words")]
    offline: String,
}

/// The base, changed; `null` removes a field.
fn changed(changes: &BTreeMap<String, Value>, name: &str) -> Value {
    let mut manifest: Value = serde_saphyr::from_str(BASE).unwrap();
    manifest["metadata"] = json!({"name": name, "namespace": NAMESPACE});
    for (field, value) in changes {
        let mut parts: Vec<&str> = field.split('.').collect();
        let last = parts.pop().unwrap();
        let parent = parts.iter().fold(&mut manifest, |at, part| &mut at[*part]);
        if value.is_null() {
            parent.as_object_mut().unwrap().remove(last);
        } else {
            parent[last] = value.clone();
        }
    }
    manifest
}

impl Case {
    fn manifest(&self, name: &str) -> Value {
        let filled = self
            .fill
            .iter()
            .map(|(field, length)| (field.clone(), json!("a".repeat(*length))));
        let changes = self.set.clone().into_iter().chain(filled).collect();
        changed(&changes, name)
    }
}

/// Sends a bridge with unknown fields refused, as `kubectl` does, and says what the API server answers.
async fn send(
    client: &kube::Client,
    method: &str,
    path: &str,
    bridge: &Value,
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(format!(
            "/apis/messagingbridge.io/v1alpha1/namespaces/{NAMESPACE}/messagingbridges{path}fieldValidation=Strict"
        ))
        .header("content-type", "application/json")
        .body(bridge.to_string().into_bytes())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => (StatusCode::OK, String::new()),
        Err(kube::Error::Api(status)) => (
            StatusCode::from_u16(status.code).unwrap(),
            status.message.clone(),
        ),
        Err(error) => panic!("{method} {path}: {error}"),
    }
}

/// What a case comes to: tried and not kept.
async fn answer(client: &kube::Client, number: usize, case: &Case) -> (StatusCode, String) {
    let name = format!("case-{number}");
    let Some(was) = &case.was else {
        return send(client, "POST", "?dryRun=All&", &case.manifest(&name)).await;
    };
    let (created, message) = send(client, "POST", "?", &changed(was, &name)).await;
    assert_eq!(created, StatusCode::OK, "{}: {message}", case.name);
    let manifest = case.manifest(&name);
    let changed = wait_for(&case.name, PATIENCE, || async {
        let mut manifest = manifest.clone();
        manifest["metadata"]["resourceVersion"] = version(client, &name).await;
        let path = format!("/{name}?dryRun=All&");
        match send(client, "PUT", &path, &manifest).await {
            // The operator has written a status in between.
            (StatusCode::CONFLICT, message) => Err(message),
            answer => Ok(answer),
        }
    });
    changed.await.unwrap()
}

async fn version(client: &kube::Client, name: &str) -> Value {
    let path =
        format!("/apis/messagingbridge.io/v1alpha1/namespaces/{NAMESPACE}/messagingbridges/{name}");
    let request = Request::get(path).body(Vec::new()).unwrap();
    let mut current: Value = client.request(request).await.unwrap();
    current["metadata"]["resourceVersion"].take()
}

/// With the definition that the chart installs; on a cluster that was given, with the one that is generated.
async fn cluster() -> &'static Cluster {
    if !Cluster::given() {
        return plane().await.cluster;
    }
    let cluster = Cluster::shared(Level::Api).await.unwrap();
    cluster.apply(CRD).await.unwrap();
    let established = [
        "wait",
        "--for=condition=Established",
        "crd/messagingbridges.messagingbridge.io",
    ];
    cluster
        .kubectl(&established)
        .await
        .and_then(Output::ok)
        .unwrap();
    cluster
}

pub(crate) async fn the_api_server_accepts_and_refuses_what_the_offline_check_does() {
    let cluster = cluster().await;
    let client = cluster.client().await.unwrap();
    cluster
        .apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"
        ))
        .await
        .unwrap();
    let table: Vec<Case> = serde_saphyr::from_str(TABLE).unwrap();
    assert!(table.len() > 140, "the table was read: {}", table.len());
    let mut wrong = Vec::new();
    for (number, case) in table.iter().enumerate() {
        let (status, message) = answer(&client, number, case).await;
        if status.is_success() != case.refused.is_empty() {
            wrong.push(format!("{}: {status} {message}", case.name));
        }
        for Refusal { field, says, .. } in &case.refused {
            if !(message.contains(field.as_str()) && message.contains(says.as_str())) {
                wrong.push(format!(
                    "{}: {field} should say {says:?}, in: {message}",
                    case.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
