//! Receipts: what became of an agent's message, told to Genesys Cloud (`OpenInboundNormalizedReceipt`).

use std::fmt;

use jiff::Timestamp;

use super::ids::GenesysMessageId;
use super::message::Customer;

/// The states that the receipt endpoint accepts. It has no `Read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptStatus {
    /// Handed to the carrier.
    Sent,
    /// On the customer's phone, as far as the carrier can tell.
    Delivered,
    /// Will not arrive.
    Failed,
    /// Visible on a public channel.
    Published,
    /// Removed from a public channel.
    Removed,
}

impl ReceiptStatus {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "Sent",
            Self::Delivered => "Delivered",
            Self::Failed => "Failed",
            Self::Published => "Published",
            Self::Removed => "Removed",
        }
    }
}

macro_rules! reason_codes {
    ($($name:ident => $doc:literal,)+) => {
        /// Why a message failed, in Genesys' words (`ConversationReason` of its SDK).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ReasonCode {
            $(#[doc = $doc] $name,)+
        }

        impl ReasonCode {
            /// Every reason code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The value on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reason_codes! {
    MessageExpired => "It waited too long.",
    RateLimited => "A limit was reached.",
    MessageNotAllowed => "Policy forbids it.",
    GeneralError => "Nothing more precise is known.",
    UnsupportedMessage => "The channel cannot carry this kind of message.",
    UnknownMessage => "The message is not known.",
    InvalidMessageStructure => "The message is malformed, for instance too long.",
    InvalidDestination => "The customer cannot be reached at this address.",
    ServerError => "A platform failed.",
    MediaTypeNotAllowed => "The type of an attachment is not allowed.",
    InvalidMediaContentLength => "An attachment is too large or empty.",
    RecipientOptedOut => "The customer does not want messages.",
    DataFiltered => "A carrier or platform filtered it as unwanted.",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of one agent's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The `id` of the outbound webhook.
    pub message_id: GenesysMessageId,
    /// The customer it was for.
    pub customer: Customer,
    /// When the state was reached.
    pub time: Timestamp,
    /// The state.
    pub status: ReceiptStatus,
    /// Why, and the sentence for the agent; sent only with [`ReceiptStatus::Failed`].
    pub reason: Option<(ReasonCode, String)>,
    /// No further receipt will follow.
    pub is_final: bool,
}

/// What Genesys said to a receipt. HTTP succeeded either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptAnswer {
    /// It was taken.
    Accepted,
    /// The body of the 2xx says `status: Failed`, or the wire profile has no receipts.
    Refused {
        /// Genesys' words, numbers masked.
        reason: String,
    },
}
