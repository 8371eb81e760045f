//! A platform played by a closure, over real HTTP on the loopback interface. It keeps what it was asked.
//!
//! It models neither TLS nor a platform's rules; that is the sandbox's part.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use tokio::net::TcpListener;
use url::Url;

pub(crate) const USER_AGENT: &str = "messaging-bridge-test/1";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A running platform.
pub(crate) struct Platform {
    pub(crate) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Platform {
    /// Starts a platform that answers with `reply(requests seen before, request)`.
    pub(crate) async fn start(
        reply: impl Fn(usize, &Seen) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = Arc::clone(&seen);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let request = Seen {
                method,
                target: uri.to_string(),
                headers,
                body,
            };
            let mut log = log.lock().unwrap();
            let response = reply(log.len(), &request);
            log.push(request);
            async move { response }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(handler))
                .await
                .unwrap();
        });
        Self {
            url: url.parse().unwrap(),
            seen,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests went to a target that starts with `target`.
    pub(crate) fn count(&self, target: &str) -> usize {
        let seen = self.seen();
        seen.iter()
            .filter(|request| request.target.starts_with(target))
            .count()
    }
}

pub(crate) fn reply(status: u16, body: impl Into<Body>) -> Response {
    reply_with(status, &[], body)
}

pub(crate) fn reply_with(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub(crate) fn http() -> reqwest::Client {
    messaging_bridge_clients::http::client(USER_AGENT).unwrap()
}

/// A listener that takes each request and then acts at random, as far as HTTP is concerned: it writes `answer` and
/// closes.
pub(crate) async fn raw(answer: &'static [u8]) -> Url {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let _ = connection.read(&mut request).await.unwrap();
            connection.write_all(answer).await.unwrap();
        }
    });
    url.parse().unwrap()
}

/// Where a platform holds an answer back until the test lets it go. The test needs a runtime of several threads.
pub(crate) struct Held {
    arrival: Receiver<()>,
    go_on: Sender<()>,
}

/// What the platform calls to be held, and what the test holds it by.
pub(crate) fn held() -> (impl Fn() + Clone + Send + Sync + 'static, Held) {
    let (arrived, arrival) = channel();
    let (go_on, gate) = channel();
    let ends = Arc::new(Mutex::new((arrived, gate)));
    let hold = move || {
        let (arrived, gate) = &*ends.lock().unwrap();
        arrived.send(()).unwrap();
        gate.recv().unwrap();
    };
    (hold, Held { arrival, go_on })
}

impl Held {
    /// Waits until the platform is held; what is returned lets it go.
    pub(crate) async fn arrived(self) -> Sender<()> {
        let wait = move || {
            self.arrival.recv().unwrap();
            self.go_on
        };
        tokio::task::spawn_blocking(wait).await.unwrap()
    }
}
