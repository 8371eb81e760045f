//! The harness itself, on the cluster that it starts: what the other suites rely on. On a cluster that was given there
//! is nothing to prove.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use messaging_bridge_cluster::{Binary, Cluster, ClusterError, Helm, Level, images, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const IMAGE: &str = "localhost/messaging-bridge/probe:1";
const WORKLOAD: &str = include_str!("probe.yaml");
const PATIENCE: Duration = Duration::from_secs(30);

async fn cluster() -> &'static Cluster {
    Cluster::shared(Level::Node)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Brings up the probe, two pods with a volume each in a restricted namespace, and answers the way to the first.
async fn probe(cluster: &Cluster, namespace: &str) -> Result<SocketAddr, ClusterError> {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("probe.tar");
    images::write(
        IMAGE,
        &tokio::task::spawn_blocking(|| Binary::Probe.path())
            .await
            .expect("built")?,
        &archive,
    )?;
    cluster.load_image(&archive).await?;
    cluster
        .apply(&WORKLOAD.replace("NAMESPACE", namespace))
        .await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client().await?, namespace);
    for name in ["probe-0", "probe-1"] {
        wait_for(name, PATIENCE, || ready(&pods, name, 0)).await?;
    }
    cluster.port_forward(namespace, "probe-0", 8080).await
}

/// Whether a pod is ready and its container has been started again at least so often.
async fn ready(pods: &Api<Pod>, name: &str, restarts: i32) -> Result<(), String> {
    let status = pods
        .get(name)
        .await
        .map_err(|error| error.to_string())?
        .status
        .unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let is = conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let count: i32 = status
        .container_statuses
        .iter()
        .flatten()
        .map(|container| container.restart_count)
        .sum();
    if is && count >= restarts {
        Ok(())
    } else {
        Err(format!("ready: {is}, restarts: {count}"))
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let answer = exchange
        .await
        .map_err(|error: std::io::Error| error.to_string())?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.trim().to_owned()),
        _ => Err(answer),
    }
}

#[tokio::test]
async fn the_node_is_ready_in_its_version() {
    if Cluster::given() {
        return;
    }
    let nodes: Api<Node> = Api::all(cluster().await.client().await.expect("a client"));
    let node = nodes.get("node1").await.expect("the node");
    let info = node
        .status
        .and_then(|status| status.node_info)
        .expect("its versions");
    assert_eq!(info.kubelet_version, "v1.36.3");
}

#[tokio::test]
async fn pods_of_a_restricted_namespace_have_volumes_names_and_services() {
    if Cluster::given() {
        return;
    }
    let cluster = cluster().await;
    let address = probe(cluster, "network").await.expect("the probe");
    assert_eq!(get(address, "/append?line=one").await.as_deref(), Ok("one"));
    assert_eq!(
        get(address, "/lookup?name=kubernetes.default.svc")
            .await
            .as_deref(),
        Ok("10.255.0.1")
    );
    // Either pod answers: over the node, and back to the one that asks.
    for _ in 0..6 {
        wait_for("the Service", PATIENCE, || {
            get(address, "/get?url=http://probe.network.svc/healthz")
        })
        .await
        .expect("an answer");
    }
    let api = get(address, "/get?url=https://kubernetes.default.svc/healthz")
        .await
        .expect_err("its CA is not known");
    assert!(api.contains("x509"), "{api}");
    assert!(
        cluster
            .logs("network", "probe-0")
            .await
            .expect("logs")
            .contains("probe listens on :8080")
    );
}

#[tokio::test]
async fn a_claim_can_grow() {
    if Cluster::given() {
        return;
    }
    let cluster = cluster().await;
    probe(cluster, "growth").await.expect("the probe");
    let patch = r#"{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}"#;
    let done = cluster
        .kubectl(&["-n", "growth", "patch", "pvc", "data-probe-0", "-p", patch])
        .await
        .expect("run");
    done.ok().expect("accepted");
    let capacity = [
        "-n",
        "growth",
        "get",
        "pvc",
        "data-probe-0",
        "-o",
        "jsonpath={.status.capacity.storage}",
    ];
    wait_for("the claim's capacity", PATIENCE, || async {
        let seen = cluster
            .kubectl(&capacity)
            .await
            .and_then(messaging_bridge_cluster::Output::ok);
        let seen = seen.map_err(|error| error.to_string())?;
        if seen == "2Gi" { Ok(()) } else { Err(seen) }
    })
    .await
    .expect("grown");
}

#[tokio::test]
async fn a_node_that_was_restarted_runs_its_pods_again_with_their_volumes() {
    if Cluster::given() {
        return;
    }
    // Its own, as the others' pods would be restarted with it.
    let cluster = Cluster::start(messaging_bridge_cluster::Options::default())
        .await
        .expect("a cluster");
    let address = probe(&cluster, "restart").await.expect("the probe");
    assert_eq!(
        get(address, "/append?line=before").await.as_deref(),
        Ok("before")
    );
    cluster.restart_node().await.expect("restarted");
    let pods: Api<Pod> = Api::namespaced(cluster.client().await.expect("a client"), "restart");
    wait_for("the pod's second life", PATIENCE, || {
        ready(&pods, "probe-0", 1)
    })
    .await
    .expect("ready");
    let lines = wait_for("the pod's answer", PATIENCE, || {
        get(address, "/append?line=after")
    })
    .await;
    assert_eq!(lines.ok().as_deref(), Some("before\nafter"));
    cluster
        .restart_kubelet(Duration::from_mins(1))
        .await
        .expect("restarted");
}

#[tokio::test]
async fn the_audit_log_tells_who_asked_for_what() {
    if Cluster::given() {
        return;
    }
    let cluster = cluster().await;
    let audit = cluster.audit().expect("a log");
    let mark = audit.mark().expect("a mark");
    cluster
        .kubectl(&["create", "configmap", "audited"])
        .await
        .expect("run")
        .ok()
        .expect("created");
    let request = wait_for("the request", PATIENCE, || async {
        let requests = audit.since(mark).map_err(|error| error.to_string())?;
        requests
            .into_iter()
            .find(|request| request.name == "audited" || request.uri.contains("/configmaps?"))
            .ok_or_else(|| "nothing".to_owned())
    })
    .await
    .expect("an entry");
    assert_eq!(
        (request.user.as_str(), request.verb.as_str(), request.code),
        ("admin", "create", 201)
    );
    assert!(
        request.mutated() && request.user_agent.starts_with("kubectl"),
        "{request:?}"
    );
}

#[tokio::test]
async fn both_helms_speak_to_the_cluster() {
    if Cluster::given() {
        return;
    }
    let cluster = cluster().await;
    for helm in [Helm::V4, Helm::V3] {
        cluster
            .helm(helm, &["list", "--all-namespaces"])
            .await
            .expect("run")
            .ok()
            .expect("a list");
        let failed = cluster
            .helm(helm, &["status", "nothing"])
            .await
            .expect("run")
            .refused()
            .expect("an error");
        assert!(failed.contains("not found"), "{failed}");
    }
}

#[test]
fn nothing_is_left_of_a_cluster_whose_owner_is_killed() {
    if Cluster::given() {
        return;
    }
    let mut owner = Command::new(env!("CARGO_BIN_EXE_messaging-bridge-cluster"))
        .args(["up", "--level", "api"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut said = [0; 7];
    std::io::Read::read_exact(owner.stdout.as_mut().expect("a pipe"), &mut said)
        .expect("it says how to use it");
    let namespace = namespace_below(&owner);
    assert!(
        processes_in(&namespace).len() >= 4,
        "etcd, the API server, the controllers and what supervises them"
    );
    owner.kill().expect("killed");
    owner.wait().expect("ended");
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        processes_in(&namespace).is_empty()
    });
    assert!(gone, "still there: {:?}", processes_in(&namespace));
}

/// The process namespace of the node that `owner` started.
fn namespace_below(owner: &Child) -> String {
    let child = |parent: u32| {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        children
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse::<u32>().ok())
    };
    // `unshare` is started by one of the owner's threads.
    let tasks = fs::read_dir(format!("/proc/{}/task", owner.id())).expect("threads");
    let unshare = tasks.filter_map(|task| {
        let children = fs::read_to_string(task.ok()?.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse::<u32>().ok()
    });
    let first = unshare
        .into_iter()
        .find_map(child)
        .expect("the node's first process");
    fs::read_link(format!("/proc/{first}/ns/pid"))
        .expect("its namespace")
        .display()
        .to_string()
}

/// The processes of a namespace.
fn processes_in(namespace: &str) -> BTreeSet<String> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let inside = processes.filter(|process| {
        fs::read_link(process.path().join("ns/pid"))
            .is_ok_and(|link| link.display().to_string() == namespace)
    });
    inside
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}
