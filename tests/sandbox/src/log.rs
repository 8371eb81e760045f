//! What both platforms saw and did, to assert on.
//!
//! The log holds phone numbers and texts, because tests compare them; it never holds credentials, tokens, secrets
//! or signatures.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A snapshot of everything that happened since the start or the last reset, each list oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Log {
    /// Every try of a webhook that carries a message: Twilio's inbound and Genesys' outbound.
    pub webhooks: Vec<WebhookAttempt>,
    /// Customers' messages that Genesys accepted.
    pub genesys_inbound: Vec<GenesysInbound>,
    /// Customers' events (typing) that Genesys accepted.
    pub genesys_events: Vec<GenesysEvent>,
    /// Receipts that Genesys read.
    pub genesys_receipts: Vec<ReceiptSeen>,
    /// Messages that Twilio took with a 201, whether or not the answer got through.
    pub twilio_sends: Vec<TwilioSend>,
    /// Every try of a status callback.
    pub callbacks: Vec<CallbackAttempt>,
    /// Requests that the strict APIs refused, planted faults excepted.
    pub rejected: Vec<Rejected>,
}

/// One of the two platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Twilio.
    Twilio,
    /// Genesys Cloud.
    Genesys,
}

/// One try of a webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookAttempt {
    /// Who sent it.
    pub platform: Platform,
    /// Twilio's `MessageSid`, or the id of the agent's message.
    pub message_id: String,
    /// The public URL: what was signed.
    pub url: String,
    /// The status of the answer; none when nothing answered in time.
    pub status: Option<u16>,
    /// 1 for the first try.
    pub attempt: u32,
    /// What the platform makes of the answer.
    pub answer: Answer,
    /// When the answer was there, or its absence certain.
    pub at: Timestamp,
}

/// What a platform makes of the answer to its webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// As it should be: any 2xx for Genesys and for status callbacks, TwiML or 204 for an inbound message.
    Accepted,
    /// Twilio sends a `text/plain` answer to the customer as a message: this one.
    TextedToCustomer(String),
    /// 2xx, but Twilio's debugger would log this error.
    Warning(String),
    /// Another status.
    Refused,
    /// No connection.
    Unreachable,
    /// Connected, but no answer in time.
    TimedOut,
}

/// A customer's message that Genesys accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GenesysInbound {
    /// The integration it was posted to.
    pub integration_id: String,
    /// `channel.messageId`, or the guide's `id`.
    pub message_id: Option<String>,
    /// Who wrote.
    pub customer: String,
    /// What they wrote.
    pub text: String,
    /// `channel.from.nickname`.
    pub nickname: Option<String>,
    /// `channel.metadata.customAttributes`.
    pub attributes: BTreeMap<String, String>,
    /// `channel.time` as it was posted; the guide's shape has none.
    pub time: Option<Timestamp>,
    /// When it was posted.
    pub at: Timestamp,
    /// True if this message id was accepted before: Genesys does not de-duplicate, the agent sees it twice.
    pub repeat: bool,
    /// False if a planted fault lost the answer.
    pub answered: bool,
}

/// A customer's event that Genesys accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GenesysEvent {
    /// The integration it was posted to.
    pub integration_id: String,
    /// Whose event.
    pub customer: String,
    /// `Typing`.
    pub kind: String,
    /// When it was posted.
    pub at: Timestamp,
}

/// A receipt that Genesys read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceiptSeen {
    /// The agent's message.
    pub message_id: String,
    /// `channel.to.id`.
    pub customer: String,
    /// `Sent`, `Delivered`, `Failed`, `Published` or `Removed`.
    pub status: String,
    /// `isFinalReceipt`.
    pub is_final: bool,
    /// `reasons`.
    pub reasons: Vec<Reason>,
    /// When it was posted.
    pub at: Timestamp,
    /// False if no agent's message has this id: Genesys answers 2xx with a `Failed` in the body.
    pub accepted: bool,
}

/// Why a receipt says `Failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One of the codes of `ConversationReason`.
    pub code: Option<String>,
    /// A sentence.
    pub message: String,
}

/// A message that Twilio took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TwilioSend {
    /// Its `MessageSid`.
    pub sid: String,
    /// The customer.
    pub to: String,
    /// The number.
    pub from: String,
    /// The text.
    pub body: String,
    /// `StatusCallback`.
    pub status_callback: Option<String>,
    /// `ValidityPeriod` in seconds.
    pub validity: Option<u32>,
    /// When it was posted.
    pub at: Timestamp,
    /// False if a planted fault lost the answer.
    pub answered: bool,
}

/// One try of a status callback.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallbackAttempt {
    /// The message.
    pub sid: String,
    /// `MessageStatus`.
    pub message_status: String,
    /// `ErrorCode`.
    pub error_code: Option<u32>,
    /// The public URL: what was signed.
    pub url: String,
    /// The status of the answer; none when nothing answered in time.
    pub status: Option<u16>,
    /// 1 for the first try.
    pub attempt: u32,
    /// What Twilio makes of the answer.
    pub answer: Answer,
    /// When the answer was there, or its absence certain.
    pub at: Timestamp,
}

/// A request that a strict API refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// Method and path.
    pub endpoint: String,
    /// The status it was answered with.
    pub status: u16,
    /// The platform's code and sentence.
    pub why: String,
    /// When.
    pub at: Timestamp,
}
