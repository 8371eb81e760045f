//! Identifiers in the shapes of both platforms.
//!
//! They are random and never seeded: a sandbox that is started again must not hand out an id that a bridge's
//! de-duplication store still remembers.

use uuid::Uuid;

/// A Twilio SID: two letters and 32 lower-case hexadecimal digits.
pub(crate) fn sid(prefix: &str) -> String {
    format!("{prefix}{}", hex32())
}

/// The id of a Genesys message: 32 lower-case hexadecimal digits.
pub(crate) fn hex32() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The id of every other Genesys entity: a hyphenated UUID.
pub(crate) fn uuid() -> String {
    Uuid::new_v4().to_string()
}
