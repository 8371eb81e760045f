//! What relays say of themselves, where there is no pod that could say it: their `/status`, told by a test.
//!
//! What it does not model: anything else of a relay.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, routing};
use http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;

type Words = Arc<Mutex<BTreeMap<String, Value>>>;

/// All relays, by their namespaces.
#[derive(Clone, Debug)]
pub struct Relays {
    words: Words,
    /// Where the operator reads them, with `{namespace}` and `{service}` in it.
    pub url: String,
}

impl Relays {
    /// Serves them for as long as the runtime lives.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let words = Words::default();
        let router = Router::new()
            .route("/{namespace}/{service}", routing::get(status))
            .with_state(Arc::clone(&words));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            words,
            url: format!("http://{address}/{{namespace}}/{{service}}"),
        }
    }

    /// What the relay of a namespace says from now on. Before that, it does not answer.
    pub fn say(&self, namespace: &str, status: Value) {
        lock(&self.words).insert(namespace.to_owned(), status);
    }
}

async fn status(
    State(words): State<Words>,
    Path((namespace, _)): Path<(String, String)>,
) -> Response {
    let said = lock(&words).get(&namespace).cloned();
    said.map_or_else(
        || StatusCode::SERVICE_UNAVAILABLE.into_response(),
        |status| Json(status).into_response(),
    )
}

fn lock(words: &Words) -> MutexGuard<'_, BTreeMap<String, Value>> {
    words.lock().unwrap_or_else(PoisonError::into_inner)
}
