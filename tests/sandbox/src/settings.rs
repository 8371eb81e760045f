//! What a test changes on the platforms while the sandbox runs, by the library or the control API: numbers and
//! Messaging Services, integrations and OAuth clients, each of which may belong to another bridge.
//!
//! What is not given stays as it is; an empty text removes what was set. Webhook addresses are as strict as the
//! platforms': https on port 443 at Genesys, any URL at Twilio.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use url::Url;

/// The shortest webhook secret that Genesys Cloud takes, in characters.
pub(crate) const MIN_WEBHOOK_SECRET: usize = 16;

/// A phone number of the account and where its messages go. A new number goes nowhere unless told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NumberSettings {
    /// The public URL of the number's bridge: sets `smsUrl` to `{publicUrl}/twilio/inbound`.
    pub public_url: Option<String>,
    /// Where inbound messages are posted.
    pub sms_url: Option<String>,
    /// `GET` or `POST`. It is only shown: webhooks are always posted.
    pub sms_method: Option<String>,
    /// Where they are posted when `smsUrl` fails.
    pub sms_fallback_url: Option<String>,
    /// An application, which takes the messages away: its own URL is not modelled.
    pub sms_application_sid: Option<String>,
    /// Whether it can send and receive texts. It is only shown.
    pub sms: Option<bool>,
}

/// A Messaging Service and its pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSettings {
    /// Its name; a new service needs one.
    pub friendly_name: Option<String>,
    /// Where inbound messages are posted.
    pub inbound_request_url: Option<String>,
    /// `GET` or `POST`. It is only shown.
    pub inbound_method: Option<String>,
    /// Where they are posted when `inboundRequestUrl` fails.
    pub fallback_url: Option<String>,
    /// Whether it defers to its senders' own webhooks.
    pub use_inbound_webhook_on_number: Option<bool>,
    /// The whole pool, as numbers in E.164 form. A number leaves the service that it was in.
    pub numbers: Option<Vec<String>>,
}

/// An Open Messaging integration.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct IntegrationSettings {
    /// Its name; a new integration needs one, and it need not be unique.
    pub name: Option<String>,
    /// The public URL of the integration's bridge: sets `webhookUrl` to `{publicUrl}/genesys/outbound`.
    pub public_url: Option<String>,
    /// Where the agents' messages are posted: https on port 443.
    pub webhook_url: Option<String>,
    /// Signs the webhooks; 16 characters or more. A new integration has the first one's.
    pub webhook_secret: Option<String>,
    /// The free string `status`. It is only shown: webhooks are posted whatever it says.
    pub status: Option<String>,
    /// `Initiated`, `Completed` or `Error`. It is only shown.
    pub create_status: Option<String>,
    /// The sentence in `createError`.
    pub create_error: Option<String>,
}

/// An OAuth client of the organisation.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientSettings {
    /// Its secret; a new client needs one.
    pub client_secret: Option<String>,
    /// All its permissions. A new client has every one.
    pub permissions: Option<BTreeSet<Permission>>,
}

/// The Twilio account.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSettings {
    /// The primary auth token: it signs webhooks from now on, and the old one is refused.
    pub auth_token: Option<String>,
    /// All API keys by their SIDs, with their secrets; others are refused from now on.
    pub api_keys: Option<BTreeMap<String, String>>,
    /// `active`, `suspended` or `closed`. One that is not active sends nothing.
    pub status: Option<String>,
}

/// A right of an OAuth client, as far as the sandbox asks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Permission {
    /// To post customers' messages and events, and receipts.
    #[serde(rename = "conversation:message:receive")]
    Receive,
    /// To read integrations.
    #[serde(rename = "messaging:integration:view")]
    ViewIntegrations,
    /// To change integrations.
    #[serde(rename = "messaging:integration:edit")]
    EditIntegrations,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 3] = [
        Self::Receive,
        Self::ViewIntegrations,
        Self::EditIntegrations,
    ];

    /// As Genesys writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "conversation:message:receive",
            Self::ViewIntegrations => "messaging:integration:view",
            Self::EditIntegrations => "messaging:integration:edit",
        }
    }
}

/// A change that neither platform would take.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is no such thing.
    #[error("there is no {what} {id:?}")]
    Unknown {
        /// What is missing.
        what: &'static str,
        /// Its number, id or SID.
        id: String,
    },
    /// A value that is missing or wrong.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
}

impl SettingsError {
    pub(crate) fn unknown(what: &'static str, id: &str) -> Self {
        Self::Unknown {
            what,
            id: id.to_owned(),
        }
    }

    pub(crate) fn field(field: &'static str, problem: &'static str) -> Self {
        Self::Field { field, problem }
    }
}

/// `{public_url}/{path}`, whether or not the public URL ends in a slash.
pub(crate) fn below(public_url: &str, path: &str) -> String {
    format!("{}/{path}", public_url.trim_end_matches('/'))
}

/// Public HTTPS on port 443 only: what Genesys takes as a webhook's address. Nothing is an address that is not set.
pub(crate) fn is_genesys_webhook(url: &str) -> bool {
    url.is_empty()
        || Url::parse(url)
            .is_ok_and(|url| url.scheme() == "https" && url.port_or_known_default() == Some(443))
}

/// Twilio takes any URL. Nothing is an address that is not set.
pub(crate) fn is_twilio_webhook(url: &str) -> bool {
    url.is_empty() || Url::parse(url).is_ok_and(|url| url.has_host())
}

/// What Twilio takes as the method of a webhook.
pub(crate) fn is_method(method: &str) -> bool {
    matches!(method, "GET" | "POST")
}

/// Puts a new value where one is given.
pub(crate) fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://b.example.com/x", true)]
    #[case("https://b.example.com:443/x", true)]
    #[case("", true)]
    #[case("https://b.example.com:8443/x", false)]
    #[case("http://b.example.com/x", false)]
    #[case("b.example.com", false)]
    fn genesys_takes_https_on_port_443_only(#[case] url: &str, #[case] taken: bool) {
        assert_eq!(is_genesys_webhook(url), taken);
    }

    #[test]
    fn a_permission_is_written_as_genesys_writes_it() {
        for permission in Permission::ALL {
            let written = serde_json::to_value(permission).expect("a word");
            assert_eq!(written, permission.as_str());
        }
    }
}
