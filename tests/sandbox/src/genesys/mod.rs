//! Genesys Cloud's Open Messaging, as far as a bridge meets it: OAuth, the inbound API, the integrations, and the
//! webhook that carries the agent's messages.

mod guide;
mod inbound;
mod integrations;
mod limiter;
mod models;
mod organisation;
mod outbound;
mod refusal;
mod schema;
mod signature;
mod tokens;

use std::sync::Arc;

use http::{HeaderValue, Method};
use serde_json::Value;

pub(crate) use organisation::{Integration, Organisation};
pub use outbound::WebhookOutcome;
pub(crate) use outbound::{agent_sends, agent_sends_raw};
pub(crate) use refusal::planted;

use crate::call::{Call, Handled};
use crate::faults::Endpoint;
use crate::settings::Permission;
use crate::world::World;

/// Longest body of a request, in bytes (`request.bytes.max`).
const MAX_BODY: usize = 512_000;

const MESSAGES: &str = "/api/v2/conversations/messages/";
const INTEGRATIONS: &str = "/api/v2/conversations/messaging/integrations/open";
/// As the guide has it; the platform itself never had this path.
const GUIDE_INTEGRATIONS: &str = "/api/v2/messaging/integrations/open";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Token,
    Message {
        integration: String,
    },
    Event {
        integration: String,
    },
    Receipt {
        integration: String,
    },
    /// A message in the guide's shape.
    GuideMessage,
    Integrations {
        path: &'static str,
    },
    Integration {
        id: String,
    },
    ChangeIntegration {
        id: String,
    },
    Unknown,
}

impl Route {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        match (method.as_str(), path) {
            ("POST", "/oauth/token") => return Self::Token,
            ("POST", "/api/v2/conversations/messages/inbound/open") => return Self::GuideMessage,
            ("GET", INTEGRATIONS) => return Self::Integrations { path: INTEGRATIONS },
            ("GET", GUIDE_INTEGRATIONS) => {
                return Self::Integrations {
                    path: GUIDE_INTEGRATIONS,
                };
            }
            _ => {}
        }
        if let Some(id) = path
            .strip_prefix(INTEGRATIONS)
            .and_then(|rest| rest.strip_prefix('/'))
        {
            let id = id.to_owned();
            return match *method {
                Method::GET => Self::Integration { id },
                Method::PATCH => Self::ChangeIntegration { id },
                _ => Self::Unknown,
            };
        }
        let inbound = path
            .strip_prefix(MESSAGES)
            .and_then(|rest| rest.split_once("/inbound/open/"));
        match inbound {
            Some((integration, kind)) if *method == Method::POST => {
                Self::inbound(integration.to_owned(), kind)
            }
            _ => Self::Unknown,
        }
    }

    fn inbound(integration: String, kind: &str) -> Self {
        match kind {
            "message" => Self::Message { integration },
            "event" => Self::Event { integration },
            "receipt" => Self::Receipt { integration },
            _ => Self::Unknown,
        }
    }

    /// The permission that the operation needs.
    fn permission(&self) -> Option<Permission> {
        match self {
            Self::Message { .. }
            | Self::Event { .. }
            | Self::Receipt { .. }
            | Self::GuideMessage => Some(Permission::Receive),
            Self::Integrations { .. } | Self::Integration { .. } => {
                Some(Permission::ViewIntegrations)
            }
            Self::ChangeIntegration { .. } => Some(Permission::EditIntegrations),
            Self::Token | Self::Unknown => None,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Token => Endpoint::GenesysToken,
            Self::Message { .. } | Self::GuideMessage => Endpoint::GenesysMessage,
            Self::Event { .. } => Endpoint::GenesysEvent,
            Self::Receipt { .. } => Endpoint::GenesysReceipt,
            Self::Integrations { .. }
            | Self::Integration { .. }
            | Self::ChangeIntegration { .. } => Endpoint::GenesysIntegrations,
            Self::Unknown => Endpoint::GenesysApi,
        }
    }
}

/// The customer whom a request is about: who writes, or who gets what a receipt reports on.
pub(crate) fn customer_of(body: &[u8], endpoint: Endpoint) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let guide = body.get("normalizedMessage").is_some();
    let side = if endpoint == Endpoint::GenesysReceipt || guide {
        "to"
    } else {
        "from"
    };
    body.get("channel")?
        .get(side)?
        .get("id")?
        .as_str()
        .map(str::to_owned)
}

/// Handles one request.
pub(crate) fn handle(world: &Arc<World>, call: &Call) -> Handled {
    let route = Route::of(&call.method, &call.path);
    if route == Route::Token {
        return tokens::issue(world, call);
    }
    let (allowance, permissions) = tokens::admit(world, call)?;
    let mut handled = match route.permission() {
        Some(needed) if !permissions.contains(&needed) => Err(refusal::missing_permission(needed)),
        _ => dispatch(world, call, &route),
    };
    let response = match &mut handled {
        Ok(response) => response,
        Err(refusal) => &mut refusal.response,
    };
    for (name, number) in allowance.headers() {
        response
            .headers_mut()
            .insert(name, HeaderValue::from(number));
    }
    handled
}

fn dispatch(world: &Arc<World>, call: &Call, route: &Route) -> Handled {
    if call.body.len() > MAX_BODY {
        return Err(refusal::too_large(MAX_BODY));
    }
    match route {
        Route::Message { integration } => inbound::message(world, integration, call),
        Route::Event { integration } => inbound::event(world, integration, call),
        Route::Receipt { integration } => inbound::receipt(world, integration, call),
        Route::GuideMessage => guide::message(world, call),
        Route::Integrations { path } => integrations::list(world, path, call),
        Route::Integration { id } => integrations::read(world, id),
        Route::ChangeIntegration { id } => integrations::change(world, id, call),
        Route::Token | Route::Unknown => Err(refusal::not_found(&call.path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_from_method_and_path() {
        let of = |method: &str, path: &str| {
            Route::of(&method.parse().expect("a method"), path).endpoint()
        };
        let table = [
            ("POST", "/oauth/token", Endpoint::GenesysToken),
            (
                "POST",
                "/api/v2/conversations/messages/1/inbound/open/message",
                Endpoint::GenesysMessage,
            ),
            (
                "POST",
                "/api/v2/conversations/messages/inbound/open",
                Endpoint::GenesysMessage,
            ),
            (
                "POST",
                "/api/v2/conversations/messages/1/inbound/open/event",
                Endpoint::GenesysEvent,
            ),
            (
                "POST",
                "/api/v2/conversations/messages/1/inbound/open/receipt",
                Endpoint::GenesysReceipt,
            ),
            (
                "GET",
                "/api/v2/conversations/messages/1/inbound/open/receipt",
                Endpoint::GenesysApi,
            ),
            ("GET", INTEGRATIONS, Endpoint::GenesysIntegrations),
            ("GET", GUIDE_INTEGRATIONS, Endpoint::GenesysIntegrations),
            (
                "PATCH",
                "/api/v2/conversations/messaging/integrations/open/1",
                Endpoint::GenesysIntegrations,
            ),
            ("GET", "/api/v2/users/me", Endpoint::GenesysApi),
        ];
        for (method, path, endpoint) in table {
            assert_eq!(of(method, path), endpoint, "{method} {path}");
        }
    }
}
