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
