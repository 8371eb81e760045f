//! HTTP Basic: the account's SID with its auth token, or an API key with its secret.

use http::StatusCode;

use super::refusal::refuse;
use crate::call::{Call, Refusal};
use crate::world::World;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    AuthToken,
    /// A standard key: it may do everything but read `/Accounts` and `/Keys`.
    ApiKey,
}

pub(crate) fn authenticate(world: &World, call: &Call) -> Result<By, Refusal> {
    let Some((user, password)) = call.basic() else {
        return Err(unauthorized("no credentials"));
    };
    let state = world.state();
    let account = &state.twilio;
    if user == world.options.account_sid && password == account.auth_token {
        return Ok(By::AuthToken);
    }
    match account.api_keys.get(&user) {
        Some(secret) if *secret == password => Ok(By::ApiKey),
        _ => Err(unauthorized("invalid username")),
    }
}

pub(crate) fn may_read_account(by: By) -> Result<(), Refusal> {
    match by {
        By::AuthToken => Ok(()),
        By::ApiKey => Err(unauthorized("a standard API key may not read accounts")),
    }
}

fn unauthorized(why: &str) -> Refusal {
    refuse(
        StatusCode::UNAUTHORIZED,
        20003,
        &format!("Authentication Error - {why}"),
    )
}
