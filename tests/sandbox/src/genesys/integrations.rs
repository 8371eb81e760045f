//! Open Messaging integrations: list (paged, without a filter by name), read, change.

use http::StatusCode;
use serde_json::{Value, json};

use super::inbound::read as read_body;
use super::models;
use super::refusal::{bad_request, not_found};
use crate::call::{self, Call, Handled, Refusal};
use crate::settings::{IntegrationSettings, SettingsError};
use crate::world::World;

/// Bounds of `pageSize`.
const DEFAULT_PAGE: usize = 25;
const MAX_PAGE: usize = 100;

pub(crate) fn list(world: &World, path: &str, call: &Call) -> Handled {
    let page_size = number(call, "pageSize", DEFAULT_PAGE)?.min(MAX_PAGE);
    let page = number(call, "pageNumber", 1)?;
    let state = world.state();
    let all = &state.genesys.integrations;
    let pages = all.len().div_ceil(page_size);
    let entities: Vec<Value> = all
        .iter()
        .skip((page - 1) * page_size)
        .take(page_size)
        .map(super::organisation::Integration::resource)
        .collect();
    let uri = |page: usize| format!("{path}?pageSize={page_size}&pageNumber={page}");
    let mut envelope = json!({
        "entities": entities,
        "pageSize": page_size,
        "pageNumber": page,
        "total": all.len(),
        "pageCount": pages,
        "firstUri": uri(1),
        "lastUri": uri(pages),
        "selfUri": uri(page),
    });
    if page < pages {
        envelope["nextUri"] = uri(page + 1).into();
    }
    if page > 1 {
        envelope["previousUri"] = uri(page - 1).into();
    }
    Ok(call::json(StatusCode::OK, &envelope))
}

fn number(call: &Call, name: &str, default: usize) -> Result<usize, Refusal> {
    match call.query(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| bad_request(&format!("{name} must be a number above 0"))),
    }
}

pub(crate) fn read(world: &World, id: &str) -> Handled {
    let state = world.state();
    let integration = state
        .genesys
        .integration(id)
        .ok_or_else(|| not_found(&format!("integration {id}")))?;
    Ok(call::json(StatusCode::OK, &integration.resource()))
}

pub(crate) fn change(world: &World, id: &str, call: &Call) -> Handled {
    let body = read_body(world, Some(id), call, &models::INTEGRATION_UPDATE)?;
    let given = |name: &str| body[name].as_str().map(str::to_owned);
    let settings = IntegrationSettings {
        name: given("name"),
        webhook_url: given("outboundNotificationWebhookUrl"),
        webhook_secret: given("outboundNotificationWebhookSignatureSecretToken"),
        ..IntegrationSettings::default()
    };
    let mut state = world.state();
    let changed = state
        .genesys
        .put_integration(&world.options, Some(id), settings);
    changed.map_err(|error| bad_request(&as_genesys_says(&error)))?;
    let mut integrations = state.genesys.integrations.iter_mut();
    let integration = integrations
        .find(|integration| integration.id == id)
        .ok_or_else(|| not_found(&format!("integration {id}")))?;
    if let Ok(headers) = serde_json::from_value(body["webhookHeaders"].clone()) {
        integration.webhook_headers = headers;
    }
    Ok(call::json(StatusCode::OK, &integration.resource()))
}

/// By the names of the API's own fields.
fn as_genesys_says(error: &SettingsError) -> String {
    error
        .to_string()
        .replace("webhookUrl:", "outboundNotificationWebhookUrl")
        .replace(
            "webhookSecret:",
            "outboundNotificationWebhookSignatureSecretToken",
        )
}
