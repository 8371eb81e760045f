//! Twilio's ids, and the number type that cannot be printed by accident.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::mask;

/// `AC` and 32 hexadecimal digits: the account in the path of every call and in every webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountSid(String);

/// `SM` or `MM` and 32 hexadecimal digits: one message, in or out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageSid(String);

/// `MG` and 32 hexadecimal digits: a Messaging Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessagingServiceSid(String);

macro_rules! opaque_sid {
    ($name:ident) => {
        impl $name {
            /// Takes the SID as Twilio wrote it.
            pub fn new(sid: impl Into<String>) -> Self {
                Self(sid.into())
            }

            /// The SID as Twilio wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_sid!(AccountSid);
opaque_sid!(MessageSid);
opaque_sid!(MessagingServiceSid);

/// A phone number: a plus and 7 to 15 digits, the first not zero. `Debug` and `Display` mask it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct E164(String);

/// A string that is not an E.164 number. It does not repeat the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an E.164 number: a plus and 7 to 15 digits are needed, like +15551230000")]
pub struct NotE164;

impl E164 {
    /// The full number, for calls and comparisons; never for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for E164 {
    type Err = NotE164;

    fn from_str(text: &str) -> Result<Self, NotE164> {
        let digits = text.strip_prefix('+').ok_or(NotE164)?;
        let valid = (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        valid.then(|| Self(text.to_owned())).ok_or(NotE164)
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::phone(&self.0))
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164({self})")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::north_american("+15551230000", true)]
    #[case::shortest("+1234567", true)]
    #[case::longest("+123456789012345", true)]
    #[case::no_plus("15551230000", false)]
    #[case::too_short("+123456", false)]
    #[case::too_long("+1234567890123456", false)]
    #[case::leading_zero("+05551230000", false)]
    #[case::spaces("+1 555 123 0000", false)]
    #[case::whatsapp("whatsapp:+15551230000", false)]
    #[case::other_digits("+１５５５１２３００００", false)]
    #[case::empty("", false)]
    fn only_a_plus_and_digits_are_a_number(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<E164>().is_ok(), valid);
    }

    #[test]
    fn a_number_is_shown_masked_and_exposed_only_by_name() {
        let number: E164 = "+15551230000".parse().unwrap();
        assert_eq!(number.to_string(), "+1•••••••00");
        assert_eq!(format!("{number:?}"), "E164(+1•••••••00)");
        assert_eq!(number.expose(), "+15551230000");
    }
}
