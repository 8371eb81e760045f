//! The routes: both platforms, the control API under `/sandbox/`, and the page.

mod api;
mod events;
mod page;
mod platforms;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::{any, get, patch, post, put};

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
        .route("/v1/{*path}", any(to_twilio))
        .route("/sandbox/customer/messages", post(api::customer_sends))
        .route("/sandbox/agent/messages", post(api::agent_sends))
        .route("/sandbox/log", get(api::log))
        .route("/sandbox/faults", get(api::faults).put(api::set_faults))
        .route("/sandbox/faults/{name}", put(api::switch))
        .route("/sandbox/reset", post(api::reset))
        .route("/sandbox/connect", post(api::connect))
        .route("/sandbox/tenant", get(api::tenant))
        .route("/sandbox/events", get(events::stream))
        .merge(configuration())
        .route("/", get(page::html))
        .route("/page/style.css", get(page::css))
        .route("/page/app.js", get(page::js))
        .route("/favicon.svg", get(page::icon))
        .with_state(world)
}

/// What is configured on the platforms, and who calls them.
fn configuration() -> Router<Arc<World>> {
    Router::new()
        .route("/sandbox/account", patch(platforms::change_account))
        .route("/sandbox/numbers", get(platforms::numbers))
        .route(
            "/sandbox/numbers/{number}",
            put(platforms::put_number).delete(platforms::delete_number),
        )
        .route(
            "/sandbox/services",
            get(platforms::services).post(platforms::create_service),
        )
        .route(
            "/sandbox/services/{sid}",
            patch(platforms::change_service).delete(platforms::delete_service),
        )
        .route(
            "/sandbox/integrations",
            get(platforms::integrations).post(platforms::create_integration),
        )
        .route(
            "/sandbox/integrations/{id}",
            patch(platforms::change_integration).delete(platforms::delete_integration),
        )
        .route("/sandbox/clients", get(platforms::clients))
        .route(
            "/sandbox/clients/{id}",
            put(platforms::put_client).delete(platforms::delete_client),
        )
        .route("/sandbox/requests", get(platforms::requests))
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
