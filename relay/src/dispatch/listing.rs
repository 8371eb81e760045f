//! Whether a send is among the messages that Twilio lists: what is compared, and what a likeness means. Pure.
//!
//! Twilio lists late, in any order, and may redact or alter a body. A message with the same body proves the send; one
//! that may be it and has another body or none makes it unclear. Nothing is filtered by date at Twilio: `date_sent` is
//! empty while a message is queued. The sender may be missing behind a Messaging Service.

use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::twilio::{Message, MessageSid};

/// Twilio's clock and ours may differ by this much.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_mins(1);
/// A message that Twilio made so long after the last attempt began is not that attempt, unless its body is the same.
pub(super) const LONGEST_WAY: Duration = Duration::from_mins(5);

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'w> {
    /// The customer.
    pub(super) to: &'w str,
    /// Our sender.
    pub(super) from: &'w str,
    /// The text of the part.
    pub(super) body: &'w str,
    /// The texts of other sends to this customer that are in doubt as well.
    pub(super) others: &'w [String],
    /// When the first attempt that may have been done was marked.
    pub(super) first_marked: Timestamp,
    /// When the last one was.
    pub(super) last_marked: Timestamp,
}

/// How a listed message may be the send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    Redacted,
    Altered,
    Undated,
}

/// A listed message that may be the send.
#[derive(Debug, Clone)]
pub(super) struct Suspect {
    /// Its SID.
    pub(super) sid: MessageSid,
    /// When Twilio made it.
    pub(super) created: Option<Timestamp>,
    likeness: Likeness,
}

/// What a complete listing says, once the messages that other sends have taken are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// These have the same body; oldest first.
    Found(Vec<MessageSid>),
    /// Something may be it.
    Unclear(&'static str),
    /// Nothing may be it.
    Absent,
}

/// The listed messages that may be the send.
pub(super) fn suspects(listed: &[Message], wanted: &Wanted<'_>) -> Vec<Suspect> {
    let mut suspects: Vec<Suspect> = listed
        .iter()
        .filter_map(|message| {
            Some(Suspect {
                sid: message.sid.clone(),
                created: message.date_created,
                likeness: likeness(message, wanted)?,
            })
        })
        .collect();
    suspects.sort_by_key(|suspect| suspect.created);
    suspects
}

/// What the suspects that no other send has taken come to.
pub(super) fn finding(free: &[Suspect]) -> Finding {
    let same: Vec<MessageSid> = free
        .iter()
        .filter(|suspect| suspect.likeness == Likeness::Same)
        .map(|suspect| suspect.sid.clone())
        .collect();
    if !same.is_empty() {
        return Finding::Found(same);
    }
    match free.first().map(|suspect| suspect.likeness) {
        None | Some(Likeness::Same) => Finding::Absent,
        Some(Likeness::Redacted) => Finding::Unclear("a listed message without a body may be it"),
        Some(Likeness::Altered) => Finding::Unclear("a listed message with another body may be it"),
        Some(Likeness::Undated) => Finding::Unclear("a listed message without a date may be it"),
    }
}

fn likeness(message: &Message, wanted: &Wanted<'_>) -> Option<Likeness> {
    let is = |given: &str, wanted: &str| given.is_empty() || given == wanted;
    let ours = is(&message.direction, "outbound-api")
        && is(&message.to, wanted.to)
        && is(message.from.as_deref().unwrap_or_default(), wanted.from);
    let body = normalised(message.body.as_deref().unwrap_or_default());
    let same = is_same(&body, wanted.body);
    if !ours {
        return None;
    }
    let Some(created) = message.date_created else {
        return (same || body.is_empty()).then_some(Likeness::Undated);
    };
    if created < wanted.first_marked - CLOCKS_DIFFER {
        None
    } else if same {
        Some(Likeness::Same)
    } else if wanted.others.iter().any(|other| is_same(&body, other)) {
        // It is that one, not an altered copy of this one.
        None
    } else if created > wanted.last_marked + LONGEST_WAY {
        None
    } else if body.is_empty() {
        Some(Likeness::Redacted)
    } else {
        Some(Likeness::Altered)
    }
}

/// Whether two texts are the same message.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    normalised(one) == normalised(other)
}

/// A body as it is compared: the kind and the number of blanks and line ends may change on the way.
fn normalised(body: &str) -> String {
    body.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    const TO: &str = "+15557654321";
    const FROM: &str = "+15551230000";

    /// What Twilio lists of the send itself, with changes.
    fn listed(sid: &str, changes: &Value) -> Message {
        let mut message = json!({
            "sid": sid, "direction": "outbound-api", "to": TO, "from": FROM, "body": "hello there",
            "date_created": "Thu, 01 Jan 2026 00:00:10 +0000", "date_sent": null, "status": "queued",
        });
        for (name, value) in changes.as_object().unwrap() {
            message[name] = value.clone();
        }
        serde_json::from_value(message).unwrap()
    }

    /// Marked first at midnight and last a minute and a half later.
    fn wanted() -> Wanted<'static> {
        Wanted {
            to: TO,
            from: FROM,
            body: "hello there",
            others: &[],
            first_marked: "2026-01-01T00:00:00Z".parse().unwrap(),
            last_marked: "2026-01-01T00:01:30Z".parse().unwrap(),
        }
    }

    fn judged(listed: &[Message]) -> Finding {
        finding(&suspects(listed, &wanted()))
    }

    #[rstest]
    #[case("as it was sent, not yet left", json!({}))]
    #[case("with other line ends and blanks", json!({"body": " hello\r\n there "}))]
    #[case("behind a Messaging Service that names no sender", json!({"from": null, "messaging_service_sid": "MG1"}))]
    #[case("a little before the mark: clocks differ", json!({"date_created": "Wed, 31 Dec 2025 23:59:01 +0000"}))]
    #[case("as long before the mark as clocks differ", json!({"date_created": "Wed, 31 Dec 2025 23:59:00 +0000"}))]
    #[case("long after the last mark", json!({"date_created": "Thu, 01 Jan 2026 02:00:00 +0000"}))]
    fn the_same_body_to_the_same_customer_since_the_first_mark_is_the_send(
        #[case] case: &str,
        #[case] changes: Value,
    ) {
        let found = Finding::Found(vec![MessageSid::new("SM1")]);
        assert_eq!(judged(&[listed("SM1", &changes)]), found, "{case}");
    }

    #[rstest]
    #[case("the customer's own", json!({"direction": "inbound"}))]
    #[case("an automatic answer", json!({"direction": "outbound-reply"}))]
    #[case("to somebody else", json!({"to": "+15550000000"}))]
    #[case("from another sender", json!({"from": "+15559999999"}))]
    #[case("long before the mark", json!({"date_created": "Wed, 31 Dec 2025 23:58:00 +0000"}))]
    #[case("another body, long after", json!({"body": "bye", "date_created": "Thu, 01 Jan 2026 00:07:00 +0000"}))]
    #[case("redacted, long after", json!({"body": "", "date_created": "Thu, 01 Jan 2026 00:07:00 +0000"}))]
    #[case("redacted, long before", json!({"body": "", "date_created": "Wed, 31 Dec 2025 23:58:00 +0000"}))]
    #[case("another body without a date", json!({"body": "bye", "date_created": null}))]
    fn what_cannot_be_the_send_is_not_taken_for_it(#[case] case: &str, #[case] changes: Value) {
        assert_eq!(
            judged(&[listed("SM1", &changes)]),
            Finding::Absent,
            "{case}"
        );
    }

    #[rstest]
    #[case("redacted", json!({"body": ""}), "without a body")]
    #[case("redacted to nothing", json!({"body": null}), "without a body")]
    #[case("altered", json!({"body": "Trial account: hello there"}), "another body")]
    #[case("altered, at the end of the longest way", json!({"body": "bye", "date_created": "Thu, 01 Jan 2026 00:06:30 +0000"}), "another body")]
    #[case("undated", json!({"date_created": null}), "without a date")]
    fn what_may_be_the_send_leaves_it_unclear(
        #[case] case: &str,
        #[case] changes: Value,
        #[case] why: &str,
    ) {
        match judged(&[listed("SM1", &changes)]) {
            Finding::Unclear(sentence) => assert!(sentence.contains(why), "{case}: {sentence}"),
            other => panic!("{case}: {other:?}"),
        }
    }

    #[test]
    fn a_message_that_is_another_send_in_doubt_is_no_altered_copy_of_this_one() {
        let others = ["something else".to_owned(), "and more".to_owned()];
        let wanted = Wanted {
            others: &others,
            ..wanted()
        };
        let other = listed("SM1", &json!({"body": "something  else"}));
        assert_eq!(finding(&suspects(&[other], &wanted)), Finding::Absent);
        let neither = listed("SM1", &json!({"body": "altered"}));
        let found = finding(&suspects(&[neither], &wanted));
        assert!(matches!(found, Finding::Unclear(_)), "{found:?}");
    }

    #[test]
    fn one_with_the_same_body_counts_more_than_one_that_may_be_it() {
        let other = listed("SM1", &json!({"body": ""}));
        let same = listed("SM2", &json!({}));
        assert_eq!(
            judged(&[other, same]),
            Finding::Found(vec![MessageSid::new("SM2")])
        );
    }

    #[test]
    fn several_with_the_same_body_are_named_in_the_order_in_which_they_were_made() {
        let later = json!({"date_created": "Thu, 01 Jan 2026 00:01:40 +0000"});
        let found = judged(&[listed("SM2", &later), listed("SM1", &json!({}))]);
        let in_order = ["SM1", "SM2"].map(MessageSid::new);
        assert_eq!(found, Finding::Found(in_order.to_vec()));
    }
}
