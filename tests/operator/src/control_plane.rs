//! An API server without a node: the chart's objects are there, and the operator runs as a process with their rights.
//!
//! Tests share it and have a namespace, a number and an integration each. What concerns everybody (the definition of
//! the resource, both platforms as a whole) is for a test that is [`ControlPlane::alone`].
//!
//! What it does not model: pods. Kubernetes makes a relay's pod and claim, and nobody places or starts them; a test may
//! say in their status that somebody has, and what the relay says ([`Relays`]).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use messaging_bridge_cluster::{Cluster, Helm, Level, Mark, Output, Request, wait_for};
use messaging_bridge_sandbox::{IntegrationSettings, NumberSettings, Options, Sandbox};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::operator::Operator;
use crate::relays::Relays;
use crate::repository;
use crate::tenant::Tenant;

/// Who the operator is at the API server.
pub const ACCOUNT: &str = "system:serviceaccount:messaging-bridge:messaging-bridge-operator";

/// How long the audit log may take to be written.
const CAUGHT_UP: Duration = Duration::from_mins(1);

/// The setting; one a process.
pub struct ControlPlane {
    /// The cluster.
    pub cluster: &'static Cluster,
    /// Both platforms.
    pub sandbox: Sandbox,
    /// The relays.
    pub relays: Relays,
    operator: Mutex<Operator>,
    /// The audit log before the operator started.
    began: Mark,
    tenants: AtomicU32,
    moments: AtomicU32,
    others: RwLock<()>,
}

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
/// Whether a start was tried.
static TRIED: AtomicBool = AtomicBool::new(false);

/// The setting that the tests of this process share, with this binary of the operator. They share a runtime too.
///
/// # Panics
///
/// When it cannot be made. It is tried once.
pub async fn shared(operator: &str) -> &'static ControlPlane {
    SHARED.get_or_init(|| start(operator)).await
}

/// The same, if a test has asked for it.
pub fn started() -> Option<&'static ControlPlane> {
    SHARED.get()
}

/// Installs the chart; no pod comes of it.
///
/// # Panics
///
/// When Helm fails.
pub async fn install(cluster: &Cluster, more: &[&str]) {
    let chart = repository("charts/messaging-bridge");
    let chart = chart.to_str().expect("the repository's path is text");
    let mut install = vec!["upgrade", "--install", "messaging-bridge", chart];
    install.extend(["-n", "messaging-bridge", "--create-namespace"]);
    install.extend(more);
    if let Err(error) = cluster.helm(Helm::V4, &install).await.and_then(Output::ok) {
        panic!("{error}");
    }
}

/// Both platforms, with patience for many bridges of one organisation.
///
/// # Panics
///
/// When no port is free.
pub async fn platforms() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let options = Options {
        genesys_limit_per_minute: 100_000,
        ..Options::default()
    };
    Sandbox::start(options, listener)
        .await
        .expect("the options are valid")
}

/// Starts the operator with these platforms.
pub async fn operator(
    program: &str,
    cluster: &Cluster,
    sandbox: &Sandbox,
    relays: &Relays,
) -> Operator {
    operator_with(program, cluster, sandbox, relays, "").await
}

/// The same with more settings of the relay, as YAML in one line.
async fn operator_with(
    program: &str,
    cluster: &Cluster,
    sandbox: &Sandbox,
    relays: &Relays,
    relay: &str,
) -> Operator {
    let url = sandbox.url();
    let settings = format!(
        "{{version: 1, relay: {{image: 'relay:1', {relay}}}, platforms: {{genesysBaseUrl: '{url}', twilioBaseUrl: '{url}'}}}}"
    );
    Operator::start(program, cluster, &settings, &relays.url).await
}

/// Makes a tenant's number and integration as they should be; returns the integration's id.
///
/// # Panics
///
/// When the sandbox refuses it.
pub fn set_up(sandbox: &Sandbox, tenant: &Tenant) -> String {
    let number = NumberSettings {
        public_url: Some(tenant.public_url.clone()),
        ..NumberSettings::default()
    };
    sandbox
        .put_number(&tenant.number, &number)
        .expect("a number can be bought");
    let integration = IntegrationSettings {
        name: Some(tenant.name.clone()),
        public_url: Some(tenant.public_url.clone()),
        ..IntegrationSettings::default()
    };
    sandbox
        .create_integration(integration)
        .expect("an integration can be made")
}

async fn start(program: &str) -> ControlPlane {
    assert!(
        !TRIED.swap(true, Ordering::Relaxed),
        "the cluster with the operator beside it did not start: see the first failure"
    );
    let cluster = Cluster::shared(Level::Api)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let audit = cluster.audit().and_then(|audit| audit.mark());
    let began = audit.unwrap_or_else(|error| panic!("{error}"));
    install(cluster, &[]).await;
    let (sandbox, relays) = (platforms().await, Relays::start().await);
    let operator = operator(program, cluster, &sandbox, &relays).await;
    operator.until_readyz(200).await;
    ControlPlane {
        cluster,
        sandbox,
        relays,
        operator: Mutex::new(operator),
        began,
        tenants: AtomicU32::new(1),
        moments: AtomicU32::new(1),
        others: RwLock::default(),
    }
}

impl ControlPlane {
    /// A tenant that neither platform knows.
    pub fn tenant(&self, name: &str) -> Tenant {
        let index = self.tenants.fetch_add(1, Ordering::Relaxed);
        Tenant::new(name, index, &format!("https://bridge.example.com/{name}"))
    }

    /// The end of the audit log as it is now.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub fn mark(&self) -> Mark {
        let mark = self.cluster.audit().and_then(|audit| audit.mark());
        mark.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the operator asked the API server for since then.
    ///
    /// # Panics
    ///
    /// When the audit log cannot be read.
    pub async fn requests(&self, since: Mark) -> Vec<Request> {
        // The log may lag behind the answers: it is read up to a request that comes now.
        let now = self.moments.fetch_add(1, Ordering::Relaxed);
        let last = format!("/version?moment={now}");
        let found = wait_for("the audit log has come to now", CAUGHT_UP, || async {
            let requests = self.cluster.audit().and_then(|audit| audit.since(since));
            let requests = requests.map_err(|error| error.to_string())?;
            if requests.iter().any(|request| request.uri == last) {
                return Ok(requests);
            }
            let asked = self.cluster.kubectl(&["get", "--raw", &last]).await;
            asked
                .and_then(Output::ok)
                .map_err(|error| error.to_string())?;
            Err(format!("{} requests", requests.len()))
        });
        let requests = found.await.unwrap_or_else(|error| panic!("{error}"));
        let ours = requests
            .into_iter()
            .filter(|request| request.user == ACCOUNT);
        ours.collect()
    }

    /// The operator's last lines.
    pub async fn log(&self) -> String {
        let log = self.operator.lock().await.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Ends the operator; returns its exit code.
    pub async fn stop(&self) -> Option<i32> {
        self.operator.lock().await.terminate().await
    }

    /// Starts it again, and waits until it is ready.
    pub async fn start_again(&self, program: &str) {
        self.start_again_with(program, "").await;
    }

    /// The same with more settings of the relay, as YAML in one line.
    pub async fn start_again_with(&self, program: &str, relay: &str) {
        let again = operator_with(program, self.cluster, &self.sandbox, &self.relays, relay).await;
        again.until_readyz(200).await;
        *self.operator.lock().await = again;
    }

    /// Ends the operator; returns its exit code, and all that it ever asked the API server for.
    pub async fn end(&self) -> (Option<i32>, Vec<Request>) {
        (self.stop().await, self.requests(self.began).await)
    }

    /// Beside other tests: hold it for as long as the test runs.
    pub async fn beside(&self) -> RwLockReadGuard<'_, ()> {
        self.others.read().await
    }

    /// Without other tests: hold it for as long as the test runs.
    pub async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.others.write().await
    }
}
