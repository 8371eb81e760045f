//! What Twilio says became of a send: the same whether a callback brought it or it was asked for.

use std::time::Duration;

use messaging_bridge_clients::BlockedCause;
use messaging_bridge_clients::twilio::{self, MessageSid, MessageStatus};
use tokio::time::Instant;

use crate::admin::vitals::Vitals;
use crate::clock::Clock;
use crate::dispatch::Wake;
use crate::dispatch::callbacks::Callbacks;
use crate::dispatch::ended::Ended;
use crate::dispatch::gate::Cause;
use crate::dispatch::traffic::Traffic;
use crate::outbox::{Outbox, OutboxError, Rank, ReceiptReason, SendId, Standing, StatusReport};

/// What a status reports of a send; `None` for one that tells nothing of a delivery.
pub(crate) fn report(
    send: SendId,
    sid: MessageSid,
    status: &MessageStatus,
    code: Option<u32>,
) -> Option<StatusReport> {
    let rank = rank(status)?;
    let reason = (rank == Rank::Failed).then(|| {
        let (code, sentence) = twilio::for_agent(code);
        ReceiptReason { code, sentence }
    });
    Some(StatusReport {
        send,
        sid,
        rank,
        reason,
    })
}

/// Where reports are recorded, and who hears of them.
pub(crate) struct Recorder<'r> {
    /// The durable queue.
    pub(crate) outbox: &'r dyn Outbox,
    /// Who waits for a send.
    pub(crate) callbacks: &'r Callbacks,
    /// Tells dispatch.
    pub(crate) wake: &'r Wake,
    /// How delivery to Twilio fares.
    pub(crate) outbound: &'r Traffic,
    /// What is seen from outside.
    pub(crate) vitals: &'r Vitals,
    /// Wall-clock time.
    pub(crate) clock: &'r dyn Clock,
}

impl Recorder<'_> {
    /// Records a report, and tells whoever waits for it. `blocks` is what it says about every message.
    pub(crate) async fn record(
        &self,
        report: StatusReport,
        blocks: Option<BlockedCause>,
    ) -> Result<Option<Standing>, OutboxError> {
        let (send, sid) = (report.send.clone(), report.sid.clone());
        let standing = self.outbox.raise(report).await?;
        if let Some(standing) = &standing {
            self.follow_up((&send, &sid), standing);
            if let Some(cause) = blocks.filter(|_| standing.risen) {
                // It says nothing about the messages behind it, and they would meet the same.
                let cause = Cause::Platform(cause);
                let (now, wall) = (Instant::now(), self.clock.now());
                self.outbound.block(None, cause, now, wall);
                tracing::error!(
                    cause = cause.as_str(),
                    fix = cause.fix(),
                    "a callback says that delivery to Twilio is blocked"
                );
            }
        }
        Ok(standing)
    }

    fn follow_up(&self, (send, sid): (&SendId, &MessageSid), standing: &Standing) {
        if standing.receipt_waits {
            self.wake.receipts();
        }
        if let Some(proved) = &standing.proved {
            if proved.complete {
                let age = self.clock.now().duration_since(proved.accepted);
                let age = Duration::try_from(age).unwrap_or_default();
                let ended = Ended::proven(proved, age, sid.as_str());
                self.vitals.ended(&ended);
            }
            tracing::debug!(lane = %proved.lane, complete = proved.complete, "a callback proved a send before its answer did");
            self.wake.news(proved.lane.clone());
        }
        if let Some(lane) = self.callbacks.tell(send, standing.rank) {
            self.wake.news(lane);
        }
    }
}

fn rank(status: &MessageStatus) -> Option<Rank> {
    match status {
        MessageStatus::Accepted
        | MessageStatus::Scheduled
        | MessageStatus::Queued
        | MessageStatus::Sending => Some(Rank::Accepted),
        MessageStatus::Sent | MessageStatus::PartiallyDelivered => Some(Rank::Sent),
        MessageStatus::Delivered => Some(Rank::Delivered),
        MessageStatus::Read => Some(Rank::Read),
        MessageStatus::Undelivered | MessageStatus::Failed | MessageStatus::Canceled => {
            Some(Rank::Failed)
        }
        MessageStatus::Receiving | MessageStatus::Received | MessageStatus::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("accepted", Some(Rank::Accepted))]
    #[case("scheduled", Some(Rank::Accepted))]
    #[case("queued", Some(Rank::Accepted))]
    #[case("sending", Some(Rank::Accepted))]
    #[case("sent", Some(Rank::Sent))]
    #[case("partially_delivered", Some(Rank::Sent))]
    #[case("delivered", Some(Rank::Delivered))]
    #[case("read", Some(Rank::Read))]
    #[case("undelivered", Some(Rank::Failed))]
    #[case("failed", Some(Rank::Failed))]
    #[case("canceled", Some(Rank::Failed))]
    #[case("receiving", None)]
    #[case("received", None)]
    #[case("teleported", None)]
    fn every_state_has_its_rank(#[case] word: &str, #[case] expected: Option<Rank>) {
        assert_eq!(rank(&MessageStatus::parse(word)), expected);
        let (send, sid) = (SendId::new("s1"), MessageSid::new("SM1"));
        let told = report(send, sid, &MessageStatus::parse(word), Some(21610));
        assert_eq!(told.as_ref().map(|told| told.rank), expected);
        let reason = told.and_then(|told| told.reason);
        let (code, sentence) = twilio::for_agent(Some(21610));
        let expected = (expected == Some(Rank::Failed)).then_some(ReceiptReason { code, sentence });
        assert_eq!(
            reason, expected,
            "a failure has its reason, and nothing else has one"
        );
    }
}
