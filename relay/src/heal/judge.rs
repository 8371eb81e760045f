//! Which listed messages are ours, and what they are. Pure.

use jiff::Timestamp;
use messaging_bridge_clients::twilio::Message;

/// What a listed message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another direction or number, or still arriving.
    NotOurs,
    /// Ours, but its date cannot be read.
    Undated,
    /// A customer's message to our number.
    Ours {
        /// When Twilio took it, in whole seconds.
        created: Timestamp,
        /// Neither text nor attachment is left.
        empty: bool,
    },
}

/// Judges a listed message. Whether a Messaging Service carried it does not matter: its `to` is the number all the same.
pub(super) fn judge(message: &Message, number: &str) -> Kind {
    let from_a_customer = message.from.as_deref().is_some_and(|from| !from.is_empty());
    let arrived = message.status != "receiving";
    if message.direction != "inbound" || message.to != number || !from_a_customer || !arrived {
        return Kind::NotOurs;
    }
    let Some(created) = message.date_created else {
        return Kind::Undated;
    };
    let without_text = message.body.as_deref().unwrap_or_default().is_empty();
    Kind::Ours {
        created,
        empty: without_text && message.num_media.unwrap_or(0) == 0,
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const CREATED: &str = "Thu, 01 Jan 2026 00:00:10 +0000";

    fn judged(changes: Value) -> Kind {
        let mut message = json!({
            "sid": "SM1", "direction": "inbound", "status": "received", "from": "+15557654321", "to": "+15551230000",
            "body": "hello", "num_media": "0", "date_created": CREATED,
        });
        let Value::Object(changes) = changes else {
            panic!("changes are an object");
        };
        message.as_object_mut().unwrap().extend(changes);
        judge(&serde_json::from_value(message).unwrap(), "+15551230000")
    }

    fn ours(empty: bool) -> Kind {
        let created = "2026-01-01T00:00:10Z".parse().unwrap();
        Kind::Ours { created, empty }
    }

    #[rstest]
    #[case::a_text(json!({}), ours(false))]
    #[case::through_a_service(json!({"messaging_service_sid": "MG1"}), ours(false))]
    #[case::from_a_short_code(json!({"from": "72345"}), ours(false))]
    #[case::a_photo_alone(json!({"body": "", "num_media": "1"}), ours(false))]
    #[case::redacted(json!({"body": ""}), ours(true))]
    #[case::redacted_to_nothing(json!({"body": null, "num_media": null}), ours(true))]
    #[case::to_another_number(json!({"to": "+15551230001"}), Kind::NotOurs)]
    #[case::an_agents(json!({"direction": "outbound-api"}), Kind::NotOurs)]
    #[case::twilios_own_answer(json!({"direction": "outbound-reply"}), Kind::NotOurs)]
    #[case::from_nobody(json!({"from": null}), Kind::NotOurs)]
    #[case::still_arriving(json!({"status": "receiving"}), Kind::NotOurs)]
    #[case::without_a_date(json!({"date_created": "yesterday"}), Kind::Undated)]
    fn a_listed_message_is_judged(#[case] changes: Value, #[case] expected: Kind) {
        assert_eq!(judged(changes), expected);
    }
}
