//! The control API's part for what is configured on the platforms: numbers and Messaging Services, integrations and
//! OAuth clients, so that several bridges can share one sandbox and each can be put wrong; and who called the
//! platforms' APIs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::no_content;
use crate::call;
use crate::genesys::Integration;
use crate::requests::{self, PlatformRequest};
use crate::settings::{
    AccountSettings, ClientSettings, IntegrationSettings, NumberSettings, ServiceSettings,
    SettingsError,
};
use crate::twilio::{PhoneNumber, Service};
use crate::world::World;

type Shared = State<Arc<World>>;

/// `PATCH /sandbox/account`
pub(crate) async fn change_account(
    State(world): Shared,
    Json(settings): Json<AccountSettings>,
) -> Response {
    done(world.state().twilio.change(settings))
}

/// `GET /sandbox/numbers`
pub(crate) async fn numbers(State(world): Shared) -> Json<Value> {
    let state = world.state();
    let numbers: Vec<Value> = state
        .twilio
        .numbers
        .iter()
        .map(PhoneNumber::resource)
        .collect();
    Json(json!({"numbers": numbers}))
}

/// `PUT /sandbox/numbers/{number}`
pub(crate) async fn put_number(
    State(world): Shared,
    Path(number): Path<String>,
    Json(settings): Json<NumberSettings>,
) -> Response {
    if number == world.options.customer {
        let same = SettingsError::field("number", "is the customer's");
        return refused(&same);
    }
    let mut state = world.state();
    let put = state.twilio.put_number(&world.options, &number, &settings);
    shown(put.map(PhoneNumber::resource))
}

/// `DELETE /sandbox/numbers/{number}`
pub(crate) async fn delete_number(State(world): Shared, Path(number): Path<String>) -> Response {
    done(world.state().twilio.remove_number(&number))
}

/// `GET /sandbox/services`
pub(crate) async fn services(State(world): Shared) -> Json<Value> {
    let state = world.state();
    let with_pool = |service: &Service| {
        let numbers = state.twilio.numbers.iter();
        let pooled = numbers.filter(|number| service.pool.contains(&number.sid));
        let pool: Vec<&str> = pooled.map(|number| number.number.as_str()).collect();
        let mut shown = service.resource();
        shown["numbers"] = json!(pool);
        shown
    };
    let services: Vec<Value> = state.twilio.services.iter().map(with_pool).collect();
    Json(json!({"services": services}))
}

/// `POST /sandbox/services`
pub(crate) async fn create_service(
    State(world): Shared,
    Json(settings): Json<ServiceSettings>,
) -> Response {
    let mut state = world.state();
    shown(
        state
            .twilio
            .put_service(None, settings)
            .map(Service::resource),
    )
}

/// `PATCH /sandbox/services/{sid}`
pub(crate) async fn change_service(
    State(world): Shared,
    Path(sid): Path<String>,
    Json(settings): Json<ServiceSettings>,
) -> Response {
    let mut state = world.state();
    shown(
        state
            .twilio
            .put_service(Some(&sid), settings)
            .map(Service::resource),
    )
}

/// `DELETE /sandbox/services/{sid}`
pub(crate) async fn delete_service(State(world): Shared, Path(sid): Path<String>) -> Response {
    done(world.state().twilio.remove_service(&sid))
}

/// `GET /sandbox/integrations`
pub(crate) async fn integrations(State(world): Shared) -> Json<Value> {
    let state = world.state();
    let all = state.genesys.integrations.iter();
    let integrations: Vec<Value> = all.map(Integration::resource).collect();
    Json(json!({"integrations": integrations}))
}

/// `POST /sandbox/integrations`
pub(crate) async fn create_integration(
    State(world): Shared,
    Json(settings): Json<IntegrationSettings>,
) -> Response {
    let mut state = world.state();
    let put = state
        .genesys
        .put_integration(&world.options, None, settings);
    shown(put.map(Integration::resource))
}

/// `PATCH /sandbox/integrations/{id}`
pub(crate) async fn change_integration(
    State(world): Shared,
    Path(id): Path<String>,
    Json(settings): Json<IntegrationSettings>,
) -> Response {
    let mut state = world.state();
    let put = state
        .genesys
        .put_integration(&world.options, Some(&id), settings);
    shown(put.map(Integration::resource))
}

/// `DELETE /sandbox/integrations/{id}`
pub(crate) async fn delete_integration(State(world): Shared, Path(id): Path<String>) -> Response {
    done(world.state().genesys.remove_integration(&id))
}

/// `GET /sandbox/clients`: never a secret.
pub(crate) async fn clients(State(world): Shared) -> Json<Value> {
    let state = world.state();
    let clients: Vec<Value> = state
        .genesys
        .clients
        .iter()
        .map(|client| json!({"clientId": client.id, "permissions": client.permissions}))
        .collect();
    Json(json!({"clients": clients}))
}

/// `PUT /sandbox/clients/{id}`
pub(crate) async fn put_client(
    State(world): Shared,
    Path(id): Path<String>,
    Json(settings): Json<ClientSettings>,
) -> Response {
    done(world.state().genesys.put_client(&id, settings))
}

/// `DELETE /sandbox/clients/{id}`
pub(crate) async fn delete_client(State(world): Shared, Path(id): Path<String>) -> Response {
    done(world.state().genesys.remove_client(&id))
}

/// Which requests are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Those after this mark.
    #[serde(default)]
    since: usize,
    /// Those of callers whose `User-Agent` begins so.
    #[serde(default)]
    user_agent: String,
}

/// `GET /sandbox/requests?since=&user_agent=`
pub(crate) async fn requests(State(world): Shared, Query(asked): Query<Asked>) -> Json<Value> {
    let state = world.state();
    let all = state.requests.since(asked.since).iter();
    let asked_for: Vec<PlatformRequest> = all
        .filter(|request| request.user_agent.starts_with(&asked.user_agent))
        .cloned()
        .collect();
    Json(json!({
        "mark": state.requests.mark(),
        "by_user_agent": requests::by_user_agent(&asked_for),
        "requests": asked_for,
    }))
}

fn shown(changed: Result<Value, SettingsError>) -> Response {
    match changed {
        Ok(resource) => call::json(StatusCode::OK, &resource),
        Err(error) => refused(&error),
    }
}

fn done(changed: Result<(), SettingsError>) -> Response {
    match changed {
        Ok(()) => no_content(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &SettingsError) -> Response {
    let status = match error {
        SettingsError::Unknown { .. } => StatusCode::NOT_FOUND,
        SettingsError::Field { .. } => StatusCode::BAD_REQUEST,
    };
    call::json(status, &json!({"error": error.to_string()}))
}
