//! Wrong values are refused before anything is installed, and the message names the value. By either Helm.

use messaging_bridge_cluster::{Cluster, Helm};

use crate::rig::{HELMS, RELEASE, cluster, rendered_text};

/// What is set, and where the message must point. `=` alone is a text, `:=` is JSON.
const WRONG: [(&str, &str); 70] = [
    // A slip at each level.
    ("relays=1", "relays"),
    ("crds.instal=true", "instal"),
    ("operator.image.repo=a", "repo"),
    ("operator.nodeselector.a=b", "nodeselector"),
    ("operator.networkPolicy.extraegress:=[]", "extraegress"),
    ("operator.resources.limit.memory=1Gi", "limit"),
    ("relay.image.name=a", "name"),
    ("relay.replicas:=2", "replicas"),
    ("relay.storage.class=a", "class"),
    ("relay.storage.storageclassName=a", "storageclassName"),
    ("relay.networkPolicy.extraEgress:=[{\"too\":[]}]", "too"),
    (
        "relay.networkPolicy.extraEgress:=[{\"to\":[{\"ipblock\":{\"cidr\":\"10.0.0.0/8\"}}]}]",
        "ipblock",
    ),
    (
        "relay.networkPolicy.extraEgress:=[{\"ports\":[{\"prot\":443}]}]",
        "prot",
    ),
    ("relay.tolerations:=[{\"efect\":\"NoSchedule\"}]", "efect"),
    // What the API server would refuse for every pod and policy.
    (
        "relay.tolerations:=[{\"key\":\"a\",\"operator\":\"Exists\",\"value\":\"b\"}]",
        "relay/tolerations/0/value",
    ),
    (
        "operator.tolerations:=[{\"effect\":\"NoSchedule\"}]",
        "operator/tolerations/0",
    ),
    (
        "relay.tolerations:=[{\"key\":\"a\",\"operator\":\"Exists\",\"tolerationSeconds\":9}]",
        "relay/tolerations/0",
    ),
    (
        "relay.networkPolicy.extraEgress:=[{\"to\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0\"}}]}]",
        "cidr",
    ),
    (
        "operator.networkPolicy.extraEgress:=[{\"to\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/33\"}}]}]",
        "cidr",
    ),
    (
        "relay.networkPolicy.extraEgress:=[{\"to\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\",\"except\":[\"x\"]}}]}]",
        "except/0",
    ),
    ("relay.resources.claims:=[{\"name\":\"gpu\"}]", "claims"),
    ("checks.interval:=60", "interval"),
    ("platforms.genesysBaseURL=https://a", "genesysBaseURL"),
    // What is taken away.
    ("relay:=null", "relay"),
    ("relay.storage:=null", "storage"),
    ("operator.nodeSelector:=null", "nodeSelector"),
    ("operator.image.repository:=null", "repository"),
    // Types.
    ("crds.install=yes", "crds/install"),
    ("crds.takeOwnership=yes", "crds/takeOwnership"),
    ("operator.replicas=1", "operator/replicas"),
    (
        "operator.imagePullSecrets=registry",
        "operator/imagePullSecrets",
    ),
    ("operator.podLabels.a:=1", "operator/podLabels/a"),
    ("operator.tolerations=all", "operator/tolerations"),
    (
        "relay.networkPolicy.enabled=no",
        "relay/networkPolicy/enabled",
    ),
    ("relay.podAnnotations.a:=true", "relay/podAnnotations/a"),
    ("relay.image=registry/relay:1", "relay/image"),
    ("checks.intervalSeconds=10m", "checks/intervalSeconds"),
    // More than there may be.
    ("operator.replicas:=2", "operator/replicas"),
    ("operator.replicas:=0", "operator/replicas"),
    ("checks.intervalSeconds:=5", "checks/intervalSeconds"),
    ("checks.intervalSeconds:=100000", "checks/intervalSeconds"),
    // Images.
    ("operator.image.repository=", "operator/image/repository"),
    ("operator.image.repository=a b", "operator/image/repository"),
    (
        "operator.image.repository=registry/Operator",
        "operator/image/repository",
    ),
    (
        "relay.image.repository=registry/relay:1.0",
        "relay/image/repository",
    ),
    (
        "relay.image.repository=https://registry/relay",
        "relay/image/repository",
    ),
    ("relay.image.repository=registry/", "relay/image/repository"),
    ("relay.image.tag=a b", "relay/image/tag"),
    ("relay.image.tag=sha256:0123", "relay/image/tag"),
    ("relay.image.tag=@sha256:0123", "relay/image/tag"),
    ("relay.image.pullPolicy=Sometimes", "relay/image/pullPolicy"),
    (
        "relay.imagePullSecrets:=[\"Registry\"]",
        "relay/imagePullSecrets/0",
    ),
    // Amounts.
    (
        "operator.resources.limits.memory=lots",
        "operator/resources/limits/memory",
    ),
    (
        "relay.resources.requests.cpu=10mm",
        "relay/resources/requests/cpu",
    ),
    (
        "relay.resources.requests.cpu:=-1",
        "relay/resources/requests/cpu",
    ),
    ("relay.storage.size=1G", "relay/storage/size"),
    ("relay.storage.size=0Gi", "relay/storage/size"),
    ("relay.storage.size=127Mi", "relay/storage/size"),
    ("relay.storage.size:=1", "relay/storage/size"),
    // Names and labels.
    ("nameOverride=Messaging", "nameOverride"),
    ("fullnameOverride=a.b", "fullnameOverride"),
    ("relay.priorityClassName=High", "relay/priorityClassName"),
    ("relay.podLabels.team=a b", "relay/podLabels/team"),
    (
        "relay.networkPolicy.monitoringNamespaces:=[\"a.b\"]",
        "relay/networkPolicy/monitoringNamespaces/0",
    ),
    // The way out.
    (
        "operator.httpsProxy=proxy.example.com:3128",
        "operator/httpsProxy",
    ),
    ("relay.caBundle=secret", "relay/caBundle"),
    (
        "operator.caBundle=-----BEGIN CERTIFICATE-----",
        "operator/caBundle",
    ),
    ("relay.logFormat=xml", "relay/logFormat"),
    (
        "platforms.twilioBaseUrl=sandbox:4010",
        "platforms/twilioBaseUrl",
    ),
    (
        "relay.tolerations:=[{\"operator\":\"Is\"}]",
        "relay/tolerations/0/operator",
    ),
];

/// What may be set and looks as if it might not.
const RIGHT: [&str; 12] = [
    "global.anything:={\"of\":\"a parent chart\"}",
    "operator.resources.requests.cpu:=0.5",
    "operator.resources.requests.cpu:=1",
    "relay.resources.limits.memory=128Mi",
    "relay.image.repository=localhost:5000/a/b_c/d-e",
    "relay.image.repository=relay",
    "relay.image.tag=v1.0_a",
    "relay.caBundle=",
    "relay.podLabels.a=",
    "relay.networkPolicy.extraEgress:=[{}]",
    "relay.networkPolicy.extraEgress:=[{\"ports\":[{\"port\":\"https\"}]}]",
    "relay.storage.storageClassName=fast.local",
];

/// The flag and its value.
fn flag(set: &str) -> [String; 2] {
    match set.split_once(":=") {
        Some((value, json)) => ["--set-json".to_owned(), format!("{value}={json}")],
        None => ["--set-string".to_owned(), set.to_owned()],
    }
}

/// What Helm says when it refuses; nothing when it does not.
async fn refusal(cluster: &Cluster, helm: Helm, set: &str) -> Option<String> {
    let [flag, value] = flag(set);
    let said = rendered_text(cluster, helm, RELEASE, &[&flag, &value]).await;
    said.refused().ok()
}

#[tokio::test]
async fn a_wrong_value_is_refused_and_named() {
    let cluster = cluster().await;
    let mut problems = Vec::new();
    for (set, names) in WRONG {
        for helm in HELMS {
            match refusal(cluster, helm, set).await {
                None => problems.push(format!("{helm:?} takes {set}")),
                Some(said) if said.contains("schema") && said.contains(names) => {}
                Some(said) => problems.push(format!("{helm:?} {set}: no {names} in {said}")),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test]
async fn a_right_value_is_taken() {
    let cluster = cluster().await;
    for set in RIGHT {
        for helm in HELMS {
            let refused = refusal(cluster, helm, set).await;
            assert_eq!(refused, None, "{helm:?} {set}");
        }
    }
}
