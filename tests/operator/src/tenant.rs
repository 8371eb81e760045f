//! A tenant: a namespace with two Secrets and a bridge, and its number and integration on the simulated platforms.

use messaging_bridge_cluster::{Cluster, Output};
use messaging_bridge_sandbox::Options;
use serde_json::{Value, json};

/// The bridge's name in each tenant's namespace.
pub const BRIDGE: &str = "acme";

/// A tenant. Its namespace is its own, so that tests run side by side.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The namespace, and the integration's name.
    pub name: String,
    /// The number, E.164.
    pub number: String,
    /// What the platforms call.
    pub public_url: String,
    index: u32,
}

impl Tenant {
    /// The `index`th tenant.
    pub fn new(name: &str, index: u32, public_url: &str) -> Self {
        Self {
            name: name.to_owned(),
            number: format!("+1555124{index:04}"),
            public_url: public_url.to_owned(),
            index,
        }
    }

    /// The tenant with another number: as if it had bought one.
    #[must_use]
    pub fn with_another_number(mut self) -> Self {
        self.number = format!("+1555125{:04}", self.index);
        self
    }

    /// Namespace and name of its bridge.
    pub fn id(&self) -> (&str, &str) {
        (&self.name, BRIDGE)
    }

    /// A customer's number, which no other tenant's customer has: `which` is 0 to 999.
    pub fn customer(&self, which: u32) -> String {
        format!("+1666{:04}{which:03}", self.index)
    }

    /// The bridge, as a person would write it.
    pub fn bridge(&self) -> Value {
        json!({
            "apiVersion": "messagingbridge.io/v1alpha1",
            "kind": "MessagingBridge",
            "metadata": {"name": BRIDGE, "namespace": self.name},
            "spec": {
                "genesys": {
                    "region": "us-east-1",
                    "integrationName": self.name,
                    "credentialsSecretRef": {"name": "genesys"},
                },
                "twilio": {"number": self.number, "credentialsSecretRef": {"name": "twilio"}},
                "publicUrl": self.public_url,
            },
        })
    }

    /// The Genesys Secret of the simulated organisation.
    pub fn genesys(&self, client_secret: &str) -> Value {
        let options = Options::default();
        self.secret(
            "genesys",
            &json!({
                "clientId": options.client_id,
                "clientSecret": client_secret,
                "webhookSecret": options.integration.webhook_secret,
            }),
        )
    }

    /// The Twilio Secret of the simulated account.
    pub fn twilio(&self) -> Value {
        let options = Options::default();
        self.secret(
            "twilio",
            &json!({"accountSid": options.account_sid, "authToken": options.auth_token}),
        )
    }

    /// A Secret of the tenant.
    pub fn secret(&self, name: &str, data: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.name},
            "stringData": data,
        })
    }

    /// The namespace, with pods restricted as a careful platform team has it.
    pub fn namespace(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        })
    }

    /// Applies namespace, both Secrets and the bridge.
    pub async fn apply(&self, cluster: &Cluster) {
        let right = self.genesys(&Options::default().client_secret);
        apply(
            cluster,
            &[self.namespace(), right, self.twilio(), self.bridge()],
        )
        .await;
    }

    /// Merges into the bridge.
    pub async fn patch(&self, cluster: &Cluster, patch: &Value) {
        self.kubectl(
            cluster,
            &[
                "patch",
                "messagingbridge",
                BRIDGE,
                "--type=merge",
                "-p",
                &patch.to_string(),
            ],
        )
        .await;
    }

    /// Asks for a look at the platforms now.
    pub async fn reconcile(&self, cluster: &Cluster, token: &str) {
        let annotation = format!("messagingbridge.io/reconcile-at={token}");
        self.kubectl(
            cluster,
            &[
                "annotate",
                "--overwrite",
                "messagingbridge",
                BRIDGE,
                &annotation,
            ],
        )
        .await;
    }

    /// Runs kubectl in the tenant's namespace; returns what it wrote.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn kubectl(&self, cluster: &Cluster, args: &[&str]) -> String {
        let all: Vec<&str> = ["-n", &self.name]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        kubectl(cluster, &all).await
    }
}

/// Runs kubectl; returns what it wrote.
///
/// # Panics
///
/// When it fails.
pub async fn kubectl(cluster: &Cluster, args: &[&str]) -> String {
    match cluster.kubectl(args).await.and_then(Output::ok) {
        Ok(text) => text,
        Err(error) => panic!("{error}"),
    }
}

/// Applies objects.
///
/// # Panics
///
/// When one is refused.
pub async fn apply(cluster: &Cluster, objects: &[Value]) {
    let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let text = texts.join("\n---\n");
    if let Err(error) = cluster.apply(&text).await {
        panic!("{error}");
    }
}
