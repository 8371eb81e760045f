//! An operator with nothing to do does nothing: it writes nothing and calls nobody.

use std::time::Duration;

use messaging_bridge_cluster::{Cluster, Mark, Output};
use messaging_bridge_crds::MessagingBridgeStatus;
use messaging_bridge_operator_suites::status;
use messaging_bridge_operator_suites::tenant::kubectl;

use crate::secrets::change_over;
use crate::story::{Story, and_always};

/// How long an unchanged bridge is watched.
const LONG: Duration = Duration::from_mins(1);
/// A kubelet's own `syncFrequency`.
const DEFAULT_SYNC: Duration = Duration::from_mins(1);
/// The harness's.
const QUICK_SYNC: Duration = Duration::from_secs(2);

/// What the operator wrote in a namespace since a mark.
fn writes(cluster: &Cluster, mark: Mark, namespace: &str) -> Vec<String> {
    let requests = cluster.audit().unwrap().since(mark).unwrap();
    requests
        .into_iter()
        .filter(|request| {
            let operator = request.user.ends_with(":messaging-bridge-operator");
            operator && request.mutated() && request.namespace == namespace
        })
        .map(|request| format!("{} {} {}", request.verb, request.resource, request.name))
        .collect()
}

/// The kubelet takes a minute by default to bring a changed Secret to its pod: time enough to watch a bridge that does
/// not change.
pub(crate) async fn an_unchanged_bridge_is_left_alone_while_another_waits_for_the_kubelets_own_pace()
 {
    if Cluster::given() {
        crate::left_out("the audit log and the kubelet's pace are the cluster's own");
        return;
    }
    let (quiet, rotating) = tokio::join!(Story::ready("quiet"), Story::ready("slow-kubelet"));
    quiet.texts_go_both_ways("before the silence").await;
    let cluster = quiet.cluster();
    // What was counted before may still be written once.
    quiet
        .until_status("the webhooks' times are written", |status| {
            status.last_genesys_webhook_time.is_some() && status.last_twilio_webhook_time.is_some()
        })
        .await;
    cluster.restart_kubelet(DEFAULT_SYNC).await.unwrap();
    rotating.node.platforms.answers().await;
    let before = rotating.identity().await;
    let slowly = async {
        let (waiting, ()) = tokio::join!(change_over(&rotating), silence(&quiet));
        assert!(
            waiting,
            "the status did not say that the relay waits for the Secret"
        );
    };
    and_always(slowly, async || {
        cluster.restart_kubelet(QUICK_SYNC).await.unwrap();
    })
    .await;
    assert_eq!(rotating.identity().await, before, "the pod was touched");
    quiet.end().await;
    rotating.end().await;
}

async fn silence(story: &Story) {
    let cluster = story.cluster();
    // The other's changed Secret has been looked at by then.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let mark = cluster.audit().unwrap().mark().unwrap();
    let calls = story.node.platforms.mark().await;
    tokio::time::sleep(LONG).await;
    let writes = writes(cluster, mark, &story.tenant.name);
    assert!(writes.is_empty(), "{writes:?}");
    let asked = story.node.platforms.of_operator(calls).await;
    assert!(asked.is_empty(), "{asked:?}");
}

pub(crate) async fn a_restarted_operator_takes_up_everything_without_a_write() {
    let story = Story::ready("adopted").await;
    let cluster = story.cluster();
    story.texts_go_both_ways("before").await;
    story
        .until_status("the webhooks' times are written", |status| {
            status.last_genesys_webhook_time.is_some() && status.last_twilio_webhook_time.is_some()
        })
        .await;
    let pod = story.identity().await;
    let before = verdicts(&story).await;
    let mark = cluster.audit().ok().map(|audit| audit.mark().unwrap());
    let last_words = restart_operator(cluster).await;
    assert!(last_words.contains("ending"), "{last_words}");
    // Both platforms are asked again, as nothing is remembered over a restart but the status.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(verdicts(&story).await, before);
    if let Some(mark) = mark {
        let mut writes = writes(cluster, mark, &story.tenant.name);
        // Times of webhooks and counters may have waited for their minute.
        let counters = writes
            .iter()
            .position(|write| write.starts_with("patch messagingbridges/status"));
        counters.map(|at| writes.remove(at));
        assert!(writes.is_empty(), "{writes:?}");
    }
    assert_eq!(story.identity().await, pod, "the pod was touched");
    story.texts_go_both_ways("after").await;
    story.end().await;
}

/// What the status says but for counters, times of transitions included.
async fn verdicts(story: &Story) -> MessagingBridgeStatus {
    let seen = status(story.cluster(), &story.tenant.name, "acme").await;
    MessagingBridgeStatus {
        backlog: None,
        oldest_pending_time: None,
        dead_letters: None,
        last_twilio_webhook_time: None,
        last_genesys_webhook_time: None,
        ..seen.unwrap()
    }
}

/// Deletes the operator's pod, and returns what it wrote to the end. It must end by itself, and well before it is
/// killed.
async fn restart_operator(cluster: &'static Cluster) -> String {
    let namespace = ["-n", "messaging-bridge"];
    let find = [&namespace[..], &["get", "pods", "-o", "name"]].concat();
    let pod = kubectl(cluster, &find).await;
    let pod = pod.split_whitespace().next().unwrap().to_owned();
    let follow = [&namespace[..], &["logs", "-f", "--since=1s", &pod]].concat();
    let delete = [&namespace[..], &["delete", &pod, "--timeout=25s"]].concat();
    let (log, deleted) = tokio::join!(cluster.kubectl(&follow), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.kubectl(&delete).await.and_then(Output::ok)
    });
    deleted.unwrap();
    let ready = [
        "rollout",
        "status",
        "deployment/messaging-bridge-operator",
        "--timeout=90s",
    ];
    kubectl(cluster, &[&namespace[..], &ready].concat()).await;
    log.unwrap().stdout
}
