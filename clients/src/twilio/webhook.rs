//! Twilio's webhooks: an inbound message, and the status of one we sent. Both are forms with an open set of fields.
//!
//! Every field is kept in [`FormFields`], because the signature covers them all; the parsers pick what the bridge
//! uses. A parser refuses a form only when a field is missing without which it means nothing.

use std::fmt;

use super::ids::{AccountSid, MessageSid};
use super::status::MessageStatus;
use crate::mask;

/// Twilio puts at most ten attachments on a message.
const MAX_MEDIA: usize = 10;

/// The form lacks a field that its meaning hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The named field is absent or empty.
    #[error("the form has no {0}")]
    MissingField(&'static str),
}

/// The decoded fields of a form, in the order of the body, repeated names included.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Reads an `application/x-www-form-urlencoded` body. Every byte string is one; bytes that are not UTF-8 become
    /// U+FFFD (and no signature will match them).
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The first field of this name, empty or not.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<&str, WebhookError> {
        self.filled(name).ok_or(WebhookError::MissingField(name))
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.filled(name).map(str::to_owned)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for FormFields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let owned = |(name, value): (N, V)| (name.into(), value.into());
        Self(fields.into_iter().map(owned).collect())
    }
}

/// Names only: values are numbers and texts of customers.
impl fmt::Debug for FormFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// An attachment of an inbound message. Fetching it needs Basic auth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where Twilio keeps it. It comes from the request: check host and path before sending credentials there.
    pub url: String,
    /// Its MIME type, if Twilio says it.
    pub content_type: Option<String>,
}

/// A message of a customer.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundSms {
    /// Its SID: the de-duplication key.
    pub message_sid: MessageSid,
    /// The account that received it.
    pub account_sid: AccountSid,
    /// The customer; usually, but not always, E.164 (short codes, raw caller ids, `whatsapp:` addresses).
    pub from: String,
    /// The sender of ours that it was sent to.
    pub to: String,
    /// The text; may be empty.
    pub body: String,
    /// The Messaging Service that it came through.
    pub messaging_service_sid: Option<String>,
    /// Its attachments.
    pub media: Vec<Media>,
    /// The name in the customer's WhatsApp profile.
    pub profile_name: Option<String>,
    /// `STOP`, `START` or `HELP` if Advanced Opt-Out is on: Twilio has answered already.
    pub opt_out_type: Option<String>,
}

impl fmt::Debug for InboundSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundSms")
            .field("message_sid", &self.message_sid)
            .field("account_sid", &self.account_sid)
            .field("from", &mask::phone(&self.from))
            .field("to", &mask::phone(&self.to))
            .field("body_bytes", &self.body.len())
            .field("media", &self.media.len())
            .field("opt_out_type", &self.opt_out_type)
            .finish_non_exhaustive()
    }
}

/// Reads an inbound message.
pub fn parse_inbound(form: &FormFields) -> Result<InboundSms, WebhookError> {
    Ok(InboundSms {
        message_sid: message_sid(form)?,
        account_sid: AccountSid::new(form.required("AccountSid")?),
        from: form.required("From")?.to_owned(),
        to: form.required("To")?.to_owned(),
        body: form.get("Body").unwrap_or_default().to_owned(),
        messaging_service_sid: form.optional("MessagingServiceSid"),
        media: media(form),
        profile_name: form.optional("ProfileName"),
        opt_out_type: form.optional("OptOutType"),
    })
}

fn media(form: &FormFields) -> Vec<Media> {
    if form.filled("MediaUrl0").is_none() {
        return Vec::new();
    }
    (0..MAX_MEDIA)
        .map_while(|index| {
            Some(Media {
                url: form.optional(&format!("MediaUrl{index}"))?,
                content_type: form.optional(&format!("MediaContentType{index}")),
            })
        })
        .collect()
}

/// What became of a message of ours. The `To` of a callback is the customer.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusCallback {
    /// The message.
    pub message_sid: MessageSid,
    /// The account that sent it.
    pub account_sid: AccountSid,
    /// Its state.
    pub status: MessageStatus,
    /// Twilio's error code, with a failure.
    pub error_code: Option<u32>,
    /// The customer.
    pub to: Option<String>,
    /// The sender of ours.
    pub from: Option<String>,
    /// Why, in the channel's own words (WhatsApp and its kin).
    pub channel_status_message: Option<String>,
}

impl fmt::Debug for StatusCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusCallback")
            .field("message_sid", &self.message_sid)
            .field("account_sid", &self.account_sid)
            .field("status", &self.status)
            .field("error_code", &self.error_code)
            .field("to", &self.to.as_deref().map(mask::phone))
            .finish_non_exhaustive()
    }
}

/// Reads a status callback.
pub fn parse_status(form: &FormFields) -> Result<StatusCallback, WebhookError> {
    let status = form
        .filled("MessageStatus")
        .or_else(|| form.filled("SmsStatus"))
        .ok_or(WebhookError::MissingField("MessageStatus"))?;
    Ok(StatusCallback {
        message_sid: message_sid(form)?,
        account_sid: AccountSid::new(form.required("AccountSid")?),
        status: MessageStatus::parse(status),
        error_code: form
            .filled("ErrorCode")
            .and_then(|code| code.trim().parse().ok()),
        to: form.optional("To"),
        from: form.optional("From"),
        channel_status_message: form.optional("ChannelStatusMessage"),
    })
}

/// `MessageSid`, or the deprecated `SmsSid` with the same value.
fn message_sid(form: &FormFields) -> Result<MessageSid, WebhookError> {
    form.filled("MessageSid")
        .or_else(|| form.filled("SmsSid"))
        .map(MessageSid::new)
        .ok_or(WebhookError::MissingField("MessageSid"))
}
