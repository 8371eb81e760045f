//! Settles a send of which nobody can say whether it was done: an answer that was lost, or a crash behind the mark.
//!
//! First its own callback is waited for: the send's id stands in the URL, so a callback proves that it was sent. Then
//! Twilio's list is read once. A message in it that no other send has taken, to the same customer, with the same body
//! and not older than the mark (less a minute for clocks that differ) is this one. Otherwise the send is *unresolved*:
//! the agent is told, and it is never sent again.

use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::ErrorKind;
use messaging_bridge_clients::twilio::{Message, MessageFilter, MessageSid};

use super::decide::{self, Circumstances};
use super::direction::Run;
use super::lanes::Rest;
use super::outbound::{OutboundWorker, Work};
use super::retry;
use crate::outbox::{Direction, Rank, SendId};

/// How long after the mark a callback (and the listing of the message) is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Twilio's clock and ours may differ by this much.
const CLOCKS_DIFFER: Duration = Duration::from_mins(1);

/// A send in doubt.
pub(super) struct Doubt {
    pub(super) send: SendId,
    pub(super) marked: Timestamp,
}

impl OutboundWorker {
    /// Finds out what became of a send, and ends its part accordingly.
    pub(super) async fn settle(&self, work: &Work<'_>, doubt: Doubt) -> Run {
        let context = &self.context;
        context.vitals.ambiguous();
        let patience = PATIENCE.saturating_sub(context.age(doubt.marked).min(PATIENCE));
        let mut ear = context.callbacks.listen(&doubt.send);
        match context.outbox.send_state(&doubt.send).await {
            // The callback completed the part (or the message) when it came.
            Ok(Some(state)) if state.rank > Rank::Pending => return self.proven(work),
            Ok(_) => {}
            Err(error) => return super::context::rest_after_store_error(&error).into(),
        }
        let Some(heard) = context
            .unless_stopping(ear.at_least(Rank::Accepted, patience))
            .await
        else {
            // The mark stays: it is settled at the next start.
            return Rest::Empty.into();
        };
        if heard > Rank::Pending {
            return self.proven(work);
        }
        drop(ear);
        self.look_up(work, doubt).await
    }

    fn proven(&self, work: &Work<'_>) -> Run {
        self.traffic.ended(work.head.seq);
        tracing::info!(lane = %work.lane, "a callback proved that a send without an answer was done");
        Rest::More.into()
    }

    async fn look_up(&self, work: &Work<'_>, doubt: Doubt) -> Run {
        let context = &self.context;
        let filter = MessageFilter {
            to: Some(work.text.customer.expose().to_owned()),
            from: Some(work.head.sender.clone()),
            ..MessageFilter::default()
        };
        let listed = match context.twilio.list_messages(&filter).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, lane = %work.lane, "a send without an answer could not be looked up yet");
                return self.look_up_later(work, &error.kind).await;
            }
        };
        let candidates = candidates(&listed.messages, work.body, doubt.marked);
        let taken = match context.outbox.adopted(candidates.clone()).await {
            Ok(taken) => taken,
            Err(error) => return super::context::rest_after_store_error(&error).into(),
        };
        let mut free = candidates.into_iter().filter(|sid| !taken.contains(sid));
        match (free.next(), free.next()) {
            (Some(sid), None) => {
                self.traffic.ended(work.head.seq);
                self.sent(work, &doubt.send, sid).await
            }
            (None, _) => {
                self.unresolved(
                    work,
                    "its answer was lost and Twilio's list does not show it",
                )
                .await
            }
            (Some(_), Some(_)) => {
                self.unresolved(
                    work,
                    "its answer was lost and several listed messages match",
                )
                .await
            }
        }
    }

    async fn look_up_later(&self, work: &Work<'_>, kind: &ErrorKind) -> Run {
        let context = &self.context;
        let age = context.age(work.head.accepted);
        let circumstances = Circumstances::of(work.head, Direction::Outbound, age);
        if decide::expired(&circumstances).is_some() {
            return self
                .unresolved(
                    work,
                    "its answer was lost and Twilio's list could not be read",
                )
                .await;
        }
        if let ErrorKind::Blocked(cause) = kind {
            return self.block(None, *cause).into();
        }
        let wait = match kind {
            ErrorKind::Throttled { retry_after } => retry::throttled(*retry_after),
            _ => retry::after(work.head.tries, context.chance.fraction()),
        };
        context
            .put_back(work.head, work.lane, wait, false, kind.as_str())
            .await
            .into()
    }

    async fn unresolved(&self, work: &Work<'_>, why: &str) -> Run {
        self.bury(work.lane, work.head, decide::unresolved(why))
            .await
            .into()
    }
}

/// The listed messages that could be this send.
fn candidates(listed: &[Message], body: &str, marked: Timestamp) -> Vec<MessageSid> {
    let oldest = marked - CLOCKS_DIFFER;
    listed
        .iter()
        .filter(|message| message.direction == "outbound-api")
        .filter(|message| {
            message
                .date_created
                .is_some_and(|created| created >= oldest)
        })
        .filter(|message| {
            message
                .body
                .as_deref()
                .is_some_and(|listed| normalised(listed) == normalised(body))
        })
        .map(|message| message.sid.clone())
        .collect()
}

/// A body as it is compared: white space at the ends and the kind of line ends may change on the way.
fn normalised(body: &str) -> String {
    body.trim().replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::*;
    use rstest::rstest;

    fn listed(direction: &str, created: &str, body: &str) -> Message {
        serde_json::from_value(serde_json::json!({
            "sid": "SM1", "direction": direction, "date_created": created, "body": body, "to": "+1", "from": "+2",
        }))
        .unwrap()
    }

    #[rstest]
    #[case(
        "this one",
        listed("outbound-api", "Thu, 01 Jan 2026 00:00:10 +0000", "hello"),
        true
    )]
    #[case(
        "with other line ends",
        listed("outbound-api", "Thu, 01 Jan 2026 00:00:10 +0000", "hello \r\n"),
        true
    )]
    #[case(
        "a little before the mark",
        listed("outbound-api", "Wed, 31 Dec 2025 23:59:01 +0000", "hello"),
        true
    )]
    #[case(
        "long before the mark",
        listed("outbound-api", "Wed, 31 Dec 2025 23:58:00 +0000", "hello"),
        false
    )]
    #[case(
        "another body",
        listed("outbound-api", "Thu, 01 Jan 2026 00:00:10 +0000", "bye"),
        false
    )]
    #[case(
        "the customer's own",
        listed("inbound", "Thu, 01 Jan 2026 00:00:10 +0000", "hello"),
        false
    )]
    #[case(
        "redacted",
        listed("outbound-api", "Thu, 01 Jan 2026 00:00:10 +0000", ""),
        false
    )]
    fn a_listed_message_is_a_candidate(
        #[case] case: &str,
        #[case] message: Message,
        #[case] expected: bool,
    ) {
        let marked: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            !candidates(&[message], "hello", marked).is_empty(),
            expected,
            "{case}"
        );
    }
}
