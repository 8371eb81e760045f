//! The routes: both platforms, the control API under `/sandbox/`, and the page.

mod api;
mod events;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::{any, get, post, put};

use crate::connection::Connection;
use crate::gate;
use crate::log::Platform;
use crate::world::World;

/// Everything that one listener serves.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/oauth/token", any(to_genesys))
        .route("/api/{*path}", any(to_genesys))
        .route("/2010-04-01/{*path}", any(to_twilio))
        .route("/sandbox/customer/messages", post(api::customer_sends))
        .route("/sandbox/agent/messages", post(api::agent_sends))
        .route("/sandbox/log", get(api::log))
        .route("/sandbox/faults", get(api::faults).put(api::set_faults))
        .route("/sandbox/faults/{name}", put(api::switch))
        .route("/sandbox/reset", post(api::reset))
        .route("/sandbox/connect", post(api::connect))
        .route("/sandbox/tenant", get(api::tenant))
        .route("/sandbox/events", get(events::stream))
        .route("/", get(page::html))
        .route("/page/style.css", get(page::css))
        .route("/page/app.js", get(page::js))
        .route("/favicon.svg", get(page::icon))
        .with_state(world)
}

async fn to_genesys(
    State(world): State<Arc<World>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    gate::pass(world, Platform::Genesys, connection, request).await
}

async fn to_twilio(
    State(world): State<Arc<World>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    gate::pass(world, Platform::Twilio, connection, request).await
}
