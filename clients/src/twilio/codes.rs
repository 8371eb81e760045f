//! Twilio's error codes: what each means for the call, for Genesys, and in a sentence for the agent.
//!
//! One table, sorted by code. Meanings are those of Twilio's error dictionary; only the codes that say nothing about
//! the message are `Blocked`, a closed list. A daily cap is permanent: it lasts longer than any message may wait.

use crate::error::BlockedCause::{
    self, AccountSuspended, Credentials, NoUsableSender, SenderRejected,
};
use crate::genesys::ReasonCode;

/// What a code says about a call that Twilio refused with it. Told by a callback, the message has failed either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// This message can never succeed as it is.
    Permanent,
    /// It may succeed later.
    Transient,
    /// Twilio or a carrier asks for patience.
    Throttled,
    /// It may have been sent.
    Ambiguous,
    /// It says nothing about the message.
    Blocked(BlockedCause),
}

use CodeKind::{Ambiguous, Blocked, Permanent, Throttled, Transient};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeEntry {
    /// Twilio's code.
    pub code: u32,
    /// What it means for the call.
    pub kind: CodeKind,
    /// What Genesys is told.
    pub reason: ReasonCode,
    /// What the agent reads.
    pub sentence: &'static str,
}

/// The whole table, sorted by code.
pub fn all() -> &'static [CodeEntry] {
    TABLE
}

/// The row of a code, if the table has one.
pub fn lookup(code: u32) -> Option<&'static CodeEntry> {
    TABLE
        .binary_search_by_key(&code, |entry| entry.code)
        .ok()
        .map(|index| &TABLE[index])
}

/// What a code says about every message, if it does: the closed list of what blocks.
pub fn blocking_cause(code: Option<u32>) -> Option<BlockedCause> {
    match lookup(code?)?.kind {
        Blocked(cause) => Some(cause),
        _ => None,
    }
}

/// Reason and sentence for an agent's `Failed` receipt.
pub fn for_agent(code: Option<u32>) -> (ReasonCode, String) {
    match code.map(|code| (code, lookup(code))) {
        Some((code, Some(entry))) => (entry.reason, format!("{} (Twilio {code})", entry.sentence)),
        Some((code, None)) => (
            ReasonCode::GeneralError,
            format!("The message was not delivered. (Twilio {code})"),
        ),
        None => (
            ReasonCode::GeneralError,
            "The message was not delivered; no reason was given.".to_owned(),
        ),
    }
}

macro_rules! table {
    ($($code:literal => $kind:expr, $reason:ident, $sentence:literal;)+) => {
        static TABLE: &[CodeEntry] = &[$(CodeEntry {
            code: $code,
            kind: $kind,
            reason: ReasonCode::$reason,
            sentence: $sentence,
        },)+];
    };
}

table! {
    14107 => Throttled, RateLimited, "Too many automatic replies went to this customer within seconds.";
    20003 => Blocked(Credentials), GeneralError,
        "Twilio refused the credentials of the bridge; please tell your administrator.";
    20404 => Permanent, GeneralError,
        "Twilio does not know the account or sender of the bridge; please tell your administrator.";
    20429 => Throttled, RateLimited, "Twilio was busy and did not take the message in time.";
    20500 => Ambiguous, ServerError, "Twilio had an internal error; the message may or may not have been sent.";
    20503 => Ambiguous, ServerError, "Twilio was unavailable; the message may or may not have been sent.";
    21211 => Permanent, InvalidDestination, "The customer's number is not valid.";
    21212 => Blocked(SenderRejected), GeneralError,
        "Twilio does not accept our number as a sender; please tell your administrator.";
    21219 => Permanent, MessageNotAllowed,
        "The Twilio account is on trial and may only write to numbers it has verified.";
    21408 => Permanent, MessageNotAllowed,
        "The Twilio account may not send to the customer's country; your administrator can allow it.";
    21606 => Permanent, InvalidDestination, "Our number cannot send messages to the customer's country or network.";
    21608 => Permanent, MessageNotAllowed,
        "The Twilio account is on trial and may only write to numbers it has verified.";
    21610 => Permanent, RecipientOptedOut, "The customer has opted out of messages (replied STOP).";
    21611 => Throttled, RateLimited, "Too many messages are waiting to be sent from our number.";
    21612 => Permanent, InvalidDestination, "The customer's number cannot be reached by text from our number.";
    21614 => Permanent, InvalidDestination, "The customer's number is not a mobile number.";
    21617 => Permanent, InvalidMessageStructure, "The message is too long.";
    21620 => Permanent, InvalidMessageStructure, "The address of the attachment is not valid.";
    21623 => Permanent, InvalidMessageStructure, "The message has too many attachments.";
    21654 => Permanent, InvalidMessageStructure, "The message template does not exist.";
    21655 => Permanent, InvalidMessageStructure, "The message template is not valid.";
    21656 => Permanent, InvalidMessageStructure, "The values for the message template are not valid.";
    21703 => Blocked(NoUsableSender), GeneralError,
        "The Messaging Service has no sender that can be used; please tell your administrator.";
    21704 => Permanent, GeneralError, "The Messaging Service has no sender; please tell your administrator.";
    21705 => Permanent, GeneralError, "The Messaging Service is not valid; please tell your administrator.";
    30001 => Throttled, RateLimited, "Too many messages were waiting to be sent from our number.";
    30002 => Blocked(AccountSuspended), GeneralError,
        "The Twilio account is suspended; please tell your administrator.";
    30003 => Transient, InvalidDestination,
        "The customer's phone could not be reached: switched off, out of coverage or roaming.";
    30004 => Permanent, RecipientOptedOut,
        "The customer's number blocks messages, for instance after STOP or on a do-not-disturb list.";
    30005 => Permanent, InvalidDestination, "The customer's number is unknown or no longer in use.";
    30006 => Permanent, InvalidDestination,
        "The customer's number is a landline or its network cannot be reached by text.";
    30007 => Permanent, DataFiltered, "The carrier filtered the message as unwanted; other words may help.";
    30008 => Transient, GeneralError, "The carrier did not deliver the message and gave no reason.";
    30019 => Permanent, InvalidMediaContentLength, "The attachment is too large for the customer's carrier.";
    30022 => Throttled, RateLimited, "Our number has reached the carrier's sending rate.";
    30023 => Permanent, RateLimited, "We have reached the carrier's limit for today; please try again tomorrow.";
    30027 => Permanent, RateLimited,
        "We have reached the limit of the customer's carrier for today; please try again tomorrow.";
    30032 => Permanent, MessageNotAllowed,
        "Our toll-free number is not verified for messages; please tell your administrator.";
    30034 => Permanent, MessageNotAllowed,
        "Our number is not registered for business messages in the US; please tell your administrator.";
    30036 => Permanent, MessageExpired, "The message could not be sent in time and was dropped.";
    30410 => Ambiguous, ServerError, "The carrier did not answer; the message may or may not have arrived.";
    30450 => Permanent, DataFiltered, "Twilio's fraud protection blocked the message.";
    63003 => Permanent, InvalidDestination, "The customer cannot be found on this channel.";
    63007 => Permanent, GeneralError, "Our number is not set up for this channel; please tell your administrator.";
    63010 => Transient, ServerError, "Twilio had an internal error with this channel.";
    63012 => Transient, ServerError, "The channel's provider had an internal error.";
    63013 => Permanent, MessageNotAllowed, "The message violates the channel's policy.";
    63015 => Permanent, MessageNotAllowed, "The customer has not joined the WhatsApp test number.";
    63016 => Permanent, MessageNotAllowed,
        "The customer last wrote more than a day ago; WhatsApp then takes approved templates only.";
    63017 => Throttled, RateLimited, "The account has reached its sending rate on this channel.";
    63018 => Throttled, RateLimited, "Our number has reached its sending rate on this channel.";
    63019 => Permanent, MediaTypeNotAllowed, "The attachment could not be fetched.";
    63021 => Permanent, MediaTypeNotAllowed, "The channel does not take this kind of content.";
    63024 => Permanent, InvalidDestination, "The customer's address is not valid on this channel.";
    63032 => Permanent, MessageNotAllowed, "WhatsApp does not deliver this message to the customer (an experiment of Meta).";
    63033 => Permanent, RecipientOptedOut, "The customer has blocked us on this channel.";
    63034 => Permanent, InvalidMediaContentLength, "The attachment is too large for this channel.";
    63038 => Permanent, RateLimited, "The account has reached its limit for today; please try again tomorrow.";
    63040 => Permanent, MessageNotAllowed, "The message template was rejected; please tell your administrator.";
    63041 => Permanent, MessageNotAllowed, "The message template is paused; please tell your administrator.";
    63042 => Permanent, MessageNotAllowed, "The message template is disabled; please tell your administrator.";
    63051 => Permanent, GeneralError, "Our WhatsApp business account is locked; please tell your administrator.";
}
