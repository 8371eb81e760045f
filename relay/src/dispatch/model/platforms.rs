//! Both platforms as far as dispatch meets them. They answer as the story says, and remember what they took.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::clock::{Clock as _, ManualClock};
use crate::outbox::SendId;

/// What a platform does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Taken, and answered so.
    Taken,
    /// Taken, and the answer is a 5xx.
    TakenButLost,
    /// Not taken, and the answer is a 5xx.
    NotTakenAndLost,
    /// Refused for itself.
    Refused,
    /// Asked to wait for some seconds.
    Throttled(u8),
    /// Refused for a reason that says nothing about it.
    Blocked,
}

/// A text that Twilio took.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) sid: String,
    pub(super) send: SendId,
    pub(super) body: String,
    to: String,
    created: Timestamp,
}

/// A text that Genesys took.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) id: String,
    pub(super) answered: bool,
    /// How many crashes there had been.
    pub(super) crashes: usize,
}

#[derive(Default)]
pub(super) struct Seen {
    /// Fates of the next messages; then all are taken.
    pub(super) twilio: VecDeque<Fate>,
    pub(super) genesys: VecDeque<Fate>,
    pub(super) texts: Vec<Taken>,
    pub(super) arrived: Vec<Arrived>,
    pub(super) crashes: usize,
    /// Requests in all: who waits for silence watches it.
    pub(super) requests: u64,
}

/// Handles to both.
#[derive(Clone)]
pub(super) struct Platforms {
    seen: Arc<Mutex<Seen>>,
    clock: ManualClock,
}

impl Platforms {
    /// Serves both. Returns where.
    pub(super) async fn start(clock: ManualClock) -> (Self, Url) {
        let platforms = Self {
            seen: Arc::default(),
            clock,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let messages = "/2010-04-01/Accounts/{account}/Messages.json";
        let router = Router::new()
            .route("/oauth/token", post(token))
            .route(messages, get(list).post(send))
            .route(
                "/api/v2/conversations/messages/{integration}/inbound/open/message",
                post(inbound),
            )
            .route(
                "/api/v2/conversations/messages/{integration}/inbound/open/receipt",
                post(receipt),
            )
            .with_state(platforms.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        (platforms, url)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

async fn token(State(platforms): State<Platforms>) -> Json<Value> {
    platforms.seen().requests += 1;
    Json(json!({"access_token": "t", "token_type": "bearer", "expires_in": 864_000}))
}

async fn receipt(State(platforms): State<Platforms>) -> Json<Value> {
    platforms.seen().requests += 1;
    Json(json!({"id": "r"}))
}

async fn inbound(State(platforms): State<Platforms>, Json(body): Json<Value>) -> Response {
    let mut seen = platforms.seen();
    seen.requests += 1;
    let fate = seen.genesys.pop_front().unwrap_or(Fate::Taken);
    if matches!(fate, Fate::Taken | Fate::TakenButLost) {
        let id = body["channel"]["messageId"].as_str().unwrap().to_owned();
        let crashes = seen.crashes;
        seen.arrived.push(Arrived {
            id,
            answered: fate == Fate::Taken,
            crashes,
        });
    }
    let (status, body) = match fate {
        Fate::Taken => (200, json!({"id": "x"})),
        Fate::Refused => (400, json!({"code": "bad.request", "message": "no"})),
        Fate::Blocked => (
            403,
            json!({"code": "missing.permissions", "message": "You are missing the following permission(s)"}),
        ),
        other => return shared(other),
    };
    answer(status, body)
}

async fn send(State(platforms): State<Platforms>, body: Bytes) -> Response {
    let mut seen = platforms.seen();
    seen.requests += 1;
    let fate = seen.twilio.pop_front().unwrap_or(Fate::Taken);
    let sid = format!("SM{:032x}", seen.texts.len());
    if matches!(fate, Fate::Taken | Fate::TakenButLost) {
        let field = |wanted: &str| {
            form_urlencoded::parse(&body)
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
                .unwrap()
        };
        let callback = field("StatusCallback");
        seen.texts.push(Taken {
            sid: sid.clone(),
            send: SendId::new(callback.rsplit('/').next().unwrap()),
            body: field("Body"),
            to: field("To"),
            created: platforms.clock.now(),
        });
    }
    match fate {
        Fate::Taken => answer(201, json!({"sid": sid, "status": "queued"})),
        Fate::Refused => answer(400, json!({"code": 21610, "message": "opted out"})),
        Fate::Blocked => answer(401, json!({"code": 20003, "message": "Authenticate"})),
        other => shared(other),
    }
}

/// Complete and true at once.
async fn list(State(platforms): State<Platforms>) -> Response {
    let mut seen = platforms.seen();
    seen.requests += 1;
    let messages: Vec<Value> = seen
        .texts
        .iter()
        .rev()
        .map(|text| {
            json!({
                "sid": text.sid, "status": "sent", "direction": "outbound-api", "body": text.body, "to": text.to,
                "from": super::relay::NUMBER,
                "date_created": text.created.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
            })
        })
        .collect();
    answer(200, json!({"messages": messages, "next_page_uri": null}))
}

fn shared(fate: Fate) -> Response {
    match fate {
        Fate::Throttled(seconds) => {
            let body = Json(json!({"code": 20429, "message": "Too Many Requests"}));
            let headers = [("retry-after", seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response()
        }
        _ => answer(503, json!({"message": "unavailable"})),
    }
}

fn answer(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}
