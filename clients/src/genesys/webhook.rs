//! Genesys' outbound webhook: an agent's (or bot's) message, typing, and receipts of what we sent in.
//!
//! Read leniently, because what a valid signature covers is never refused for its content: unknown fields and kinds
//! are kept or passed over, a field of the wrong type counts as absent, the last of two fields with one name counts.
//! The only error is a body that is not a JSON object.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::WireProfile;
use crate::mask;

/// The kind of a plain message.
pub const KIND_TEXT: &str = "Text";
/// What [`OutboundNotification::kind`] says when the body names none and holds no text.
pub const KIND_UNKNOWN: &str = "Unknown";

/// The body is not the declared format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not JSON, or JSON but not an object.
    #[error("the body is not a JSON object")]
    NotAJsonObject,
}

/// What one webhook says; each member is absent if the body does not hold it in readable form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OutboundNotification {
    /// Genesys' id of the message; receipts refer to it. Unique only together with [`Self::channel_id`].
    pub id: Option<String>,
    /// The integration (`channel.id`).
    pub channel_id: Option<String>,
    /// `Text`, `Structured`, `Event`, `Receipt` or what Genesys invents next.
    pub kind: String,
    /// `Outbound` or `Inbound`.
    pub direction: Option<String>,
    /// The customer: `channel.to.id`, or `recipientId` in the `Guide` profile.
    pub customer: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// `channel.time`.
    pub time: Option<Timestamp>,
    /// The `contentType` of each content item, in order; `Unknown` for an item that names none.
    pub content: Vec<String>,
    /// The conversation, where Genesys tells it.
    pub conversation_id: Option<String>,
    /// `Human` or `Bot`.
    pub originating_entity: Option<String>,
}

impl fmt::Debug for OutboundNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundNotification")
            .field("id", &self.id)
            .field("channel_id", &self.channel_id)
            .field("kind", &self.kind)
            .field("direction", &self.direction)
            .field("customer", &self.customer.as_deref().map(mask::phone))
            .field("text_bytes", &self.text.as_ref().map(String::len))
            .field("time", &self.time)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

/// Reads the webhook's body as `profile` has it.
pub fn parse_outbound(
    profile: WireProfile,
    body: &[u8],
) -> Result<OutboundNotification, WebhookError> {
    let root: Object<'_> =
        serde_json::from_slice(body).map_err(|_| WebhookError::NotAJsonObject)?;
    let channel: Object<'_> = field(&root, "channel").unwrap_or_default();
    let to: Object<'_> = field(&channel, "to").unwrap_or_default();
    let text: Option<String> = field(&root, "text");
    let recipient = field(&to, "id");
    let customer = match profile {
        WireProfile::Current => recipient,
        WireProfile::Guide => field(&root, "recipientId").or(recipient),
    };
    let kind = field(&root, "type").unwrap_or_else(|| {
        let assumed = if text.is_some() {
            KIND_TEXT
        } else {
            KIND_UNKNOWN
        };
        assumed.to_owned()
    });
    Ok(OutboundNotification {
        id: field(&root, "id"),
        channel_id: field(&channel, "id"),
        kind,
        direction: field(&root, "direction"),
        customer,
        text,
        time: field::<String>(&channel, "time").and_then(|time| time.parse().ok()),
        content: content_types(&root),
        conversation_id: field(&root, "conversationId"),
        originating_entity: field(&root, "originatingEntity"),
    })
}

/// An object whose values are not looked at yet, so that one odd value cannot spoil the others. The last of two equal
/// keys wins.
type Object<'a> = BTreeMap<String, &'a RawValue>;

fn field<'a, T: Deserialize<'a>>(object: &Object<'a>, name: &str) -> Option<T> {
    let raw: &'a RawValue = object.get(name).copied()?;
    serde_json::from_str(raw.get()).ok()
}

fn content_types(root: &Object<'_>) -> Vec<String> {
    let items: Vec<&RawValue> = field(root, "content").unwrap_or_default();
    items
        .into_iter()
        .map(|item| {
            serde_json::from_str::<Object<'_>>(item.get())
                .ok()
                .and_then(|item| field(&item, "contentType"))
                .unwrap_or_else(|| KIND_UNKNOWN.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// A captured text message, values replaced.
    const TEXT: &str = r#"{"id":"d7d58935af65a45e5234ac77de017a0a",
        "channel":{"id":"11111111-2222-3333-4444-555555555555","platform":"Open","type":"Private",
        "to":{"id":"+15550001111","idType":"Opaque"},
        "from":{"nickname":"acme","id":"11111111-2222-3333-4444-555555555555","idType":"Opaque"},
        "time":"2026-01-02T03:06:00.427Z","messageId":"d7d58935af65a45e5234ac77de017a0a"},
        "type":"Text","text":"Hi","originatingEntity":"Human","direction":"Outbound",
        "conversationId":"5d0d331e-0000-0000-0000-000000000000"}"#;

    fn current(body: &str) -> OutboundNotification {
        parse_outbound(WireProfile::Current, body.as_bytes()).unwrap()
    }

    #[test]
    fn a_captured_text_is_read_in_full() {
        let expected = OutboundNotification {
            id: Some("d7d58935af65a45e5234ac77de017a0a".to_owned()),
            channel_id: Some("11111111-2222-3333-4444-555555555555".to_owned()),
            kind: "Text".to_owned(),
            direction: Some("Outbound".to_owned()),
            customer: Some("+15550001111".to_owned()),
            text: Some("Hi".to_owned()),
            time: Some("2026-01-02T03:06:00.427Z".parse().unwrap()),
            content: Vec::new(),
            conversation_id: Some("5d0d331e-0000-0000-0000-000000000000".to_owned()),
            originating_entity: Some("Human".to_owned()),
        };
        assert_eq!(current(TEXT), expected);
    }

    #[test]
    fn debug_shows_neither_the_customer_nor_the_text() {
        let shown = format!("{:?}", current(TEXT));
        assert!(!shown.contains("5550001"), "{shown}");
        assert!(!shown.contains("Hi"), "{shown}");
    }

    #[rstest]
    #[case::attachment(r#"{"type":"Text","content":[{"contentType":"Attachment","attachment":{}}]}"#, "Text", &["Attachment"])]
    #[case::quick_replies(
        r#"{"type":"Structured","content":[{"contentType":"QuickReply"},{"contentType":"QuickReply"}]}"#,
        "Structured", &["QuickReply", "QuickReply"])]
    #[case::typing(r#"{"type":"Event","events":[{"eventType":"Typing"}],"channel":{}}"#, "Event", &[])]
    #[case::receipt(r#"{"type":"Receipt","status":"Published"}"#, "Receipt", &[])]
    #[case::invented_later(r#"{"type":"Hologram","content":[{"contentType":"Beam"}]}"#, "Hologram", &["Beam"])]
    #[case::odd_items(r#"{"type":"Structured","content":[7,null,{},{"contentType":8}]}"#, "Structured",
        &["Unknown", "Unknown", "Unknown", "Unknown"])]
    #[case::no_kind_but_text(r#"{"text":"hi"}"#, "Text", &[])]
    #[case::nothing_at_all("{}", "Unknown", &[])]
    fn kinds_and_contents_are_kept_as_they_are(
        #[case] body: &str,
        #[case] kind: &str,
        #[case] content: &[&str],
    ) {
        let notification = current(body);
        assert_eq!(notification.kind, kind);
        assert_eq!(notification.content, content);
    }

    #[rstest]
    #[case::text_of_another_type(r#"{"id":"a","text":7}"#)]
    #[case::channel_of_another_type(r#"{"id":"a","channel":[1,2]}"#)]
    #[case::time_that_is_none(r#"{"id":"a","channel":{"time":"soon"}}"#)]
    #[case::lone_surrogate(r#"{"id":"a","text":"\ud800"}"#)]
    #[case::last_of_two(r#"{"id":"b","id":"a"}"#)]
    #[case::null(r#"{"id":"a","text":null,"content":null,"channel":null,"type":null}"#)]
    fn an_odd_field_spoils_no_other(#[case] body: &str) {
        let notification = current(body);
        assert_eq!(notification.id.as_deref(), Some("a"));
        assert_eq!(notification.text, None);
        assert_eq!(notification.time, None);
    }

    #[test]
    fn deep_nesting_in_an_unknown_field_is_passed_over() {
        let deep = format!(
            r#"{{"x":{}{},"text":"hi"}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        assert_eq!(current(&deep).text.as_deref(), Some("hi"));
    }

    #[rstest]
    #[case::guide(WireProfile::Guide, Some("+15550003333"))]
    #[case::current(WireProfile::Current, Some("+15550001111"))]
    fn the_recipient_is_where_the_profile_has_it(
        #[case] profile: WireProfile,
        #[case] customer: Option<&str>,
    ) {
        let body =
            br#"{"recipientId":"+15550003333","text":"hi","channel":{"to":{"id":"+15550001111"}}}"#;
        let notification = parse_outbound(profile, body).unwrap();
        assert_eq!(notification.customer.as_deref(), customer);
        assert_eq!(notification.kind, "Text");
    }

    #[test]
    fn the_guides_two_fields_are_enough() {
        let body = br#"{"recipientId":"+15550003333","text":"hi"}"#;
        let notification = parse_outbound(WireProfile::Guide, body).unwrap();
        let expected = OutboundNotification {
            kind: "Text".to_owned(),
            customer: Some("+15550003333".to_owned()),
            text: Some("hi".to_owned()),
            ..OutboundNotification::default()
        };
        assert_eq!(notification, expected);
    }

    #[rstest]
    #[case::empty(b"")]
    #[case::a_list(b"[]")]
    #[case::a_string(b"\"x\"")]
    #[case::null(b"null")]
    #[case::cut_off(b"{\"id\":")]
    #[case::trailing(b"{} x")]
    #[case::form(b"a=1&b=2")]
    #[case::not_utf8(b"{\"\xff\":1}")]
    fn only_what_is_no_json_object_is_refused(#[case] body: &[u8]) {
        for profile in [WireProfile::Current, WireProfile::Guide] {
            assert_eq!(
                parse_outbound(profile, body),
                Err(WebhookError::NotAJsonObject)
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_parsing_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_outbound(WireProfile::Current, &body);
            let _ = parse_outbound(WireProfile::Guide, &body);
        }
    }
}
