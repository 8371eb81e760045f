//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{StatusCode, header};

use super::{Metrics, Readiness};

#[derive(Clone)]
struct Admin {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

/// The operator's own address.
pub fn router(readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        // A process that answers lives; a restart installs no definitions and mends no API server.
        .route("/healthz", get(|| std::future::ready("ok\n")))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(Admin { readiness, metrics })
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.readiness.missing() {
        None => "ready\n".into_response(),
        Some(missing) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waiting for: {missing}\n"),
        )
            .into_response(),
    }
}

async fn metrics_text(State(admin): State<Admin>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match admin.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn readyz_says_what_is_waited_for() {
        let readiness = Arc::new(Readiness::waiting_for(&[
            "the caches",
            "the CustomResourceDefinition",
        ]));
        let state = || {
            State(Admin {
                readiness: Arc::clone(&readiness),
                metrics: Arc::new(Metrics::new()),
            })
        };
        let answer = ready(state()).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(answer.into_body(), 1024)
            .await
            .unwrap();
        assert_eq!(
            body.as_ref(),
            b"waiting for: the CustomResourceDefinition, the caches\n"
        );
        readiness.has("the caches");
        readiness.has("the CustomResourceDefinition");
        assert_eq!(ready(state()).await.status(), StatusCode::OK);
    }
}
