//! Waiting for what a bridge's status says, and telling all that is known of the bridge when it does not.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::{Api, Client};
use messaging_bridge_cluster::{Cluster, wait_for};
use messaging_bridge_crds::{ConditionType, MessagingBridge, MessagingBridgeStatus, Reason};

/// Between two looks. Several tests look at the same time, and the machine has other things to do.
const BETWEEN: Duration = Duration::from_millis(300);

/// Reasons that only a pod provokes: the suite with a node sees these, the one without sees all others.
pub const NEED_A_POD: [Reason; 7] = [
    Reason::CrashLooping,
    Reason::ImagePullFailed,
    Reason::NodeLost,
    Reason::NotReady,
    Reason::PodRejected,
    Reason::Unschedulable,
    Reason::VolumePending,
];

/// The reasons of all conditions in every status that was read.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers the reason of a condition that was read in another way.
pub fn saw(reason: &str) {
    SEEN.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(reason.to_owned());
}

/// Those of the reasons that no status of this process has had.
pub fn never_seen(reasons: impl IntoIterator<Item = Reason>) -> Vec<Reason> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reasons: Vec<Reason> = reasons.into_iter().collect();
    reasons.retain(|reason| !seen.contains(reason.as_str()));
    reasons
}

/// The status of a bridge; the default while it has none.
pub async fn status(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<MessagingBridgeStatus, String> {
    let client = cluster.client().await.map_err(|error| error.to_string())?;
    read(client, namespace, name).await
}

async fn read(
    client: Client,
    namespace: &str,
    name: &str,
) -> Result<MessagingBridgeStatus, String> {
    let bridges: Api<MessagingBridge> = Api::namespaced(client, namespace);
    let bridge = bridges.get(name).await.map_err(|error| error.to_string())?;
    let status = bridge.status.unwrap_or_default();
    let reasons = status.conditions.iter().map(|found| found.reason.clone());
    SEEN.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(reasons);
    Ok(status)
}

/// Waits until a condition has this reason; returns its message.
///
/// # Panics
///
/// When the patience ends, with all that is known of the bridge.
pub async fn until(
    cluster: &Cluster,
    bridge: (&str, &str),
    condition: ConditionType,
    reason: Reason,
    patience: Duration,
) -> String {
    let what = format!("{condition} is {reason}");
    let status = until_status(cluster, bridge, &what, patience, |status| {
        status
            .condition(condition)
            .is_some_and(|found| found.reason == reason.as_str())
    })
    .await;
    let found = status.condition(condition);
    found.map(|found| found.message.clone()).unwrap_or_default()
}

/// Waits until the status is as wanted, and returns it.
///
/// # Panics
///
/// When the patience ends, with all that is known of the bridge.
pub async fn until_status(
    cluster: &Cluster,
    (namespace, name): (&str, &str),
    what: &str,
    patience: Duration,
    wanted: impl Fn(&MessagingBridgeStatus) -> bool,
) -> MessagingBridgeStatus {
    let client = match cluster.client().await {
        Ok(client) => client,
        Err(error) => panic!("{error}"),
    };
    let what = format!("{namespace}/{name}: {what}");
    let found = wait_for(&what, patience, || async {
        let seen = read(client.clone(), namespace, name).await;
        match seen {
            Ok(status) if wanted(&status) => Ok(status),
            Ok(status) => {
                tokio::time::sleep(BETWEEN).await;
                Err(story(&status))
            }
            Err(error) => {
                tokio::time::sleep(BETWEEN).await;
                Err(error)
            }
        }
    })
    .await;
    match found {
        Ok(status) => status,
        Err(error) => panic!("{error}\n{}", details(cluster, namespace).await),
    }
}

/// The conditions, one a line.
fn story(status: &MessagingBridgeStatus) -> String {
    let conditions = status.conditions.iter().map(|found| {
        format!(
            "\n  {} {} {}: {}",
            found.type_, found.status, found.reason, found.message
        )
    });
    conditions.collect::<Vec<_>>().concat()
}

/// What a person would look at: the bridge, its pods, the events and the operator's last lines.
pub async fn details(cluster: &Cluster, namespace: &str) -> String {
    let mut text = String::new();
    let commands: [&[&str]; 4] = [
        &["-n", namespace, "get", "messagingbridges", "-o", "yaml"],
        &[
            "-n",
            namespace,
            "get",
            "statefulsets,pods,pvc",
            "-o",
            "wide",
        ],
        &["-n", namespace, "get", "events", "--sort-by=.lastTimestamp"],
        &[
            "-n",
            "messaging-bridge",
            "logs",
            "deployment/messaging-bridge-operator",
            "--tail=30",
        ],
    ];
    for command in commands {
        if let Ok(output) = cluster.kubectl(command).await {
            let parts = [
                "\n$ ",
                &output.command,
                "\n",
                &output.stdout,
                &output.stderr,
            ];
            text.extend(parts);
        }
    }
    text
}
