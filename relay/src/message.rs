//! The canonical message: the only type in which both platforms meet.
//!
//! Webhooks are parsed into it, the outbox stores it (with a version byte in front), and the platform calls are built
//! from it. It holds what delivery needs and nothing that only one platform knows how to read.
//!
//! A kind that is not carried yet has no variant here: a later channel or kind adds its own.

use std::collections::BTreeMap;
use std::fmt;

use messaging_bridge_clients::genesys::{GenesysMessageId, IdType};
use messaging_bridge_clients::mask;
use messaging_bridge_clients::twilio::{E164, MessageSid};
use serde::{Deserialize, Serialize};

/// The version byte in front of every stored message. Raise it when a stored form changes, and keep reading the old.
const STORED_VERSION: u8 = 1;

/// The customer as Genesys knows them: the id under which they were first seen, an E.164 number or an opaque string
/// (a short code, say). Shown masked.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(String);

impl CustomerId {
    /// Takes the id as the platform wrote it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The whole id, for platform calls and storage only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `Phone` for an E.164 number, `Opaque` for all else.
    pub fn id_type(&self) -> IdType {
        if self.0.parse::<E164>().is_ok() {
            IdType::Phone
        } else {
            IdType::Opaque
        }
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::phone(&self.0))
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::phone(&self.0))
    }
}

/// A text that a customer sent, on its way to Genesys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundText {
    /// Twilio's id of the message, which Genesys receives as `channel.messageId`.
    pub sid: MessageSid,
    /// Who sent it.
    pub customer: CustomerId,
    /// The sender of ours that it was sent to.
    pub our_number: String,
    /// The text, without control characters; never empty (`[empty message]` stands in).
    pub text: String,
    /// What Architect flows can read as participant data.
    pub attributes: BTreeMap<String, String>,
}

/// A text that an agent or a bot sent, on its way to the customer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundText {
    /// Genesys' id of the message, which receipts name; the guide's profile may leave it out.
    pub id: Option<GenesysMessageId>,
    /// Who shall get it.
    pub customer: CustomerId,
    /// The text, without control characters; never empty.
    pub text: String,
}

/// Why a reply failed, on its way to the agent as a message in the conversation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureNotice {
    /// Genesys' id of the reply.
    pub failed: GenesysMessageId,
    /// Whether it is certain.
    pub is_final: bool,
    /// Whose conversation.
    pub customer: CustomerId,
    /// What the agent reads.
    pub sentence: String,
}

/// A message as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Message {
    /// From the customer to Genesys.
    InboundText(InboundText),
    /// From Genesys to the customer.
    OutboundText(OutboundText),
    /// From the relay itself to Genesys.
    FailureNotice(FailureNotice),
}

/// Why stored bytes are not a message that this relay can read.
#[derive(Debug, thiserror::Error)]
pub enum StoredMessageError {
    /// No version byte.
    #[error("the stored message is empty")]
    Empty,
    /// Written by a newer relay.
    #[error("the stored message has version {found}, this relay reads up to {STORED_VERSION}")]
    Newer {
        /// The version byte found.
        found: u8,
    },
    /// Damaged, or not written by a relay.
    #[error("the stored message cannot be read (at byte {column})")]
    Unreadable {
        /// Where reading stopped. The text of the parser is left out: it can quote the body.
        column: usize,
    },
}

impl Message {
    /// The bytes to store: a version byte, then JSON.
    ///
    /// # Panics
    ///
    /// Never: strings and maps of strings always serialise.
    pub fn to_stored(&self) -> Vec<u8> {
        let mut bytes = vec![STORED_VERSION];
        serde_json::to_writer(&mut bytes, self)
            .expect("strings and maps of strings always serialise");
        bytes
    }

    /// Reads what [`Message::to_stored`] wrote.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, StoredMessageError> {
        match bytes {
            [] => Err(StoredMessageError::Empty),
            [STORED_VERSION, json @ ..] => {
                serde_json::from_slice(json).map_err(|error| StoredMessageError::Unreadable {
                    column: error.column(),
                })
            }
            [found, ..] => Err(StoredMessageError::Newer { found: *found }),
        }
    }
}

/// A text without control characters other than line feed and tab: neither platform shows them, and some gateways
/// refuse the whole message for one.
pub fn without_control_characters(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::*;
    use rstest::rstest;

    fn inbound() -> Message {
        Message::InboundText(InboundText {
            sid: MessageSid::new("SM00000000000000000000000000000001"),
            customer: CustomerId::new("+15557654321"),
            our_number: "+15551230000".into(),
            text: "Hello ☀".into(),
            attributes: BTreeMap::from([("twilioTo".into(), "+15551230000".into())]),
        })
    }

    #[test]
    fn what_was_stored_is_read_back_the_same() {
        assert!(Message::from_stored(&inbound().to_stored()).unwrap() == inbound());
    }

    #[test]
    fn a_customer_is_shown_masked_and_exposed_only_when_asked() {
        let customer = CustomerId::new("+15557654321");
        assert_eq!(customer.expose(), "+15557654321");
        for shown in [customer.to_string(), format!("{customer:?}")] {
            assert!(shown.starts_with("+1") && shown.ends_with("21"), "{shown}");
            assert!(!shown.contains("5557654"), "{shown}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut bytes = inbound().to_stored();
        bytes[0] = 9;
        let error = Message::from_stored(&bytes).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the stored message has version 9, this relay reads up to 1"
        );
    }

    #[test]
    fn an_unreadable_message_does_not_quote_its_body() {
        let error =
            Message::from_stored(b"\x01{\"kind\":\"inboundText\",\"text\":\"secret words\"}")
                .err()
                .unwrap();
        assert!(!error.to_string().contains("secret"));
    }

    #[rstest]
    #[case("+15551230000", IdType::Phone)]
    #[case("12345", IdType::Opaque)]
    #[case("+0123456789", IdType::Opaque)]
    #[case("ACME", IdType::Opaque)]
    #[case("", IdType::Opaque)]
    fn only_an_e164_number_is_a_phone(#[case] id: &str, #[case] expected: IdType) {
        assert_eq!(CustomerId::new(id).id_type(), expected);
    }

    #[test]
    fn a_customer_is_shown_masked() {
        let shown = format!("{0} {0:?}", CustomerId::new("+15557654321"));
        assert!(!shown.contains("5557654"), "{shown}");
    }

    #[rstest]
    #[case("a\u{0}b\u{7}c", "abc")]
    #[case("line\r\nnext\ttab", "line\nnext\ttab")]
    #[case("\u{200d}👩‍🚀", "\u{200d}👩‍🚀")]
    fn control_characters_go_and_line_feeds_stay(#[case] given: &str, #[case] expected: &str) {
        assert_eq!(without_control_characters(given), expected);
    }
}
