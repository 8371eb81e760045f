//! The control listener: what changes state. Bound to a loopback address only; the relay's own commands speak to it
//! (in Kubernetes through `kubectl exec`).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::dispatch::Wake;
use crate::outbox::{DeadLetter, DeadLetterId, Outbox, OutboxError, ReplaySelection};

/// Dead letters listed at most.
pub const LIST_LIMIT: u32 = 1000;

/// What the control listener works with.
pub struct Control {
    /// The durable queue.
    pub outbox: Arc<dyn Outbox>,
    /// Tells dispatch what was appended again.
    pub wake: Wake,
}

/// `GET /dead-letters`.
#[derive(Debug, Serialize)]
pub struct DeadLetterList {
    /// Oldest first.
    pub dead_letters: Vec<DeadLetter>,
}

/// `POST /dead-letters/replay`: one, or all when no id is named.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Which one.
    pub id: Option<i64>,
}

/// The answer of a replay.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReplayAnswer {
    /// Lanes that got messages again.
    pub lanes: usize,
}

impl ReplayRequest {
    /// What to append again.
    pub fn selection(&self) -> ReplaySelection {
        self.id.map_or(ReplaySelection::All, |id| {
            ReplaySelection::One(DeadLetterId(id))
        })
    }
}

/// The control listener's routes.
pub fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/dead-letters", get(list))
        .route("/dead-letters/replay", post(replay))
        .with_state(control)
}

async fn list(State(control): State<Arc<Control>>) -> Response {
    match control.outbox.dead_letters(LIST_LIMIT).await {
        Ok(dead_letters) => Json(DeadLetterList { dead_letters }).into_response(),
        Err(error) => failed(&error),
    }
}

async fn replay(
    State(control): State<Arc<Control>>,
    Json(request): Json<ReplayRequest>,
) -> Response {
    match control.outbox.replay(request.selection()).await {
        Ok(lanes) => {
            let count = lanes.len();
            tracing::info!(lanes = count, "dead letters were appended again");
            for lane in lanes {
                control.wake.lane(lane);
            }
            Json(ReplayAnswer { lanes: count }).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &OutboxError) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
}
