//! The vocabulary of what was missed: customers' messages that Twilio lists and the outbox lacks, and sends of which
//! Twilio's last word is missing. Plain data: no storage, no decisions.

use jiff::Timestamp;
use messaging_bridge_clients::twilio::MessageSid;

use super::types::{DedupKey, LaneKey, SendId, Seq};

/// What Twilio lists of one customer, oldest first, as far as one look goes.
#[derive(Clone)]
pub struct Gap {
    /// The customer's lane.
    pub lane: LaneKey,
    /// The listed messages, those that are in already included: they tell where the missing ones belong.
    pub listed: Vec<Listed>,
    /// Where the missing ones go.
    pub place: Place,
    /// Now: the age of what is stored counts from here.
    pub found: Timestamp,
}

/// One listed message.
#[derive(Clone)]
pub struct Listed {
    /// What its webhook is recognised by.
    pub key: DedupKey,
    /// When Twilio took it.
    pub time: Timestamp,
    /// What is to be done about it.
    pub is: Found,
}

/// What a listed message is to us.
#[derive(Clone, PartialEq, Eq)]
pub enum Found {
    /// It is in, or it is left alone.
    Known,
    /// It is stored, if it still lacks: the message, as [`crate::message::Message::to_stored`] writes it.
    Missing(Vec<u8>),
    /// It lacks, and its text is gone: it is counted once.
    Redacted,
}

/// Where missed messages go in their lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where they belong among the rows before `since`, and before the rows from `since` on, but for those that are
    /// listed earlier. A waiting row that is not listed belongs behind them if its time is `until` or later.
    ByTime {
        /// The first row that was appended since the start.
        since: Seq,
        /// Up to where the look goes.
        until: Timestamp,
    },
    /// Last, in their own order.
    Last,
}

/// What was done about a gap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// Messages stored.
    pub stored: u64,
    /// Redacted messages that were not counted before.
    pub redacted: u64,
}

/// A send that Twilio took and whose last status is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Our id of it.
    pub send: SendId,
    /// Twilio's.
    pub sid: MessageSid,
    /// When it was marked.
    pub marked: Timestamp,
}

/// How far a round of asking for statuses came, in the order of marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedUpTo {
    /// Up to this send.
    Send(Unfinished),
    /// Every send that was marked up to this time.
    Time(Timestamp),
}
