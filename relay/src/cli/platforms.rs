//! The clients of both platforms, as `run` and `check` use them alike.

use messaging_bridge_clients::genesys::GenesysClient;
use messaging_bridge_clients::http;
use messaging_bridge_clients::twilio::TwilioClient;

use super::CliError;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// What both platforms see as the caller.
pub(super) const USER_AGENT: &str = concat!("messaging-bridge-relay/", env!("CARGO_PKG_VERSION"));

/// The clients, over one pool of connections.
pub(super) struct Platforms {
    pub(super) http: reqwest::Client,
    pub(super) genesys: GenesysClient,
    pub(super) twilio: TwilioClient,
}

impl Platforms {
    /// For this configuration, with these Secrets.
    pub(super) fn new(settings: &Settings, secrets: &Secrets) -> Result<Self, CliError> {
        let http = http::client(USER_AGENT).map_err(|error| CliError::failed(&error))?;
        let genesys = GenesysClient::new(
            http.clone(),
            settings.genesys_hosts.clone(),
            settings.profile,
            secrets.genesys_clients.clone(),
        );
        let twilio = TwilioClient::new(
            http.clone(),
            settings.twilio_api.clone(),
            secrets.account.clone(),
            secrets.twilio_credentials.clone(),
        );
        Ok(Self {
            http,
            genesys,
            twilio,
        })
    }
}
