//! `POST /twilio/status/{send}`: what became of a send.
//!
//! Checked by signature and account only: its `To` is the customer. An unknown send is answered 200 and counted, since
//! Twilio has nothing better to do with it. Raising a rank is idempotent, so no key is needed.

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use messaging_bridge_clients::twilio::{self, MessageStatus, StatusCallback, parse_status};

use super::twilio_request::{self, Refused};
use super::{Intake, answer, committed};
use crate::admin::vitals::{Hook, Verdict};
use crate::outbox::{OutboxError, Rank, ReceiptReason, SendId, Standing, StatusReport};

/// Verifies, records and answers.
pub(super) async fn receive(
    State(intake): State<Arc<Intake>>,
    OriginalUri(uri): OriginalUri,
    Path(send): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (verdict, response) = take(&intake, &uri, SendId::new(send), &headers, &body).await;
    intake.vitals.webhook(Hook::TwilioStatus, verdict);
    response
}

async fn take(
    intake: &Arc<Intake>,
    uri: &Uri,
    send: SendId,
    headers: &HeaderMap,
    body: &[u8],
) -> (Verdict, Response) {
    let form = match twilio_request::verified_form(intake, uri, headers, body) {
        Ok(form) => form,
        Err(refused) => return refused.answer(),
    };
    let Ok(callback) = parse_status(&form) else {
        return Refused::Malformed.answer();
    };
    if callback.account_sid != intake.secrets_now().account {
        return Refused::Misrouted.answer();
    }
    let Some(report) = report(send, callback) else {
        return (Verdict::Ignored, answer::twiml());
    };
    let sid = report.sid.clone();
    let recorded = committed({
        let intake = Arc::clone(intake);
        async move { record(&intake, report).await }
    });
    match recorded.await {
        Ok(Some(standing)) => {
            tracing::debug!(%sid, rank = ?standing.rank, "a send's status was recorded");
            (Verdict::Accepted, answer::twiml())
        }
        Ok(None) => (Verdict::Unknown, answer::twiml()),
        Err(error) => answer::not_stored(&error),
    }
}

/// Records a report, and tells whoever waits for it.
async fn record(intake: &Intake, report: StatusReport) -> Result<Option<Standing>, OutboxError> {
    let send = report.send.clone();
    let standing = intake.outbox.raise(report).await?;
    if let Some(standing) = standing {
        intake.callbacks.tell(&send, standing.rank);
        if standing.receipt_waits {
            intake.wake.receipts();
        }
    }
    Ok(standing)
}

/// What a callback reports; `None` for a status that tells nothing of a delivery.
fn report(send: SendId, callback: StatusCallback) -> Option<StatusReport> {
    let rank = rank(&callback.status)?;
    let reason = (rank == Rank::Failed).then(|| {
        let (code, sentence) = twilio::for_agent(callback.error_code);
        ReceiptReason { code, sentence }
    });
    Some(StatusReport {
        send,
        sid: callback.message_sid,
        rank,
        reason,
    })
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
    }
}
