//! A sandbox, a bridge that answers by script, and an HTTP client that knows the tenant's credentials.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use messaging_bridge_sandbox::{Log, Options, Sandbox};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

pub(crate) const HOST: &str = "bridge.example.com";
pub(crate) const CUSTOMER: &str = "+15557654321";
pub(crate) const NUMBER: &str = "+15551230000";

/// Long enough for a busy machine; a test that passes never waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that the bridge received.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.form()
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// What the bridge answers next.
#[derive(Clone, Copy)]
pub(crate) enum Script {
    Status(u16),
    PlainText(&'static str),
    Silence,
}

/// A bridge that takes everything, unless its script says otherwise.
#[derive(Clone, Default)]
pub(crate) struct Bridge(Arc<Mutex<(Vec<Received>, VecDeque<Script>)>>);

impl Bridge {
    pub(crate) async fn start() -> (Self, Url) {
        let bridge = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().fallback(receive).with_state(bridge.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (bridge, url)
    }

    pub(crate) fn then(&self, script: impl IntoIterator<Item = Script>) {
        self.0.lock().unwrap().1.extend(script);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().0.clone()
    }
}

async fn receive(
    State(bridge): State<Bridge>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let next = {
        let mut inner = bridge.0.lock().unwrap();
        inner.0.push(Received { uri, headers, body });
        inner.1.pop_front()
    };
    let (status, media_type, body) = match next {
        None => (200, "text/xml", "<Response/>"),
        Some(Script::Status(status)) => (status, "text/xml", "<Response/>"),
        Some(Script::PlainText(text)) => (200, "text/plain", text),
        Some(Script::Silence) => std::future::pending().await,
    };
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", media_type)
        .body(body.into())
        .unwrap()
}

/// A sandbox fifty times faster than real, whose webhooks reach a scripted bridge.
pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    pub(crate) bridge: Bridge,
    pub(crate) http: reqwest::Client,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let (bridge, url) = Bridge::start().await;
        let mut options = Options {
            time_scale: 0.02,
            ..Options::default()
        };
        options.connect.insert(HOST.into(), url);
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(options, listener).await.unwrap();
        Self {
            sandbox,
            bridge,
            http: client(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.sandbox.url().join(path).unwrap()
    }

    /// A path below the account, with the auth token.
    pub(crate) fn twilio(&self, method: http::Method, path: &str) -> RequestBuilder {
        let options = self.sandbox.options();
        let path = format!("/2010-04-01/Accounts/{}{path}", options.account_sid);
        self.http
            .request(method, self.url(&path))
            .basic_auth(&options.account_sid, Some(&options.auth_token))
    }

    /// Sends a text with more or other fields.
    pub(crate) fn send(&self, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut form = vec![("To", CUSTOMER), ("From", NUMBER), ("Body", "hi")];
        for field in fields {
            form.retain(|(name, _)| *name != field.0);
            form.push(*field);
        }
        self.twilio(http::Method::POST, "/Messages.json")
            .form(&form)
    }

    pub(crate) async fn token(&self) -> String {
        let answer = self
            .token_request("grant_type=client_credentials")
            .send()
            .await
            .unwrap();
        json(answer).await.1["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn token_request(&self, form: &'static str) -> RequestBuilder {
        let options = self.sandbox.options();
        self.http
            .post(self.url("/oauth/token"))
            .basic_auth(&options.client_id, Some(&options.client_secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    }

    /// Posts to the inbound API of the tenant's integration.
    pub(crate) fn inbound(&self, token: &str, kind: &str, body: &Value) -> RequestBuilder {
        let id = &self.sandbox.options().integration.id;
        let path = format!("/api/v2/conversations/messages/{id}/inbound/open/{kind}");
        self.http
            .post(self.url(&path))
            .bearer_auth(token)
            .json(body)
    }

    /// Waits until the log says so.
    pub(crate) async fn until(&self, what: &str, found: impl Fn(&Log) -> bool) -> Log {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            let log = self.sandbox.log();
            if found(&log) {
                return log;
            }
            assert!(
                tokio::time::Instant::now() < give_up,
                "never happened: {what}\n{log:#?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A client without TLS: the sandbox speaks plain HTTP.
pub(crate) fn client() -> reqwest::Client {
    let roots = rustls::RootCertStore::empty();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

/// Status and body.
pub(crate) async fn json(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

/// A customer's message as the inbound API takes it.
pub(crate) fn message(id: &str, text: &str) -> Value {
    serde_json::json!({
        "channel": {
            "messageId": id,
            "time": "2026-01-02T03:04:05.678Z",
            "from": {"id": CUSTOMER, "idType": "Phone", "nickname": "Ann"},
            "metadata": {"customAttributes": {"twilioTo": NUMBER}},
        },
        "text": text,
    })
}

/// A receipt as the inbound API takes it.
pub(crate) fn receipt(id: &str, status: &str) -> Value {
    serde_json::json!({
        "id": id,
        "status": status,
        "isFinalReceipt": true,
        "channel": {"to": {"id": CUSTOMER, "idType": "Phone"}, "time": "2026-01-02T03:06:03Z"},
    })
}
