//! The vocabulary of rows and lanes. Plain data: no storage, no decisions.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::GenesysMessageId;
use messaging_bridge_clients::mask;
use serde::{Deserialize, Serialize};

use super::progress::{Doubt, ReceiptLevel, ReceiptReason};
use crate::message::CustomerId;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the customer to Genesys.
    Inbound,
    /// From Genesys to the customer.
    Outbound,
}

impl Direction {
    /// Both, in the order in which they are reported.
    pub const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];

    /// `inbound` or `outbound`, as in metrics and lanes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// A strict queue: direction, integration slot and customer. Shown masked.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey {
    direction: Direction,
    text: Arc<str>,
}

impl LaneKey {
    /// The lane of a customer on the bridge's text integration. The integration's id is no part of it: it is looked
    /// up at delivery, so that a re-created integration keeps its lanes.
    pub fn new(direction: Direction, customer: &CustomerId) -> Self {
        Self {
            direction,
            text: format!("{}/text/{}", direction.as_str(), customer.expose()).into(),
        }
    }

    /// Reads a stored key.
    pub(crate) fn from_stored(text: &str) -> Self {
        let direction = if text.starts_with("outbound/") {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        Self {
            direction,
            text: text.into(),
        }
    }

    /// Which way the lane's messages go.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The customer's id, for storage and for those who asked to see it.
    pub(crate) fn customer(&self) -> &str {
        self.text.splitn(3, '/').nth(2).unwrap_or(&self.text)
    }

    /// The whole key, for storage only.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}",
            self.direction.as_str(),
            mask::phone(self.customer())
        )
    }
}

/// The place of a row in the order of append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Seq(pub i64);

/// The id of one send (one part of one message), which stands in its StatusCallback URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SendId(String);

impl SendId {
    /// Takes an id as it stands in a URL.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeadLetterId(pub i64);

/// What makes two webhooks the same message, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupKey {
    /// Unique per message; holds ids only, never a number or a body.
    pub text: String,
    /// How long the key is kept.
    pub life: Duration,
}

/// Where a new row goes in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Last. Its `channel.time` is the arrival, strictly increasing in the lane.
    Arrival,
    /// Before rows still untried whose time is later; last when no time is given.
    Claimed(Option<Timestamp>),
}

/// A message to be stored.
#[derive(Clone)]
pub struct NewRow {
    /// Its queue.
    pub lane: LaneKey,
    /// What it is recognised by.
    pub key: DedupKey,
    /// Where in the queue.
    pub order: Order,
    /// When the webhook arrived.
    pub accepted: Timestamp,
    /// The message, as [`crate::message::Message::to_stored`] writes it.
    pub payload: Vec<u8>,
    /// Genesys' id, for outbound messages that can have receipts.
    pub genesys_id: Option<GenesysMessageId>,
}

/// An agent's message that is answered with a `Failed` receipt instead of a delivery.
#[derive(Clone)]
pub struct Refusal {
    /// What it is recognised by.
    pub key: DedupKey,
    /// Which message.
    pub genesys_id: GenesysMessageId,
    /// Whose conversation.
    pub customer: CustomerId,
    /// What the agent is told.
    pub reason: ReceiptReason,
    /// When the webhook arrived; the receipt is held back a little, so that it follows the webhook's answer.
    pub accepted: Timestamp,
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Stored, as the row with this number.
    Stored(Seq),
    /// The key was taken already: the message is, or was, in here.
    Duplicate,
}

/// A lane that has rows when the relay starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingLane {
    /// The lane.
    pub lane: LaneKey,
    /// Its head is not to be tried before this time.
    pub not_before: Timestamp,
}

/// The row at the head of a lane.
#[derive(Clone)]
pub struct Head {
    /// Which row.
    pub seq: Seq,
    /// When its webhook arrived; its age counts from here.
    pub accepted: Timestamp,
    /// `channel.time`, fixed at append and the same on every retry.
    pub time: Timestamp,
    /// Not to be tried before this time.
    pub not_before: Timestamp,
    /// How often it was tried without success; sets the backoff.
    pub tries: u32,
    /// Tries that count against the message: another conversation got through meanwhile.
    pub strikes: u32,
    /// The part to send next (outbound).
    pub next_part: u32,
    /// Whether a part that was sent before has failed (outbound).
    pub part_failed: bool,
    /// An attempt without a definite answer.
    pub doubt: Option<Doubt>,
    /// The sender that was configured when it was stored.
    pub sender: String,
    /// The message as stored.
    pub payload: Vec<u8>,
}

/// Why and until when a head is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deferral {
    /// Not to be tried before this time.
    pub until: Timestamp,
    /// Whether this try sets the next wait longer.
    pub tried: bool,
    /// Whether it counts against the message.
    pub strike: bool,
}

/// Why a message ended without delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadReason {
    /// A short stable word for metrics and lists: `refused`, `expired`, `unresolved`, `foreign`, `unreadable`, ...
    pub word: &'static str,
    /// One sentence, without numbers and bodies.
    pub sentence: String,
    /// What the agent is told (outbound only).
    pub receipt: Option<(ReceiptLevel, ReceiptReason)>,
    /// When.
    pub at: Timestamp,
}

/// A dead letter as it is listed: without its body, its customer masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// To name it in other commands.
    pub id: DeadLetterId,
    /// Which way it went.
    pub direction: Direction,
    /// Masked.
    pub customer: String,
    /// The stable word.
    pub reason: String,
    /// The sentence.
    pub sentence: String,
    /// When its webhook arrived.
    pub accepted: Timestamp,
    /// When it was given up.
    pub died: Timestamp,
    /// Whether its body is still kept.
    pub replayable: bool,
}

/// One dead letter, closely: what its line in the list leaves out.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetterDetail {
    /// Its line in the list.
    pub letter: DeadLetter,
    /// Its lane.
    pub lane: LaneKey,
    /// What it is recognised by; holds the platform's id of the message.
    pub key: String,
    /// The part that was not sent (outbound), from 0.
    pub next_part: u32,
    /// When an attempt was marked that has no definite answer.
    pub marked: Option<Timestamp>,
    /// Whether it is of a sender and an organisation that this relay serves.
    pub ours: bool,
    /// The message as stored, while its body is kept.
    pub payload: Option<Vec<u8>>,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LetterSelection {
    /// One.
    One(DeadLetterId),
    /// All of the lane of this one: of the same customer, in the same direction.
    LaneOf(DeadLetterId),
    /// All.
    All,
}

/// Dead letters of one direction and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterCount {
    /// Which way they went.
    pub direction: Direction,
    /// The stable word.
    pub reason: String,
    /// How many are kept.
    pub count: u64,
}

/// What became of dead letters that were to be appended again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// The lanes that got messages.
    pub lanes: Vec<LaneKey>,
    /// Messages appended.
    pub messages: u64,
    /// Messages that stay dead letters: the queue has no room for them.
    pub left: u64,
}

/// What was erased of one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forgotten {
    /// Messages that waited, and are not delivered any more.
    pub waiting: u64,
    /// Of these, sends that were under way: whether the customer gets them is with Twilio.
    pub under_way: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Receipts, told or not.
    pub receipts: u64,
    /// Whether the time of the last text was known.
    pub contact: bool,
}

/// Who a row belongs to. A row of another sender or Genesys host is foreign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The Twilio number.
    pub sender: String,
    /// The Genesys API host.
    pub genesys_host: String,
    /// The integration's name.
    pub integration_name: String,
    /// The integration's id, once known.
    pub integration_id: Option<String>,
}

/// Counts for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Messages to Genesys that wait.
    pub inbound: u64,
    /// Messages to Twilio that wait.
    pub outbound: u64,
    /// Messages to Twilio whose last send has no known answer: it is under way, or was lost and is being looked up.
    pub in_doubt: u64,
    /// Receipts that wait.
    pub receipts: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// Bytes of waiting messages.
    pub bytes: u64,
    /// Arrival of the oldest waiting message to Genesys.
    pub oldest_inbound: Option<Timestamp>,
    /// Arrival of the oldest waiting message to Twilio.
    pub oldest_outbound: Option<Timestamp>,
}

/// Why the outbox did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OutboxError {
    /// More appends wait for the disk than the queue holds.
    #[error("too many messages wait to be written")]
    Busy,
    /// The byte budget is used up.
    #[error("the outbox holds {bytes} bytes, its budget is {budget}")]
    Full {
        /// Bytes that wait.
        bytes: u64,
        /// Bytes allowed.
        budget: u64,
    },
    /// As many messages wait as may.
    #[error("{rows} messages wait in the outbox, its budget is {budget}")]
    TooMany {
        /// Messages that wait.
        rows: u64,
        /// Messages allowed.
        budget: u64,
    },
    /// The volume is (nearly) full.
    #[error("the volume has {free} bytes free, {needed} are kept for finishing what was accepted")]
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes kept.
        needed: u64,
    },
    /// The disk or the database failed; the connection is opened again.
    #[error("the store failed: {0}")]
    Store(String),
    /// The file is of a relay that knows more than this one.
    #[error(
        "{} was written by a newer relay (its schema is version {found}, this relay knows up to {known}); run that \
         relay, or point --data-dir at another directory", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i32,
        /// The newest that this relay knows.
        known: i32,
    },
    /// The outbox is shut.
    #[error("the outbox is closed")]
    Closed,
}
