//! What a customer sends to Genesys Cloud: messages and typing events, before a wire profile gives them their JSON.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::mask;

/// How Genesys is to read a customer's id (`channel.from.idType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdType {
    /// An E.164 number.
    Phone,
    /// Anything else: a short code, a WhatsApp user id, a raw caller id.
    Opaque,
    /// An e-mail address.
    Email,
}

impl IdType {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "Phone",
            Self::Opaque => "Opaque",
            Self::Email => "Email",
        }
    }
}

/// A customer as Genesys knows him: the conversation hangs on `id`.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    /// The id that Genesys saw first from this customer; never changed afterwards.
    pub id: String,
    /// How to read it.
    pub id_type: IdType,
    /// The name that the agent sees; a profile name or the formatted number.
    pub nickname: Option<String>,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customer")
            .field("id", &mask::phone(&self.id))
            .field("id_type", &self.id_type)
            .finish_non_exhaustive()
    }
}

/// A customer's text on its way to the agent.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// The carrier platform's id of the message (a Twilio `MessageSid`); the same on every repeat.
    pub message_id: String,
    /// When it arrived; sent in UTC with milliseconds.
    pub time: Timestamp,
    /// Who wrote it.
    pub customer: Customer,
    /// The number of ours that it was sent to. Only the `Guide` profile has a place for it.
    pub our_number: String,
    /// The text.
    pub text: String,
    /// `channel.metadata.customAttributes`: strings that Architect reads with Get Participant Data.
    pub custom_attributes: BTreeMap<String, String>,
}

impl fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("message_id", &self.message_id)
            .field("time", &self.time)
            .field("customer", &self.customer)
            .field("text_bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// What a customer does besides writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The customer is typing.
    Typing,
}

impl EventKind {
    /// The value on the wire (`events[].eventType`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Typing => "Typing",
        }
    }
}

/// An event of a customer on its way to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundEvent {
    /// When it happened.
    pub time: Timestamp,
    /// Whose event it is.
    pub customer: Customer,
    /// What happened.
    pub kind: EventKind,
}
