//! A tenant as a story's hero: what is sent on its behalf is remembered, and judged in the end.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use messaging_bridge_cluster::{Cluster, Output, wait_for};
use messaging_bridge_crds::{ConditionType, MessagingBridgeStatus, Reason};
use messaging_bridge_operator_suites::node::{self, Node, Way};
use messaging_bridge_operator_suites::platforms::Planted;
use messaging_bridge_operator_suites::tenant::Tenant;
use messaging_bridge_operator_suites::{STARTED, conditions, until, until_status};
use messaging_bridge_sandbox::{Effect, Endpoint, Fault, Log};
use messaging_bridge_suites::verdict::{Sent, Verdict, judge};

/// The relay's pod.
pub(crate) const POD: &str = "acme-relay-0";
/// Its claim.
pub(crate) const CLAIM: &str = "data-acme-relay-0";
/// How long a message may take while nothing is wrong.
pub(crate) const DELIVERED: Duration = Duration::from_secs(30);
/// How long it may take a relay to try again after a while of failures.
pub(crate) const RECOVERED: Duration = Duration::from_mins(2);

/// A tenant, its integration, and what was sent.
pub(crate) struct Story {
    pub(crate) node: &'static Node,
    pub(crate) tenant: Tenant,
    pub(crate) integration: String,
    sent: Mutex<Sent>,
}

impl Story {
    /// A tenant of both platforms. Nothing of it is in the cluster.
    pub(crate) async fn unborn(name: &str, way: Way) -> Self {
        let node = node::shared().await;
        let (tenant, integration) = node.tenant(name, way).await;
        Self::of(node, tenant, integration)
    }

    /// Of a tenant that is there.
    pub(crate) fn of(node: &'static Node, tenant: Tenant, integration: String) -> Self {
        Self {
            node,
            tenant,
            integration,
            sent: Mutex::default(),
        }
    }

    /// A tenant whose bridge is Ready.
    pub(crate) async fn ready(name: &str) -> Self {
        let story = Self::unborn(name, Way::Straight).await;
        story.tenant.apply(story.cluster()).await;
        story.until_ready().await;
        story
    }

    pub(crate) fn cluster(&self) -> &'static Cluster {
        self.node.cluster
    }

    /// The end of a story that went well: the namespace goes, and its relay with it.
    pub(crate) async fn end(self) {
        let delete = ["delete", "namespace", &self.tenant.name, "--wait=false"];
        self.kubectl(&delete).await;
    }

    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        self.tenant.kubectl(self.cluster(), args).await
    }

    pub(crate) async fn until(&self, condition: ConditionType, reason: Reason) -> String {
        let id = self.tenant.id();
        until(self.cluster(), id, condition, reason, STARTED).await
    }

    /// Waits until the bridge is Ready, and the Service leads to its relay: that takes the cluster a moment more.
    pub(crate) async fn until_ready(&self) {
        self.until(ConditionType::Ready, Reason::Available).await;
        self.until_reachable().await;
    }

    /// Asks the relay through its Service for the platforms' handshake, which changes nothing.
    async fn until_reachable(&self) {
        let path = format!(
            "/api/v1/namespaces/{}/services/acme-relay:80/proxy/genesys/outbound?validationToken=check",
            self.tenant.name
        );
        let what = format!("{}: the Service leads to the relay", self.tenant.name);
        let answered = wait_for(&what, STARTED, || async {
            let output = self.cluster().kubectl(&["get", "--raw", &path]).await;
            let answer = output
                .and_then(Output::ok)
                .map_err(|error| error.to_string());
            tokio::time::sleep(Duration::from_millis(500)).await;
            answer
        });
        answered.await.unwrap();
        // kube-proxy gathers changes for a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }

    pub(crate) async fn until_status(
        &self,
        what: &str,
        wanted: impl Fn(&MessagingBridgeStatus) -> bool,
    ) -> MessagingBridgeStatus {
        let id = self.tenant.id();
        until_status(self.cluster(), id, what, RECOVERED, wanted).await
    }

    /// The relay's pod as the API server has it now.
    pub(crate) async fn pod(&self) -> Option<Pod> {
        let client = self.cluster().client().await.unwrap();
        let pods: Api<Pod> = Api::namespaced(client, &self.tenant.name);
        pods.get_opt(POD).await.unwrap()
    }

    /// The pod's uid and how often its container was started again.
    pub(crate) async fn identity(&self) -> (String, i32) {
        let pod = self.pod().await.unwrap();
        let statuses = pod.status.unwrap().container_statuses.unwrap();
        (pod.metadata.uid.unwrap(), statuses[0].restart_count)
    }

    /// Waits until what kubectl writes is as wanted.
    pub(crate) async fn until_kubectl(
        &self,
        what: &str,
        args: &[&str],
        wanted: impl Fn(&str) -> bool,
    ) {
        let seen = wait_for(what, STARTED, || async {
            let seen = self.kubectl(args).await;
            if wanted(&seen) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            Err(seen)
        });
        if let Err(error) = seen.await {
            let more = conditions::details(self.cluster(), &self.tenant.name).await;
            panic!("{error}\n{more}");
        }
    }

    /// A customer of the tenant texts.
    pub(crate) async fn customer_writes(&self, which: u32, text: &str) {
        let (customer, platforms) = (self.tenant.customer(which), &self.node.platforms);
        let number = &self.tenant.number;
        let sid = platforms.customer_sends(&customer, number, text).await;
        let mut sent = self.sent.lock().unwrap();
        let messages = sent.by_customers.entry(customer).or_default();
        messages.push((sid, text.to_owned()));
    }

    /// An agent replies to a customer of the tenant.
    pub(crate) async fn agent_writes(&self, which: u32, text: &str) {
        let (customer, platforms) = (self.tenant.customer(which), &self.node.platforms);
        let id = platforms
            .agent_sends(&self.integration, &customer, text)
            .await;
        let mut sent = self.sent.lock().unwrap();
        let messages = sent.by_agents.entry(customer).or_default();
        messages.push((id, text.to_owned()));
    }

    /// Everything that was sent so far.
    pub(crate) fn sent(&self) -> Sent {
        self.sent.lock().unwrap().clone()
    }

    /// A text each way, to its end.
    pub(crate) async fn texts_go_both_ways(&self, word: &str) {
        let (there, back) = (format!("{word}, there"), format!("{word}, back"));
        self.customer_writes(0, &there).await;
        self.agent_writes(0, &back).await;
        self.delivered(2).await;
    }

    /// Waits until all of so many acknowledged messages are on the other side, and judges.
    pub(crate) async fn delivered(&self, acknowledged: usize) -> Verdict {
        self.judged(acknowledged, DELIVERED, |_| ()).await
    }

    /// The same with patience, after `amend` has added what the log does not know any more.
    pub(crate) async fn judged(
        &self,
        acknowledged: usize,
        patience: Duration,
        amend: impl Fn(&mut Log),
    ) -> Verdict {
        let sent = self.sent();
        let what = format!(
            "{}: {acknowledged} messages are delivered",
            self.tenant.name
        );
        let found = wait_for(&what, patience, || async {
            let mut log = self.node.platforms.log().await;
            amend(&mut log);
            let verdict = judge(&sent, &log);
            if verdict.is_clean() && verdict.acknowledged >= acknowledged {
                return Ok(verdict);
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
            Err(format!("{verdict:?}\n{}", self.seen(&log)))
        });
        match found.await {
            Ok(verdict) => verdict,
            Err(error) => {
                let more = conditions::details(self.cluster(), &self.tenant.name).await;
                panic!("{error}\n{more}")
            }
        }
    }

    /// What both platforms saw of this tenant.
    fn seen(&self, log: &Log) -> String {
        let of_us = |url: &str| url.starts_with(&self.tenant.public_url);
        let webhooks = log.webhooks.iter().filter(|webhook| of_us(&webhook.url));
        let inbound = log
            .genesys_inbound
            .iter()
            .filter(|message| message.integration_id == self.integration);
        let outbound = log
            .twilio_sends
            .iter()
            .filter(|send| send.from == self.tenant.number);
        let lines = webhooks
            .map(|webhook| format!("{webhook:?}"))
            .chain(inbound.map(|message| format!("{message:?}")))
            .chain(outbound.map(|send| format!("{send:?}")));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Waits until so many of the tenant's webhooks were acknowledged.
    pub(crate) async fn acknowledged(&self, messages: usize) -> Log {
        let what = format!("{}: {messages} messages are acknowledged", self.tenant.name);
        let sent = self.sent();
        self.node
            .platforms
            .until(&what, DELIVERED, |log| {
                let seen = judge(&sent, log).acknowledged;
                if seen >= messages {
                    Ok(log.clone())
                } else {
                    Err(format!("{seen}\n{}", self.seen(log)))
                }
            })
            .await
    }

    /// Genesys answers 503 to everything about these customers of the tenant.
    pub(crate) async fn genesys_is_down_for(&self, customers: u32) -> Vec<Planted> {
        let mut planted = Vec::new();
        for which in 0..customers {
            let down = Effect::Status {
                status: 503,
                body: None,
            };
            let fault =
                Fault::new(Endpoint::GenesysApi, down).for_customer(self.tenant.customer(which));
            planted.push(self.node.platforms.plant(fault).await);
        }
        planted
    }

    pub(crate) async fn genesys_is_back(&self, planted: Vec<Planted>) {
        for fault in planted {
            self.node.platforms.lift(fault).await;
        }
    }
}

/// The story, and what has to be put right after it, however it ends: others follow.
pub(crate) async fn and_always(story: impl Future<Output = ()>, after: impl AsyncFnOnce()) {
    let ended = AssertUnwindSafe(story).catch_unwind().await;
    after().await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}
