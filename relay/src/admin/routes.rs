//! The admin address: `/healthz`, `/readyz`, `/metrics`, `/status`. Read-only.
//!
//! `/healthz` is 200 while the writing thread and the loops of dispatch live; only a restart could mend their end.
//! `/readyz` is 200 as soon as a message can be verified and appended; it never waits for a platform.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use messaging_bridge_clients::genesys::{GenesysClient, IntegrationId};
use tokio::sync::watch;

use super::metrics::Reading;
use super::status::{self, Status};
use super::vitals::Vitals;
use crate::clock::Clock;
use crate::dispatch::{Directions, Pulse};
use crate::outbox::{Direction, Outbox, OutboxError};
use crate::secrets::Secrets;

/// What OpenMetrics text is served as.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin address reads.
pub struct Admin {
    /// `namespace/name`.
    pub bridge: String,
    /// The durable queue.
    pub outbox: Arc<dyn Outbox>,
    /// What happened lately.
    pub vitals: Arc<Vitals>,
    /// How both directions fare.
    pub directions: Directions,
    /// Knows its token and its allowance.
    pub genesys: GenesysClient,
    /// The loaded Secrets.
    pub secrets: watch::Receiver<Arc<Secrets>>,
    /// The integration's id, once known.
    pub integration: watch::Receiver<Option<IntegrationId>>,
    /// Whether dispatch still runs.
    pub pulse: Pulse,
    /// Whether webhooks are taken.
    pub ready: Arc<AtomicBool>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
}

/// The admin address' routes.
pub fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(admin)
}

async fn healthy(State(admin): State<Arc<Admin>>) -> Response {
    if !admin.pulse.beats() && admin.ready.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "dispatch has ended\n").into_response();
    }
    match admin.outbox.stats().await {
        Err(OutboxError::Closed) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the outbox is closed\n").into_response()
        }
        // A disk that fails is no reason to be restarted: the connection is opened again by itself.
        _ => "ok\n".into_response(),
    }
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    if admin.ready.load(Ordering::Relaxed) {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response()
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match metrics_text(&admin).await {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn metrics_text(admin: &Admin) -> Result<String, OutboxError> {
    let stats = admin.outbox.stats().await?;
    let letters = admin.outbox.dead_letter_counts().await?;
    let now = admin.clock.now();
    let age = |since: Option<jiff::Timestamp>| {
        since.map_or(0, |since| now.duration_since(since).as_secs().max(0))
    };
    let reading = Reading {
        oldest: [age(stats.oldest_inbound), age(stats.oldest_outbound)],
        stats,
        letters,
        blocked: Direction::ALL
            .map(|direction| admin.directions.get(direction).blocked().is_some()),
        outage: Direction::ALL.map(|direction| admin.directions.get(direction).outage().is_some()),
        allowance: admin
            .genesys
            .rate_limit()
            .map(|limit| [limit.allowed, limit.count]),
        token: admin
            .genesys
            .token_life()
            .map(|life| [life.age.as_secs(), life.remaining.as_secs()]),
    };
    admin.vitals.gaps.set_gauges(now);
    let metrics = &admin.vitals.metrics;
    metrics.set_gauges(&reading);
    metrics
        .text()
        .map_err(|error| OutboxError::Store(error.to_string()))
}

async fn status(State(admin): State<Arc<Admin>>) -> Response {
    // Before the counts: whoever sees a direction blocked also sees the message that met it.
    let blocked = Direction::ALL.map(|direction| admin.directions.get(direction).blocked());
    let outages = Direction::ALL.map(|direction| admin.directions.get(direction).outage());
    let stats = match admin.outbox.stats().await {
        Ok(stats) => stats,
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response();
        }
    };
    let (genesys, twilio) = admin.vitals.health();
    let (gaps, statuses) = admin.vitals.gaps.status();
    axum::Json(Status {
        bridge: admin.bridge.clone(),
        version: env!("CARGO_PKG_VERSION"),
        integration_id: admin
            .integration
            .borrow()
            .as_ref()
            .map(|id| id.as_str().to_owned()),
        lanes: status::lanes(&stats, blocked, outages),
        receipts_waiting: stats.receipts,
        dead_letters: stats.dead_letters,
        outbox_bytes: stats.bytes,
        genesys,
        twilio,
        gaps,
        statuses,
        secrets: admin.secrets.borrow().fingerprints.clone(),
    })
    .into_response()
}
