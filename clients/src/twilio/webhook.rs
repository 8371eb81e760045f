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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const SMS: &str = "MessageSid=SM1&SmsSid=SM1&AccountSid=AC1&From=%2B14155550100&To=%2B14155550199\
        &Body=hi+there%21&NumMedia=0&NumSegments=1&SmsStatus=received&ApiVersion=2010-04-01";
    const MMS: &str = "MessageSid=MM1&AccountSid=AC1&From=%2B14155550100&To=%2B14155550199&Body=&NumMedia=2\
        &MediaUrl0=https%3A%2F%2Fapi.twilio.com%2Fm%2F0&MediaContentType0=image%2Fjpeg\
        &MediaUrl1=https%3A%2F%2Fapi.twilio.com%2Fm%2F1";
    const WHATSAPP: &str = "MessageSid=SM2&AccountSid=AC1&From=whatsapp%3A%2B447900000000&To=whatsapp%3A%2B14155550199\
        &Body=Yes&ProfileName=Ann&WaId=447900000000&OptOutType=STOP&MessagingServiceSid=MG1&Brand=new";

    fn inbound(form: &str) -> Result<InboundSms, WebhookError> {
        parse_inbound(&FormFields::parse(form.as_bytes()))
    }

    #[test]
    fn a_text_is_read() {
        let sms = inbound(SMS).unwrap();
        assert_eq!(sms.message_sid, MessageSid::new("SM1"));
        assert_eq!(sms.account_sid, AccountSid::new("AC1"));
        assert_eq!(
            (sms.from.as_str(), sms.to.as_str()),
            ("+14155550100", "+14155550199")
        );
        assert_eq!(sms.body, "hi there!");
        assert_eq!(
            (sms.media.len(), sms.profile_name, sms.opt_out_type),
            (0, None, None)
        );
    }

    #[test]
    fn attachments_are_read_and_the_body_may_be_empty() {
        let sms = inbound(MMS).unwrap();
        assert_eq!(sms.body, "");
        assert_eq!(sms.media.len(), 2);
        assert_eq!(sms.media[0].content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(sms.media[1].url, "https://api.twilio.com/m/1");
    }

    #[test]
    fn names_services_and_opt_outs_are_read_and_new_fields_passed_over() {
        let sms = inbound(WHATSAPP).unwrap();
        assert_eq!(sms.from, "whatsapp:+447900000000");
        assert_eq!(sms.profile_name.as_deref(), Some("Ann"));
        assert_eq!(sms.opt_out_type.as_deref(), Some("STOP"));
        assert_eq!(sms.messaging_service_sid.as_deref(), Some("MG1"));
    }

    #[rstest]
    #[case::no_sid("AccountSid=AC1&From=a&To=b&Body=c", "MessageSid")]
    #[case::empty_sid("MessageSid=&AccountSid=AC1&From=a&To=b", "MessageSid")]
    #[case::no_account("MessageSid=SM1&From=a&To=b", "AccountSid")]
    #[case::no_sender("MessageSid=SM1&AccountSid=AC1&To=b", "From")]
    #[case::no_recipient("MessageSid=SM1&AccountSid=AC1&From=a", "To")]
    #[case::nothing("", "MessageSid")]
    fn a_form_without_its_essentials_is_refused_by_name(
        #[case] form: &str,
        #[case] field: &'static str,
    ) {
        assert_eq!(inbound(form), Err(WebhookError::MissingField(field)));
    }

    #[test]
    fn at_most_ten_attachments_are_read() {
        let media = (0..50).map(|n| (format!("MediaUrl{n}"), "u".to_owned()));
        let form = FormFields::parse(SMS.as_bytes()).0.into_iter().chain(media);
        assert_eq!(parse_inbound(&form.collect()).unwrap().media.len(), 10);
    }

    #[rstest]
    #[case::delivered(
        "MessageSid=SM1&AccountSid=AC1&MessageStatus=delivered&To=%2B1",
        MessageStatus::Delivered,
        None
    )]
    #[case::failed(
        "MessageSid=SM1&AccountSid=AC1&MessageStatus=failed&ErrorCode=30007",
        MessageStatus::Failed,
        Some(30007)
    )]
    #[case::odd_code(
        "MessageSid=SM1&AccountSid=AC1&MessageStatus=failed&ErrorCode=x",
        MessageStatus::Failed,
        None
    )]
    #[case::old_names("SmsSid=SM1&AccountSid=AC1&SmsStatus=sent", MessageStatus::Sent, None)]
    #[case::new_word("MessageSid=SM1&AccountSid=AC1&MessageStatus=teleported", MessageStatus::Unknown("teleported".to_owned()), None)]
    fn a_status_is_read(
        #[case] form: &str,
        #[case] status: MessageStatus,
        #[case] error_code: Option<u32>,
    ) {
        let callback = parse_status(&FormFields::parse(form.as_bytes())).unwrap();
        assert_eq!(callback.message_sid, MessageSid::new("SM1"));
        assert_eq!(callback.status, status);
        assert_eq!(callback.error_code, error_code);
    }

    #[test]
    fn a_status_without_a_status_is_refused() {
        let form = FormFields::parse(b"MessageSid=SM1&AccountSid=AC1");
        assert_eq!(
            parse_status(&form),
            Err(WebhookError::MissingField("MessageStatus"))
        );
    }

    #[test]
    fn debug_shows_neither_numbers_nor_texts() {
        let form = FormFields::parse(SMS.as_bytes());
        let callback = FormFields::parse(
            b"MessageSid=SM1&AccountSid=AC1&MessageStatus=sent&To=%2B14155550100",
        );
        let shown = format!(
            "{form:?} {:?} {:?}",
            parse_inbound(&form).unwrap(),
            parse_status(&callback).unwrap()
        );
        for secret in ["415555", "hi there"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_parsing_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let form = FormFields::parse(&body);
            let _ = parse_inbound(&form);
            let _ = parse_status(&form);
        }
    }
}
