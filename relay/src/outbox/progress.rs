//! The vocabulary of sends towards Twilio and of receipts to Genesys: how far a message came, and what the agent is told
//! of it. Plain data: no storage.

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{GenesysMessageId, ReasonCode};
use messaging_bridge_clients::twilio::MessageSid;
use serde::Serialize;

use super::types::{LaneKey, SendId, Seq};
use crate::message::CustomerId;

/// The attempt mark of one part.
#[derive(Debug, Clone)]
pub struct Mark {
    /// The row.
    pub seq: Seq,
    /// The send that is about to be tried.
    pub send: SendId,
    /// Which part, from 0.
    pub part: u32,
    /// Of how many.
    pub parts: u32,
    /// The message whose receipts this send feeds; `None` where the profile gives no id.
    pub genesys_id: Option<GenesysMessageId>,
    /// Whose conversation.
    pub customer: CustomerId,
    /// Now.
    pub at: Timestamp,
}

/// A part that Twilio took.
#[derive(Debug, Clone)]
pub struct PartSent {
    /// The row.
    pub seq: Seq,
    /// The send that was answered (or found again).
    pub send: SendId,
    /// Twilio's id.
    pub sid: MessageSid,
    /// Whether the message is complete with it.
    pub last: bool,
}

/// How far a send came. In order: accepted, queued, sending < sent < delivered < read <
/// undelivered = failed; the highest ever seen counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Nothing heard.
    Pending = 0,
    /// With Twilio.
    Accepted = 1,
    /// With the carrier.
    Sent = 2,
    /// On the phone.
    Delivered = 3,
    /// Seen.
    Read = 4,
    /// Will not arrive.
    Failed = 5,
}

impl Rank {
    const ALL: [Self; 6] = [
        Self::Pending,
        Self::Accepted,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Failed,
    ];

    /// Reads a stored rank; what is not known counts as nothing heard.
    pub(crate) fn from_stored(stored: i64) -> Self {
        Self::ALL
            .into_iter()
            .find(|rank| *rank as i64 == stored)
            .unwrap_or(Self::Pending)
    }
}

/// What is known of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendState {
    /// Twilio's id, once an answer or a callback named it.
    pub sid: Option<MessageSid>,
    /// How far it came.
    pub rank: Rank,
}

/// Another message of a lane that may have been sent without our knowing. Not shown: it holds the text.
#[derive(Clone)]
pub struct InDoubt {
    /// The message as stored; `None` once its body was erased.
    pub payload: Option<Vec<u8>>,
    /// The part that is in doubt.
    pub part: u32,
}

/// What a status callback says of a send.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// Which send.
    pub send: SendId,
    /// Twilio's id, which a callback may bring before the answer does.
    pub sid: MessageSid,
    /// How far it came.
    pub rank: Rank,
    /// Why it failed.
    pub reason: Option<ReceiptReason>,
}

/// What a callback changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The highest rank seen of this send.
    pub rank: Rank,
    /// Whether this callback raised it.
    pub risen: bool,
    /// Whether Genesys is to hear of it: a receipt waits now that did not wait before, or a higher one.
    pub receipt_waits: bool,
    /// The waiting message that it proved to be sent, in part or as a whole.
    pub proved: Option<Proved>,
}

/// A waiting message of which a part is known to be sent from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// Its lane, which is to be looked at again.
    pub lane: LaneKey,
    /// Genesys' id, if it has one.
    pub genesys_id: Option<GenesysMessageId>,
    /// In how many parts it goes.
    pub parts: u32,
    /// When its webhook arrived.
    pub accepted: Timestamp,
    /// Whether it was the last part: the message is complete.
    pub complete: bool,
    /// Whether the lane has more rows.
    pub more: bool,
}

/// A message that ended without its turn, because it had waited too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Its number.
    pub seq: Seq,
    /// Its lane.
    pub lane: LaneKey,
    /// When its webhook arrived.
    pub accepted: Timestamp,
    /// How often it was put back.
    pub tries: u32,
    /// Whether it carried an attempt mark: it ended as unresolved.
    pub marked: bool,
    /// The message, as it was stored.
    pub payload: Vec<u8>,
}

/// A head of which nobody knows whether its part was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The send that was tried last.
    pub send: SendId,
    /// When it was marked.
    pub marked: Timestamp,
    /// The first send of this part that may have been done: the last one itself, or one that was settled as not sent.
    pub first: SendId,
    /// When that one was marked.
    pub first_marked: Timestamp,
}

/// What became of a request to end a message without delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burial {
    /// It is a dead letter. Whether its lane has more rows.
    Buried {
        /// Whether it has.
        more: bool,
    },
    /// It is gone, or the part in question was proven meanwhile: nothing was ended, and its lane is to be looked at.
    GoneOn,
}

/// What an agent is told of an outbound message. Ordered: a higher level replaces a lower one, never the reverse. A
/// failure that we infer stands below `Sent`, since a later callback proves it wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ReceiptLevel {
    /// Nothing yet.
    None = 0,
    /// Probably failed: we could not find out.
    FailedInferred = 1,
    /// With the carrier.
    Sent = 2,
    /// On the phone.
    Delivered = 3,
    /// Failed, for certain.
    Failed = 4,
}

impl ReceiptLevel {
    const ALL: [Self; 5] = [
        Self::None,
        Self::FailedInferred,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
    ];

    /// Reads a stored level; what is not known counts as none.
    pub(crate) fn from_stored(stored: i64) -> Self {
        Self::ALL
            .into_iter()
            .find(|level| *level as i64 == stored)
            .unwrap_or(Self::None)
    }

    /// The one receipt of a message: failed with its first failed part, else the lowest state of all its parts.
    /// `ranks` holds the parts that were tried; a part not tried yet has no state.
    pub fn of_parts(parts: u32, ranks: &[Rank]) -> Self {
        if ranks.contains(&Rank::Failed) {
            return Self::Failed;
        }
        if ranks.len() < parts as usize {
            return Self::None;
        }
        match ranks.iter().min() {
            Some(Rank::Sent) => Self::Sent,
            Some(Rank::Delivered | Rank::Read) => Self::Delivered,
            _ => Self::None,
        }
    }
}

/// Why an outbound message failed, in Genesys' code and in a sentence for the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptReason {
    /// Genesys' reason code.
    pub code: ReasonCode,
    /// One sentence, without numbers and bodies.
    pub sentence: String,
}

/// A receipt, named by its message and level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub genesys_id: GenesysMessageId,
    /// What is told.
    pub level: ReceiptLevel,
}

/// A receipt that Genesys does not have yet.
#[derive(Debug, Clone)]
pub struct WaitingReceipt {
    /// Which, and what it says.
    pub receipt: Receipt,
    /// Whose conversation.
    pub customer: CustomerId,
    /// For failures.
    pub reason: Option<ReceiptReason>,
    /// How often Genesys did not take it.
    pub tries: u32,
    /// When its message was first marked or refused.
    pub created: Timestamp,
}
