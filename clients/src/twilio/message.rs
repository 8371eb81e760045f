//! The Messages resource: what is sent, and what Twilio says about it (`api.v2010.account.message`).

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::ids::MessageSid;
use crate::mask;

/// Twilio takes `ValidityPeriod` in whole seconds from 1 to 36,000 (ten hours).
const VALIDITY_SECONDS: std::ops::RangeInclusive<u64> = 1..=36_000;

/// A message to send.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The customer: E.164, or whatever address the customer wrote from.
    pub to: String,
    /// The sender of ours.
    pub from: String,
    /// The text, at most 1,600 characters.
    pub body: String,
    /// Where Twilio reports the message's states; it holds our id of this send.
    pub status_callback: Url,
    /// How long Twilio may keep it queued; sent in whole seconds, clamped to 1 s to 10 h.
    pub validity: Duration,
}

impl NewMessage {
    pub(crate) fn form(&self) -> [(&'static str, String); 5] {
        let validity = self
            .validity
            .as_secs()
            .clamp(*VALIDITY_SECONDS.start(), *VALIDITY_SECONDS.end());
        [
            ("To", self.to.clone()),
            ("From", self.from.clone()),
            ("Body", self.body.clone()),
            ("StatusCallback", self.status_callback.to_string()),
            ("ValidityPeriod", validity.to_string()),
        ]
    }
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("to", &mask::phone(&self.to))
            .field("from", &mask::phone(&self.from))
            .field("body_bytes", &self.body.len())
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// A message as Twilio knows it. All but the SID is read leniently: what is absent or unreadable is empty.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// Its SID.
    pub sid: MessageSid,
    /// `queued`, `accepted`, `sent` ...; see [`super::MessageStatus`].
    #[serde(default, deserialize_with = "text_or_default")]
    pub status: String,
    /// `inbound`, `outbound-api`, `outbound-call` or `outbound-reply`.
    #[serde(default, deserialize_with = "text_or_default")]
    pub direction: String,
    /// The recipient.
    #[serde(default, deserialize_with = "text_or_default")]
    pub to: String,
    /// The sender; unknown while a Messaging Service has not picked one.
    #[serde(default)]
    pub from: Option<String>,
    /// The text; empty once redacted.
    #[serde(default)]
    pub body: Option<String>,
    /// When Twilio took it (whole seconds).
    #[serde(default, deserialize_with = "rfc2822")]
    pub date_created: Option<Timestamp>,
    /// Twilio's error code, once it failed.
    #[serde(default, deserialize_with = "number")]
    pub error_code: Option<u32>,
    /// Segments billed; a string on the wire.
    #[serde(default, deserialize_with = "number")]
    pub num_segments: Option<u32>,
    /// Attachments; a string on the wire.
    #[serde(default, deserialize_with = "number")]
    pub num_media: Option<u32>,
    /// The Messaging Service, if it went through one.
    #[serde(default)]
    pub messaging_service_sid: Option<String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("sid", &self.sid)
            .field("status", &self.status)
            .field("direction", &self.direction)
            .field("to", &mask::phone(&self.to))
            .field("from", &self.from.as_deref().map(mask::phone))
            .field("body_bytes", &self.body.as_ref().map(String::len))
            .field("date_created", &self.date_created)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

/// Which messages to list. There is no filter by date: `date_sent` is empty while a message is queued, so Twilio's
/// date filters miss just the messages that matter.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageFilter {
    /// Only those to this address.
    pub to: Option<String>,
    /// Only those from this address.
    pub from: Option<String>,
    /// Messages a page, at most 1,000.
    pub page_size: u16,
    /// Pages read at most.
    pub max_pages: u16,
    /// Messages older than this need not be listed: nothing more is read after a page on which all are older by more
    /// than a day. Twilio lists newest first, but that is documented nowhere.
    pub older_than_is_enough: Option<Timestamp>,
}

/// How far out of order Twilio's list may be.
const DISORDER: Duration = Duration::from_hours(24);

impl MessageFilter {
    /// Whether the messages behind this page are too old to matter.
    pub(crate) fn is_enough(&self, page: &[Message]) -> bool {
        let Some(limit) = self.older_than_is_enough else {
            return false;
        };
        let is_old = |message: &Message| {
            message
                .date_created
                .is_some_and(|created| created < limit - DISORDER)
        };
        !page.is_empty() && page.iter().all(is_old)
    }
}

impl Default for MessageFilter {
    fn default() -> Self {
        Self {
            to: None,
            from: None,
            page_size: 100,
            max_pages: 10,
            older_than_is_enough: None,
        }
    }
}

impl fmt::Debug for MessageFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageFilter")
            .field("to", &self.to.as_deref().map(mask::phone))
            .field("from", &self.from.as_deref().map(mask::phone))
            .field("page_size", &self.page_size)
            .field("max_pages", &self.max_pages)
            .field("older_than_is_enough", &self.older_than_is_enough)
            .finish()
    }
}

/// What a listing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageList {
    /// The messages in Twilio's order (newest first).
    pub messages: Vec<Message>,
    /// Whether the last page was reached, or one behind which all are too old to matter; if not, messages may be
    /// missing.
    pub complete: bool,
}

/// One page of the list.
#[derive(Deserialize)]
pub(crate) struct MessagePage {
    pub(crate) messages: Vec<Message>,
    #[serde(default)]
    pub(crate) next_page_uri: Option<String>,
}

fn text_or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn rfc2822<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| PARSER.parse_timestamp(&text).ok()))
}

/// A number that Twilio writes as a number here and as a string there.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u32),
        Text(String),
        Other(IgnoredAny),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Number(number) => Some(number),
        Written::Text(text) => text.parse().ok(),
        Written::Other(IgnoredAny) => None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recorded_answer_is_read() {
        let message: Message = serde_json::from_value(json!({
            "sid": "SM00000000000000000000000000000001", "account_sid": "AC00000000000000000000000000000001",
            "status": "queued", "direction": "outbound-api", "to": "+15551230000", "from": "+15550002222",
            "body": "Hello", "num_segments": "1", "num_media": "0", "error_code": null, "error_message": null,
            "date_created": "Fri, 24 May 2019 17:44:46 +0000", "date_sent": null, "price": null
        }))
        .unwrap();
        assert_eq!(
            message.date_created,
            Some("2019-05-24T17:44:46Z".parse().unwrap())
        );
        assert_eq!(message.num_segments, Some(1));
        assert_eq!(message.error_code, None);
        assert_eq!(message.body.as_deref(), Some("Hello"));
        assert!(!format!("{message:?}").contains("Hello"));
        assert!(!format!("{message:?}").contains("5551230"));
    }

    #[test]
    fn only_the_sid_is_required() {
        let message: Message = serde_json::from_value(
            json!({ "sid": "SM1", "status": null, "error_code": 30007, "num_segments": -1.5 }),
        )
        .unwrap();
        assert_eq!(message.error_code, Some(30007));
        assert_eq!(message.date_created, None);
        assert!(serde_json::from_value::<Message>(json!({ "status": "queued" })).is_err());
    }

    #[rstest]
    #[case::all_are_older_by_more_than_a_day(&["2026-01-01T00:00:00Z", "2026-01-02T11:59:59Z"], true)]
    #[case::one_may_be_out_of_order(&["2026-01-01T00:00:00Z", "2026-01-02T12:00:00Z"], false)]
    #[case::nothing_is_listed(&[], false)]
    fn a_page_of_old_messages_is_the_last_that_is_read(
        #[case] page: &[&str],
        #[case] enough: bool,
    ) {
        let message = |created: &&str| Message {
            date_created: Some(created.parse().unwrap()),
            ..serde_json::from_value(json!({ "sid": "SM1" })).unwrap()
        };
        let page: Vec<Message> = page.iter().map(message).collect();
        let filter = MessageFilter {
            older_than_is_enough: Some("2026-01-03T12:00:00Z".parse().unwrap()),
            ..MessageFilter::default()
        };
        assert_eq!(filter.is_enough(&page), enough);
        assert!(!MessageFilter::default().is_enough(&page));
    }

    #[rstest]
    #[case::as_asked(14_400, "14400")]
    #[case::never_below_a_second(0, "1")]
    #[case::never_above_ten_hours(90_000, "36000")]
    fn validity_stays_in_what_twilio_takes(#[case] seconds: u64, #[case] expected: &str) {
        let message = NewMessage {
            to: "+15551230000".to_owned(),
            from: "+15550002222".to_owned(),
            body: "Hello".to_owned(),
            status_callback: "https://bridge.example/twilio/status/1".parse().unwrap(),
            validity: Duration::from_secs(seconds),
        };
        assert_eq!(message.form()[4], ("ValidityPeriod", expected.to_owned()));
        assert!(!format!("{message:?}").contains("Hello"));
        assert!(!format!("{message:?}").contains("5551230"));
    }
}
