//! What Twilio has on record about a number and about the account (`IncomingPhoneNumbers`, `Accounts`).

use std::fmt;

use serde::Deserialize;

use crate::mask;

/// A number of the account and where its inbound messages go. Empty strings on the wire are absent here.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct IncomingPhoneNumber {
    /// Its SID (`PN` ...).
    pub sid: String,
    /// The number, E.164.
    pub phone_number: String,
    /// Where inbound messages are posted, unless [`Self::sms_application_sid`] or a Messaging Service overrides it.
    #[serde(default, deserialize_with = "non_empty")]
    pub sms_url: Option<String>,
    /// `GET` or `POST`.
    #[serde(default, deserialize_with = "non_empty")]
    pub sms_method: Option<String>,
    /// Where they are posted when [`Self::sms_url`] fails.
    #[serde(default, deserialize_with = "non_empty")]
    pub sms_fallback_url: Option<String>,
    /// A TwiML application; if set, every `sms_*_url` is ignored.
    #[serde(default, deserialize_with = "non_empty")]
    pub sms_application_sid: Option<String>,
    /// What the number can do.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// What a number can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Text messages.
    pub sms: bool,
    /// Pictures and other media.
    pub mms: bool,
    /// Calls.
    pub voice: bool,
}

impl fmt::Debug for IncomingPhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingPhoneNumber")
            .field("sid", &self.sid)
            .field("phone_number", &mask::phone(&self.phone_number))
            .field("sms_url", &self.sms_url)
            .field("sms_method", &self.sms_method)
            .field("sms_application_sid", &self.sms_application_sid)
            .finish_non_exhaustive()
    }
}

/// One page of numbers.
#[derive(Deserialize)]
pub(crate) struct NumberPage {
    pub(crate) incoming_phone_numbers: Vec<IncomingPhoneNumber>,
}

/// The account's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// It works.
    Active,
    /// Twilio suspended it.
    Suspended,
    /// It was closed.
    Closed,
    /// A state that this program does not know.
    Other(String),
    /// The credentials work but may not read the account: standard and restricted API keys may not.
    Unreadable,
}

impl AccountStatus {
    /// Reads the `status` member of the account.
    pub fn parse(status: &str) -> Self {
        match status {
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            "closed" => Self::Closed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The part of the account that is read.
#[derive(Deserialize)]
pub(crate) struct Account {
    pub(crate) status: String,
}

/// A text, absent when it is empty.
pub(super) fn non_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}
