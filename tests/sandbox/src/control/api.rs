//! The control API: what a test in another process, the demo or the page does with the sandbox.
//!
//! It knows no authentication: listen on a loopback address, or where only tests reach it. Bodies must be declared as JSON, which a foreign web
//! page can't do without asking first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::call;
use crate::faults::Faults;
use crate::log::Log;
use crate::options::is_e164;
use crate::world::World;
use crate::{genesys, presets, twilio};

type Shared = State<Arc<World>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerMessage {
    from: Option<String>,
    to: Option<String>,
    text: String,
}

/// `{"from"?, "to"?, "text"}` → `{"sid"}`
pub(crate) async fn customer_sends(
    State(world): Shared,
    Json(message): Json<CustomerMessage>,
) -> Response {
    let from = message.from.as_deref().unwrap_or(&world.options.customer);
    let to = message.to.as_deref().unwrap_or(&world.options.number);
    if !is_e164(from) || world.state().twilio.number(from).is_some() {
        return refuse("from must be a phone number in E.164 form, and not the number of a bridge");
    }
    if world.state().twilio.number(to).is_none() {
        return refuse("to must be a number of the account: see GET /sandbox/numbers");
    }
    let sid = twilio::customer_sends(&world, to, from, &message.text, &[]);
    call::json(StatusCode::ACCEPTED, &json!({"sid": sid}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentMessage {
    to: Option<String>,
    integration: Option<String>,
    text: Option<String>,
    raw: Option<Value>,
}

/// `{"to"?, "integration"?, "text"}` → `{"id"}`, or `{"integration"?, "raw"}` → `{"accepted", "status", "attempts"}`
pub(crate) async fn agent_sends(
    State(world): Shared,
    Json(message): Json<AgentMessage>,
) -> Response {
    let integration = message
        .integration
        .unwrap_or_else(|| world.options.integration.id.clone());
    if world.state().genesys.integration(&integration).is_none() {
        return refuse("integration must be the id of one: see GET /sandbox/integrations");
    }
    match (message.text, message.raw) {
        (Some(text), None) => {
            let to = message.to.as_deref().unwrap_or(&world.options.customer);
            let id = genesys::agent_sends(&world, &integration, to, &text);
            call::json(StatusCode::ACCEPTED, &json!({"id": id}))
        }
        (None, Some(raw)) => {
            let outcome = genesys::agent_sends_raw(&world, &integration, &raw).await;
            call::json(StatusCode::OK, &json!(outcome))
        }
        _ => refuse("give either text (and to), or raw: the whole body of the webhook"),
    }
}

pub(crate) async fn log(State(world): Shared) -> Json<Log> {
    Json(world.state().log.clone())
}

pub(crate) async fn faults(State(world): Shared) -> Json<Value> {
    let state = world.state();
    Json(json!({"rules": state.faults.rules, "switches": presets::switches(&state.faults)}))
}

pub(crate) async fn set_faults(State(world): Shared, Json(faults): Json<Faults>) -> Response {
    match faults.check() {
        Ok(()) => {
            world.set_faults(faults);
            no_content()
        }
        Err(error) => refuse(&error.to_string()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Throw {
    on: bool,
}

/// Throws one switch of the page.
pub(crate) async fn switch(
    State(world): Shared,
    Path(name): Path<String>,
    Json(throw): Json<Throw>,
) -> Response {
    if world.change_faults(|faults| presets::switch(faults, &name, throw.on)) {
        no_content()
    } else {
        call::json(
            StatusCode::NOT_FOUND,
            &json!({"error": "no switch of this name: see GET /sandbox/faults"}),
        )
    }
}

pub(crate) async fn reset(State(world): Shared) -> Response {
    world.reset();
    no_content()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    host: String,
    to: String,
}

pub(crate) async fn connect(State(world): Shared, Json(connect): Json<Connect>) -> Response {
    match Url::parse(&connect.to) {
        Ok(to) if matches!(to.scheme(), "http" | "https") => {
            world.connect(&connect.host, to);
            no_content()
        }
        _ => refuse("to must be http(s)://ADDRESS[:PORT]"),
    }
}

/// Ids and secrets of the simulated tenant: they open nothing but this sandbox.
pub(crate) async fn tenant(State(world): Shared) -> Json<Value> {
    let options = &world.options;
    Json(json!({
        "publicUrl": options.public_url.as_str(),
        "customer": options.customer,
        "genesys": {
            "clientId": options.client_id,
            "clientSecret": options.client_secret,
            "webhookSecret": options.integration.webhook_secret,
            "integrationId": options.integration.id,
            "integrationName": options.integration.name,
        },
        "twilio": {
            "accountSid": options.account_sid,
            "authToken": options.auth_token,
            "apiKeySid": options.api_key.as_ref().map(|(sid, _)| sid),
            "apiKeySecret": options.api_key.as_ref().map(|(_, secret)| secret),
            "number": options.number,
        },
    }))
}

pub(super) fn refuse(why: &str) -> Response {
    call::json(StatusCode::BAD_REQUEST, &json!({"error": why}))
}

pub(super) fn no_content() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
