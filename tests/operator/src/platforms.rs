//! The sandbox's control API, whether it is a pod of the cluster or part of this process.
//!
//! Many tests share one sandbox. Faults are planted one by one and lifted by whoever planted them; a fault for all
//! customers ([`Platforms::switch`]) is for a test that runs alone.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use messaging_bridge_cluster::wait_for;
use messaging_bridge_sandbox::{Fault, Faults, Log, PlatformRequest};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// How long an answer may take: the way leads through the API server.
const ANSWER: Duration = Duration::from_secs(20);
/// Between two looks at the log, which is long.
const BETWEEN: Duration = Duration::from_millis(500);

/// Both platforms, as a test handles them.
#[derive(Clone, Debug)]
pub struct Platforms {
    url: String,
    client: reqwest::Client,
    planted: Arc<Mutex<Vec<(u32, Fault)>>>,
}

/// A fault that is planted, to be lifted.
#[derive(Debug)]
#[must_use = "a fault stays until it is lifted"]
pub struct Planted(u32);

impl Platforms {
    /// The sandbox that listens at this URL.
    ///
    /// # Panics
    ///
    /// When no client can be made.
    pub fn at(url: &str) -> Self {
        // Nothing here calls over TLS; the client wants a provider all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(ANSWER)
            .no_proxy()
            // A way through the API server breaks when the kubelet starts again: each request has its own.
            .pool_max_idle_per_host(0)
            .build();
        Self {
            url: format!("{}/sandbox", url.trim_end_matches('/')),
            client: client.expect("a client can be made"),
            planted: Arc::default(),
        }
    }

    /// Asks the control API; null for an answer without a body.
    ///
    /// # Panics
    ///
    /// When it does not answer, or refuses.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        match self.tried(method, path, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{error}"),
        }
    }

    async fn tried(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.url);
        let mut request = self.client.request(method, &url);
        if !body.is_null() {
            request = request.json(body);
        }
        let failed = |error: reqwest::Error| format!("{url}: {error:?}");
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if !status.is_success() {
            return Err(format!("{url}: {status} {text}"));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Waits until the sandbox answers: it has just started.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn answers(&self) {
        let waited = wait_for("the sandbox answers", Duration::from_mins(1), || {
            self.tried(Method::GET, "/tenant", &Value::Null)
        })
        .await;
        if let Err(error) = waited {
            panic!("{error}");
        }
    }

    /// What both platforms saw and did so far.
    ///
    /// # Panics
    ///
    /// When the sandbox is of another version.
    pub async fn log(&self) -> Log {
        let log = self.ask(Method::GET, "/log", &Value::Null).await;
        serde_json::from_value(log).expect("the sandbox's log is of this version")
    }

    /// Waits until the log holds what is wanted.
    ///
    /// # Panics
    ///
    /// When the patience ends.
    pub async fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Log) -> Result<T, String>,
    ) -> T {
        let found = wait_for(what, patience, || async {
            let seen = wanted(&self.log().await);
            if seen.is_err() {
                tokio::time::sleep(BETWEEN).await;
            }
            seen
        })
        .await;
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    /// How many requests the platforms' APIs have had.
    ///
    /// # Panics
    ///
    /// When the sandbox is of another version.
    pub async fn mark(&self) -> u64 {
        let requests = self
            .ask(Method::GET, "/requests?since=1000000000", &Value::Null)
            .await;
        requests["mark"].as_u64().expect("a mark is a number")
    }

    /// The operator's requests to the platforms' APIs since a mark.
    ///
    /// # Panics
    ///
    /// When the sandbox is of another version.
    pub async fn of_operator(&self, since: u64) -> Vec<PlatformRequest> {
        let path = format!("/requests?since={since}&user_agent=messaging-bridge-operator");
        let mut requests = self.ask(Method::GET, &path, &Value::Null).await;
        serde_json::from_value(requests["requests"].take())
            .expect("the sandbox's requests are of this version")
    }

    /// A customer texts a number; returns the `MessageSid`. The webhook follows.
    pub async fn customer_sends(&self, from: &str, to: &str, text: &str) -> String {
        let body = json!({"from": from, "to": to, "text": text});
        let answer = self.ask(Method::POST, "/customer/messages", &body).await;
        word(&answer, "sid")
    }

    /// An agent replies; returns Genesys' id of the message. The webhook follows.
    pub async fn agent_sends(&self, integration: &str, to: &str, text: &str) -> String {
        let body = json!({"integration": integration, "to": to, "text": text});
        let answer = self.ask(Method::POST, "/agent/messages", &body).await;
        word(&answer, "id")
    }

    /// Buys a number, or changes it (`NumberSettings` as JSON).
    pub async fn put_number(&self, number: &str, settings: &Value) {
        self.ask(Method::PUT, &format!("/numbers/{number}"), settings)
            .await;
    }

    /// Makes an integration (`IntegrationSettings` as JSON); returns its id.
    pub async fn create_integration(&self, settings: &Value) -> String {
        let made = self.ask(Method::POST, "/integrations", settings).await;
        word(&made, "id")
    }

    /// Changes an integration.
    pub async fn change_integration(&self, id: &str, settings: &Value) {
        self.ask(Method::PATCH, &format!("/integrations/{id}"), settings)
            .await;
    }

    /// Deletes an integration.
    pub async fn delete_integration(&self, id: &str) {
        self.ask(Method::DELETE, &format!("/integrations/{id}"), &Value::Null)
            .await;
    }

    /// Makes or changes an OAuth client (`ClientSettings` as JSON).
    pub async fn put_client(&self, id: &str, settings: &Value) {
        self.ask(Method::PUT, &format!("/clients/{id}"), settings)
            .await;
    }

    /// Webhooks for a public host really go there.
    pub async fn connect(&self, host: &str, to: &str) {
        let body = json!({"host": host, "to": to});
        self.ask(Method::POST, "/connect", &body).await;
    }

    /// Throws one switch of the page: for all customers of all tenants.
    pub async fn switch(&self, name: &str, on: bool) {
        let path = format!("/faults/{name}");
        self.ask(Method::PUT, &path, &json!({"on": on})).await;
    }

    /// Plants a fault beside those of other tests.
    pub async fn plant(&self, fault: Fault) -> Planted {
        let mut planted = self.planted.lock().await;
        let id = planted.last().map_or(0, |(last, _)| last + 1);
        planted.push((id, fault));
        self.set(&planted).await;
        Planted(id)
    }

    /// Lifts it.
    pub async fn lift(&self, fault: Planted) {
        let mut planted = self.planted.lock().await;
        planted.retain(|(id, _)| *id != fault.0);
        self.set(&planted).await;
    }

    async fn set(&self, planted: &[(u32, Fault)]) {
        let rules = planted.iter().map(|(_, fault)| fault.clone()).collect();
        let faults = serde_json::to_value(Faults { rules }).expect("faults are JSON");
        self.ask(Method::PUT, "/faults", &faults).await;
    }
}

fn word(answer: &Value, name: &str) -> String {
    match answer[name].as_str() {
        Some(word) => word.to_owned(),
        None => panic!("the sandbox answers without {name}: {answer}"),
    }
}
