//! `make policies`: whether the NetworkPolicies of operator and relays do what they say.
//!
//! The suites' own cluster enforces none, so that this is for a cluster whose network does (kind, k3s, Calico, Cilium).
//! It installs the chart and the simulated platforms there; take a cluster that may be thrown away.

use std::process::ExitCode;
use std::time::Duration;

use messaging_bridge_cluster::{Cluster, wait_for};
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::node::{self, Node, Way};
use messaging_bridge_operator_suites::tenant::Tenant;
use messaging_bridge_operator_suites::{STARTED, until};
use serde_json::json;

/// A number that probes: its webhook goes wherever a connection is to be tried.
const PROBE: &str = "+15559990000";
/// How long a policy takes to be in force.
const IN_FORCE: Duration = Duration::from_secs(15);
/// How long a text may take, or is watched not to arrive.
const DELIVERED: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    if !Cluster::given() {
        say("usage: make policies KUBECONFIG=...");
        say("It needs a cluster whose network enforces NetworkPolicies, with the images loaded.");
        return ExitCode::from(2);
    }
    let node = node::shared().await;
    let (tenant, integration) = node.tenant("policies", Way::Straight).await;
    tenant.apply(node.cluster).await;
    until(
        node.cluster,
        tenant.id(),
        ConditionType::Ready,
        Reason::Available,
        STARTED,
    )
    .await;
    tokio::time::sleep(IN_FORCE).await;
    let failures = ports(node, &tenant).await + egress(node, &tenant, &integration).await;
    node::helm(node.cluster, &[]).await;
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        say(
            "If nothing is closed, this cluster's network enforces no NetworkPolicy: take kind, k3s, Calico or Cilium.",
        );
        ExitCode::FAILURE
    }
}

/// Who reaches which port.
async fn ports(node: &Node, tenant: &Tenant) -> usize {
    let namespace = &tenant.name;
    let public = format!("http://acme-relay.{namespace}.svc/nothing");
    let admin = format!("http://acme-relay-admin.{namespace}.svc:9090/nothing");
    let operator = "http://messaging-bridge-operator.messaging-bridge.svc:8081/nothing";
    let mut failures = 0;
    let mut check = |what: &str, held: bool| failures += tell(what, held);
    check(
        "the relay's public port is open to everybody",
        reaches(node, &public).await,
    );
    check(
        "its admin port is closed to others",
        !reaches(node, &admin).await,
    );
    check(
        "the operator's port is closed to others",
        !reaches(node, operator).await,
    );
    let heard = wait_for("the operator hears the relay", STARTED, || async {
        let (namespace, name) = tenant.id();
        let seen = messaging_bridge_operator_suites::status(node.cluster, namespace, name).await?;
        match seen.condition(ConditionType::Delivering) {
            Some(found) if found.status == "True" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    check(
        "the operator reads the relay's status on its admin port",
        heard.await.is_ok(),
    );
    node::helm(
        node.cluster,
        &[
            "--set=relay.networkPolicy.monitoringNamespaces={platforms}",
            "--set=operator.networkPolicy.monitoringNamespaces={platforms}",
        ],
    )
    .await;
    tokio::time::sleep(IN_FORCE).await;
    check(
        "a monitoring namespace reaches the relay's admin port",
        reaches(node, &admin).await,
    );
    check("and the operator's", reaches(node, operator).await);
    failures
}

/// What the relay reaches.
async fn egress(node: &Node, tenant: &Tenant, integration: &str) -> usize {
    let mut failures = 0;
    let mut check = |what: &str, held: bool| failures += tell(what, held);
    check(
        "the relay reaches what extraEgress allows",
        arrives(node, tenant, integration, "allowed").await,
    );
    node::helm(
        node.cluster,
        &["--set-json=relay.networkPolicy.extraEgress=[]"],
    )
    .await;
    tokio::time::sleep(IN_FORCE).await;
    check(
        "and no other private address",
        !arrives(node, tenant, integration, "forbidden").await,
    );
    node::helm(node.cluster, &[]).await;
    check(
        "what waited is delivered when it is allowed again",
        has_arrived(node, integration, "forbidden", Duration::from_mins(2)).await,
    );
    failures
}

async fn arrives(node: &Node, tenant: &Tenant, integration: &str, text: &str) -> bool {
    let (from, to) = (tenant.customer(0), &tenant.number);
    node.platforms.customer_sends(&from, to, text).await;
    has_arrived(node, integration, text, DELIVERED).await
}

async fn has_arrived(node: &Node, integration: &str, text: &str, patience: Duration) -> bool {
    let arrived = wait_for("the text arrives", patience, || async {
        let log = node.platforms.log().await;
        let mut inbound = log.genesys_inbound.iter();
        let found = inbound.any(|seen| seen.integration_id == integration && seen.text == text);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if found {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
    arrived.await.is_ok()
}

/// Whether the sandbox's pod gets any answer from there.
async fn reaches(node: &Node, url: &str) -> bool {
    let settings = json!({"smsUrl": url});
    node.platforms.put_number(PROBE, &settings).await;
    let sid = node
        .platforms
        .customer_sends("+15557770000", PROBE, "is anybody there?")
        .await;
    node.platforms
        .until("the connection is tried", DELIVERED, |log| {
            let mut tries = log.webhooks.iter().filter(|seen| seen.message_id == sid);
            let last = tries.next_back().ok_or("not tried yet")?;
            match (last.status, last.attempt) {
                (Some(_), _) => Ok(true),
                (None, 1) => Err("it is tried again".to_owned()),
                (None, _) => Ok(false),
            }
        })
        .await
}

fn tell(what: &str, held: bool) -> usize {
    say(&format!("{}: {what}", if held { "ok" } else { "FAILED" }));
    usize::from(!held)
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn say(text: &str) {
    println!("{text}");
}
