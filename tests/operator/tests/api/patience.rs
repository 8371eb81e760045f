//! An operator of its own, on a cluster of its own: it waits for what it needs, does nothing while nothing changes, and
//! ends when it is asked to.

use std::time::Duration;

use messaging_bridge_cluster::{Cluster, Level, Options};
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::control_plane::{
    ACCOUNT, install, operator, platforms, set_up,
};
use messaging_bridge_operator_suites::relays::Relays;
use messaging_bridge_operator_suites::tenant::Tenant;
use messaging_bridge_operator_suites::{until, until_status};
use messaging_bridge_sandbox::Sandbox;

use crate::scene::{OPERATOR, PATIENCE};

const CRD: &str = include_str!("../../../../crds/messagingbridges.yaml");
/// A relay is looked at every half a minute: this is two looks.
const SILENCE: Duration = Duration::from_secs(65);

pub(crate) async fn an_operator_waits_for_its_definitions_and_leaves_what_does_not_change_alone() {
    let options = Options {
        level: Level::Api,
        ..Options::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    install(&cluster, &["--set", "crds.install=false"]).await;
    let (sandbox, relays) = (platforms().await, Relays::start().await);
    let mut operator = operator(OPERATOR, &cluster, &sandbox, &relays).await;
    let waits = operator.until_readyz(503).await;
    assert!(
        waits.contains("messagingbridges.messagingbridge.io"),
        "{waits}"
    );
    cluster.apply(CRD).await.unwrap();
    operator.until_readyz(200).await;

    let quiet = Tenant::new("quiet", 1, "https://bridge.example.com/quiet");
    set_up(&sandbox, &quiet);
    quiet.apply(&cluster).await;
    let id = quiet.id();
    until(
        &cluster,
        id,
        ConditionType::WebhooksConfigured,
        Reason::Configured,
        PATIENCE,
    )
    .await;
    until(
        &cluster,
        id,
        ConditionType::RelayAvailable,
        Reason::VolumePending,
        PATIENCE,
    )
    .await;
    quiet.reconcile(&cluster, "last").await;
    until_status(&cluster, id, "the last look", PATIENCE, |status| {
        status.last_handled_reconcile_at.as_deref() == Some("last")
    })
    .await;
    silence(&cluster, &sandbox).await;
    let log = operator.log();
    assert_eq!(operator.terminate().await, Some(0), "{log}");
}

/// Nothing is written, and nobody called.
async fn silence(cluster: &Cluster, sandbox: &Sandbox) {
    // The Event of the last transition.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let audit = cluster.audit().unwrap();
    let (mark, calls) = (audit.mark().unwrap(), sandbox.request_mark());
    tokio::time::sleep(SILENCE).await;
    let requests = audit.since(mark).unwrap();
    let (mut looks, mut writes) = (0, Vec::new());
    for request in requests.iter().filter(|request| request.user == ACCOUNT) {
        if request.mutated() {
            writes.push(format!(
                "{} {} {}",
                request.verb, request.resource, request.name
            ));
        } else if request.namespace == "quiet" {
            looks += 1;
        }
    }
    assert_eq!(writes, Vec::<String>::new());
    assert!(looks > 0, "the bridge was not even looked at");
    let called = sandbox.requests_since(calls);
    assert!(called.is_empty(), "{called:?}");
}
