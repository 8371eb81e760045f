//! Open Messaging integrations: list (paged, without a filter by name), read, change.

use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::inbound::read as read_body;
use super::models;
use super::refusal::{bad_request, not_found};
use crate::call::{self, Call, Handled, Refusal};
use crate::world::World;

/// Bounds of `pageSize`.
const DEFAULT_PAGE: usize = 25;
const MAX_PAGE: usize = 100;

/// The shortest webhook secret, in characters.
const MIN_SECRET: usize = 16;

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
    let url = body["outboundNotificationWebhookUrl"].as_str();
    let secret = body["outboundNotificationWebhookSignatureSecretToken"].as_str();
    if let Some(url) = url {
        check_url(url)?;
    }
    if secret.is_some_and(|secret| secret.chars().count() < MIN_SECRET) {
        return Err(bad_request(
            "outboundNotificationWebhookSignatureSecretToken must be longer than 15 characters",
        ));
    }
    let mut state = world.state();
    let integration = state
        .genesys
        .integrations
        .iter_mut()
        .find(|integration| integration.id == id)
        .ok_or_else(|| not_found(&format!("integration {id}")))?;
    body["name"]
        .as_str()
        .unwrap_or_default()
        .clone_into(&mut integration.name);
    if let Some(url) = url {
        url.clone_into(&mut integration.webhook_url);
    }
    if let Some(secret) = secret {
        secret.clone_into(&mut integration.webhook_secret);
    }
    if let Ok(headers) = serde_json::from_value(body["webhookHeaders"].clone()) {
        integration.webhook_headers = headers;
    }
    Ok(call::json(StatusCode::OK, &integration.resource()))
}

/// Public HTTPS on port 443 only.
fn check_url(url: &str) -> Result<(), Refusal> {
    match Url::parse(url) {
        Ok(url) if url.scheme() == "https" && url.port_or_known_default() == Some(443) => Ok(()),
        _ => Err(bad_request(
            "outboundNotificationWebhookUrl must be https on port 443",
        )),
    }
}
