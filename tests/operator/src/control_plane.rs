//! An API server without a node: the chart's objects are there, and the operator runs as a process with their rights.
//!
//! What it does not model: pods. Relays are never ready here.

use std::sync::atomic::{AtomicU32, Ordering};

use messaging_bridge_cluster::{Cluster, Helm, Level, Output};
use messaging_bridge_sandbox::{IntegrationSettings, NumberSettings, Options, Sandbox};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

use crate::operator::Operator;
use crate::repository;
use crate::tenant::Tenant;

/// The setting; one a process.
pub struct ControlPlane {
    /// The cluster.
    pub cluster: &'static Cluster,
    /// Both platforms.
    pub sandbox: Sandbox,
    /// The operator.
    pub operator: Operator,
    /// Outlives each test's own.
    _background: Runtime,
    tenants: AtomicU32,
}

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// The setting that the tests of this process share.
pub async fn shared() -> &'static ControlPlane {
    SHARED.get_or_init(start).await
}

/// Installs the chart, with no pod to come of it.
///
/// # Panics
///
/// When Helm fails.
pub async fn install(cluster: &Cluster) {
    let chart = repository("charts/messaging-bridge");
    let chart = chart.to_str().expect("the repository's path is text");
    let install = [
        "upgrade",
        "--install",
        "messaging-bridge",
        chart,
        "-n",
        "messaging-bridge",
        "--create-namespace",
    ];
    if let Err(error) = cluster.helm(Helm::V4, &install).await.and_then(Output::ok) {
        panic!("{error}");
    }
}

async fn start() -> ControlPlane {
    let background = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let background = background.expect("a runtime can be made");
    let cluster = Cluster::shared(Level::Api)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    install(cluster).await;
    let starts = background.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        Sandbox::start(Options::default(), listener)
            .await
            .expect("the options are valid")
    });
    let sandbox = starts.await.expect("the sandbox starts");
    let url = sandbox.url();
    let settings = format!(
        "{{version: 1, relay: {{image: 'relay:1'}}, platforms: {{genesysBaseUrl: '{url}', twilioBaseUrl: '{url}'}}}}"
    );
    let guard = background.enter();
    let operator = Operator::start(cluster, &settings);
    drop(guard);
    let operator = operator.await;
    ControlPlane {
        cluster,
        sandbox,
        operator,
        _background: background,
        tenants: AtomicU32::new(1),
    }
}

impl ControlPlane {
    /// A tenant whose number and integration are right on both platforms.
    ///
    /// # Panics
    ///
    /// When the sandbox refuses it.
    pub fn tenant(&self, name: &str) -> Tenant {
        let tenant = self.unknown_tenant(name);
        let number = NumberSettings {
            public_url: Some(tenant.public_url.clone()),
            ..NumberSettings::default()
        };
        self.sandbox
            .put_number(&tenant.number, &number)
            .expect("a number can be bought");
        self.integration(&tenant);
        tenant
    }

    /// A tenant that neither platform knows.
    pub fn unknown_tenant(&self, name: &str) -> Tenant {
        let index = self.tenants.fetch_add(1, Ordering::Relaxed);
        Tenant::new(name, index, &format!("https://bridge.example.com/{name}"))
    }

    /// Makes the tenant's integration; returns its id.
    ///
    /// # Panics
    ///
    /// When the sandbox refuses it.
    pub fn integration(&self, tenant: &Tenant) -> String {
        let settings = IntegrationSettings {
            name: Some(tenant.name.clone()),
            public_url: Some(tenant.public_url.clone()),
            ..IntegrationSettings::default()
        };
        self.sandbox
            .create_integration(settings)
            .expect("an integration can be made")
    }
}
