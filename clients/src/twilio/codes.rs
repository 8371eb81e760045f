//! Twilio's error codes: what each means for the call, for Genesys, and in a sentence for the agent.

use crate::error::BlockedCause;
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

/// The row of a code, if the table has one.
pub fn lookup(code: u32) -> Option<&'static CodeEntry> {
    TABLE
        .binary_search_by_key(&code, |entry| entry.code)
        .ok()
        .map(|index| &TABLE[index])
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

static TABLE: [CodeEntry; 0] = [];
