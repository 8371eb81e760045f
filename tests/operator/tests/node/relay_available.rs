//! Why a relay is not there: each reason provoked, with a message that says what to do.

use std::path::PathBuf;
use std::time::Duration;

use messaging_bridge_cluster::Cluster;
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::node::Way;
use messaging_bridge_operator_suites::tenant::apply;
use serde_json::json;

use crate::story::{CLAIM, POD, Story, and_always};

pub(crate) async fn a_volume_that_nobody_provides_is_named() {
    let story = Story::unborn("no-volume", Way::Straight).await;
    story.tenant.apply(story.cluster()).await;
    let mut bridge = story.tenant.bridge();
    bridge["metadata"]["name"] = json!("other");
    bridge["spec"]["queue"] = json!({"embedded": {"storageClassName": "nobody-provides"}});
    apply(story.cluster(), &[bridge]).await;
    let message = messaging_bridge_operator_suites::until(
        story.cluster(),
        (&story.tenant.name, "other"),
        ConditionType::RelayAvailable,
        Reason::VolumePending,
        messaging_bridge_operator_suites::STARTED,
    )
    .await;
    assert!(message.contains("nobody-provides"), "{message}");
    assert!(message.contains("data-other-relay-0"), "{message}");
    // The one beside it is not concerned.
    story.until_ready().await;
    story.end().await;
}

pub(crate) async fn a_pod_that_a_quota_refuses_is_named() {
    let story = Story::unborn("quota", Way::Straight).await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "no-pods", "namespace": story.tenant.name},
        "spec": {"hard": {"pods": "0"}},
    });
    apply(story.cluster(), &[story.tenant.namespace(), quota]).await;
    story.tenant.apply(story.cluster()).await;
    let message = story
        .until(ConditionType::RelayAvailable, Reason::PodRejected)
        .await;
    assert!(message.contains("no-pods"), "{message}");
    story.kubectl(&["delete", "resourcequota", "no-pods"]).await;
    story.until_ready().await;
    story.end().await;
}

pub(crate) async fn a_relay_that_ends_again_and_again_is_named_with_its_last_words() {
    if Cluster::given() {
        crate::left_out("the volume's folder is the cluster's own");
        return;
    }
    let story = Story::ready("crashes").await;
    without_pod(&story).await;
    let database = database(&story).await;
    let right = std::fs::read(&database).unwrap();
    std::fs::write(&database, "this is no database ".repeat(300)).unwrap();
    let go_on = "messagingbridge.io/paused-";
    story
        .kubectl(&["annotate", "messagingbridge", "acme", go_on])
        .await;
    let message = story
        .until(ConditionType::RelayAvailable, Reason::CrashLooping)
        .await;
    assert!(message.contains("exit code"), "{message}");
    assert!(message.contains("database"), "{message}");
    std::fs::write(&database, right).unwrap();
    story.until_ready().await;
    story.end().await;
}

/// The relay is away until the bridge is no longer paused.
async fn without_pod(story: &Story) {
    let pause = "messagingbridge.io/paused=true";
    story
        .kubectl(&["annotate", "messagingbridge", "acme", pause])
        .await;
    story
        .kubectl(&["scale", "statefulset", "acme-relay", "--replicas=0"])
        .await;
    story
        .kubectl(&["wait", "--for=delete", "pod", POD, "--timeout=60s"])
        .await;
}

/// The file of the relay's queue, on this machine.
async fn database(story: &Story) -> PathBuf {
    let volume = ["get", "pvc", CLAIM, "-o=jsonpath={.spec.volumeName}"];
    let volume = story.kubectl(&volume).await;
    let folder = story
        .cluster()
        .folder()
        .unwrap()
        .join("volumes")
        .join(volume);
    let mut files = std::fs::read_dir(&folder).unwrap();
    let found = files.find_map(|file| {
        let path = file.unwrap().path();
        let name = path.file_name()?.to_str()?;
        let suffix = name.rsplit('.').next()?;
        ["db", "sqlite", "sqlite3"]
            .contains(&suffix)
            .then_some(path)
    });
    found.unwrap_or_else(|| panic!("no database in {}", folder.display()))
}

pub(crate) async fn a_lost_node_is_named() {
    if Cluster::given() {
        crate::left_out("the kubelet is the cluster's own");
        return;
    }
    let story = Story::ready("lost-node").await;
    let cluster = story.cluster();
    cluster.stop_kubelet().unwrap();
    let lost = async {
        let message = story
            .until(ConditionType::RelayAvailable, Reason::NodeLost)
            .await;
        assert!(message.contains("node1"), "{message}");
    };
    and_always(lost, async || {
        let quick = Duration::from_secs(2);
        cluster.restart_kubelet(quick).await.unwrap();
    })
    .await;
    story.until_ready().await;
    story.texts_go_both_ways("with the node again").await;
    story.end().await;
}
