//! OAuth clients and their permissions, bearer tokens and the requests that each may make in a minute.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;

use super::limiter::{Allowance, Limiter};
use super::refusal::{oauth, refuse, too_many_requests};
use crate::call::{self, Call, Handled, Refusal, value};
use crate::ids;
use crate::settings::{ClientSettings, Permission, SettingsError, set};
use crate::world::World;

/// An OAuth client.
pub(crate) struct Client {
    pub(crate) id: String,
    secret: String,
    pub(crate) permissions: BTreeSet<Permission>,
}

impl Client {
    /// A client with every permission.
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            permissions: Permission::ALL.into(),
        }
    }

    pub(crate) fn change(&mut self, settings: ClientSettings) -> Result<(), SettingsError> {
        let secret = settings
            .client_secret
            .unwrap_or_else(|| self.secret.clone());
        if secret.is_empty() {
            return Err(SettingsError::field(
                "clientSecret",
                "a client has a secret",
            ));
        }
        self.secret = secret;
        set(&mut self.permissions, settings.permissions);
        Ok(())
    }
}

/// An issued token.
pub(crate) struct Token {
    client: String,
    dies: Instant,
    limiter: Limiter,
}

impl Token {
    fn new(client: &str, life: Duration, now: Instant) -> Self {
        Self {
            client: client.to_owned(),
            dies: now + life,
            limiter: Limiter::new(now),
        }
    }

    pub(crate) fn die(&mut self) {
        self.dies = Instant::now();
    }
}

/// `POST /oauth/token`
pub(crate) fn issue(world: &World, call: &Call) -> Handled {
    let options = &world.options;
    let Some((client_id, secret)) = call.basic() else {
        return Err(oauth(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "client credentials are missing",
        ));
    };
    let known = {
        let state = world.state();
        let client = state.genesys.client(&client_id);
        client.is_some_and(|client| client.secret == secret)
    };
    if !known {
        return Err(oauth(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "client not found or secret wrong",
        ));
    }
    let form = call.form().unwrap_or_default();
    match value(&form, "grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            return Err(oauth(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "only client_credentials",
            ));
        }
        None => {
            return Err(oauth(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "grant_type is missing",
            ));
        }
    }
    let token = ids::hex32();
    let life = call.plan.token_life.unwrap_or(options.token_life);
    world
        .state()
        .genesys
        .tokens
        .insert(token.clone(), Token::new(&client_id, life, Instant::now()));
    Ok(call::json(
        StatusCode::OK,
        &json!({"access_token": token, "token_type": "bearer", "expires_in": options.token_life.as_secs()}),
    ))
}

/// Checks the bearer token and spends one of its requests. Returns its client's permissions as well: those of this
/// moment, whenever the token was issued.
pub(crate) fn admit(
    world: &World,
    call: &Call,
) -> Result<(Allowance, BTreeSet<Permission>), Refusal> {
    let unauthorized = |code, message| refuse(StatusCode::UNAUTHORIZED, code, message);
    let Some(bearer) = call.authorization("Bearer") else {
        return Err(unauthorized(
            "authentication.required",
            "No authentication bearer token specified.",
        ));
    };
    let now = Instant::now();
    let organisation = &mut world.state().genesys;
    let Some(token) = organisation.tokens.get_mut(bearer) else {
        return Err(unauthorized(
            "bad.credentials",
            "Invalid login credentials.",
        ));
    };
    if now >= token.dies {
        return Err(unauthorized("credentials.expired", "The token is expired."));
    }
    let allowance = token.limiter.spend(world.options.rate_limit(), now);
    if let Some(wait) = allowance.refused {
        let mut refusal = too_many_requests(wait);
        for (name, number) in allowance.headers() {
            refusal.response.headers_mut().insert(name, number.into());
        }
        return Err(refusal);
    }
    let client = token.client.clone();
    let Some(client) = organisation.client(&client) else {
        return Err(unauthorized(
            "bad.credentials",
            "Invalid login credentials.",
        ));
    };
    Ok((allowance, client.permissions.clone()))
}
