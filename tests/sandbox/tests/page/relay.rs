//! What a bridge does, in a few lines, without any of what makes one worth having.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use messaging_bridge_sandbox::Options;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

/// A bridge without a queue.
#[derive(Clone)]
pub(crate) struct Relay {
    http: reqwest::Client,
    platforms: Url,
    options: Arc<Options>,
}

impl Relay {
    pub(crate) fn start(listener: TcpListener, platforms: Url, options: Options) {
        let relay = Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_backend_preconfigured(no_tls())
                .build()
                .unwrap(),
            platforms,
            options: Arc::new(options),
        };
        let router = Router::new()
            .route("/acme/twilio/inbound", post(inbound))
            .route("/acme/twilio/status/{id}", post(status))
            .route("/acme/genesys/outbound", post(outbound))
            .with_state(relay);
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    async fn genesys(&self, kind: &str, body: &Value) {
        let (id, secret) = (&self.options.client_id, Some(&self.options.client_secret));
        let grant = [("grant_type", "client_credentials")];
        let token = self
            .http
            .post(self.url("/oauth/token"))
            .basic_auth(id, secret)
            .form(&grant)
            .send();
        let token: Value = token.await.unwrap().json().await.unwrap();
        let path = format!(
            "/api/v2/conversations/messages/{}/inbound/open/{kind}",
            self.options.integration.id
        );
        let request = self
            .http
            .post(self.url(&path))
            .bearer_auth(token["access_token"].as_str().unwrap())
            .json(body);
        assert!(request.send().await.unwrap().status().is_success());
    }

    fn url(&self, path: &str) -> Url {
        self.platforms.join(path).unwrap()
    }
}

/// The sandbox speaks plain HTTP.
fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn twiml() -> Response {
    ([("content-type", "text/xml")], "<Response/>").into_response()
}

fn form(body: &[u8]) -> impl Fn(&str) -> String {
    let fields: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    move |name| fields.get(name).cloned().unwrap_or_default()
}

async fn inbound(State(relay): State<Relay>, body: Bytes) -> Response {
    let field = form(&body);
    let message = json!({
        "channel": {
            "messageId": field("MessageSid"),
            "time": jiff::Timestamp::now().to_string(),
            "from": {"id": field("From"), "idType": "Phone", "nickname": field("From")},
        },
        "text": field("Body"),
    });
    relay.genesys("message", &message).await;
    twiml()
}

async fn outbound(State(relay): State<Relay>, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let options = &relay.options;
    let path = format!("/2010-04-01/Accounts/{}/Messages.json", options.account_sid);
    let callback =
        options.public_url.to_string() + "/twilio/status/" + message["id"].as_str().unwrap();
    let fields = [
        ("To", message["channel"]["to"]["id"].as_str().unwrap()),
        ("From", &options.number),
        ("Body", message["text"].as_str().unwrap()),
        ("StatusCallback", &callback),
    ];
    let send = relay
        .http
        .post(relay.url(&path))
        .basic_auth(&options.account_sid, Some(&options.auth_token));
    send.form(&fields).send().await.unwrap();
    twiml()
}

async fn status(State(relay): State<Relay>, path: Path<String>, body: Bytes) -> Response {
    let field = form(&body);
    let (status, reasons) = match field("MessageStatus").as_str() {
        "sent" => ("Sent", json!([])),
        "delivered" => ("Delivered", json!([])),
        _ => (
            "Failed",
            json!([{"code": "InvalidDestination", "message": "The phone is switched off or out of reach."}]),
        ),
    };
    let channel = json!({"to": {"id": field("To"), "idType": "Phone"}, "time": jiff::Timestamp::now().to_string()});
    let receipt = json!({"id": path.0, "status": status, "channel": channel, "reasons": reasons, "isFinalReceipt": status != "Sent"});
    relay.genesys("receipt", &receipt).await;
    twiml()
}
