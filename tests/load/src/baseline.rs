//! The yardstick: a bare axum server that checks Twilio's signature with the relay's own code and answers as the relay
//! does. What the relay adds to it is reading the message, storing it durably and delivering it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use messaging_bridge_clients::twilio::{FormFields, SignedBody, signature};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::cli::SERVE_BASELINE;
use crate::error::LoadError;
use crate::fixture::{AUTH_TOKEN, PUBLIC_URL, TWILIO_PATH};
use crate::http1::Connection;
use crate::relay::free_addresses;

const START_PATIENCE: Duration = Duration::from_secs(10);
const TRY_EVERY: Duration = Duration::from_millis(20);
const TWIML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

/// The server as a process of its own, like the relay. Dropping it kills it.
pub(crate) struct Baseline {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Baseline {
    /// Starts this very binary as the server.
    pub(crate) async fn start() -> Result<Self, LoadError> {
        let binary = std::env::current_exe().map_err(LoadError::io("find this binary"))?;
        let [address] = free_addresses()?;
        let child = Command::new(binary)
            .args([SERVE_BASELINE, &address.to_string()])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(LoadError::io("start the baseline"))?;
        let give_up = Instant::now() + START_PATIENCE;
        while Connection::open(address).await.is_err() {
            if Instant::now() > give_up {
                return Err(LoadError::NotReady {
                    what: "the baseline",
                    seconds: START_PATIENCE.as_secs(),
                    log: String::new(),
                });
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
        Ok(Self { child, address })
    }

    /// Kills it and waits for its end.
    pub(crate) async fn kill(mut self) -> Result<(), LoadError> {
        self.child
            .kill()
            .await
            .map_err(LoadError::io("kill the baseline"))
    }
}

/// What the server verifies with.
struct Verifier {
    url: String,
    tokens: [SecretString; 1],
}

/// Serves until the process is killed.
pub(crate) async fn serve(address: SocketAddr) -> Result<(), LoadError> {
    let verifier = Arc::new(Verifier {
        url: format!("{PUBLIC_URL}{TWILIO_PATH}"),
        tokens: [SecretString::from(AUTH_TOKEN)],
    });
    let router = Router::new()
        .route(TWILIO_PATH, post(receive))
        .with_state(verifier);
    let listener = TcpListener::bind(address)
        .await
        .map_err(LoadError::io("listen"))?;
    axum::serve(listener, router)
        .await
        .map_err(LoadError::io("serve"))
}

async fn receive(
    State(verifier): State<Arc<Verifier>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed_with = headers
        .get(signature::HEADER)
        .and_then(|value| value.to_str().ok());
    let form = FormFields::parse(&body);
    let signed = SignedBody::Form(&form);
    match signature::verify(&verifier.tokens, signed_with, &verifier.url, &signed) {
        Ok(()) => ([(header::CONTENT_TYPE, "text/xml")], TWIML).into_response(),
        Err(_) => StatusCode::FORBIDDEN.into_response(),
    }
}
