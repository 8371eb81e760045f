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
use super::{Intake, answer};
use crate::admin::vitals::{Hook, Verdict};
use crate::outbox::{Rank, ReceiptReason, SendId, StatusReport};

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
    intake: &Intake,
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
    let (send, sid) = (report.send.clone(), report.sid.clone());
    match intake.committed(intake.outbox.raise(report)).await {
        Ok(Some(standing)) => {
            tracing::debug!(%sid, rank = ?standing.rank, "a send's status was recorded");
            intake.callbacks.tell(&send, standing.rank);
            if standing.receipt_waits {
                intake.wake.receipts();
            }
            (Verdict::Accepted, answer::twiml())
        }
        Ok(None) => (Verdict::Unknown, answer::twiml()),
        Err(error) => answer::not_stored(&error),
    }
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
        MessageStatus::Sent => Some(Rank::Sent),
        MessageStatus::Delivered | MessageStatus::PartiallyDelivered => Some(Rank::Delivered),
        MessageStatus::Read => Some(Rank::Read),
        MessageStatus::Undelivered | MessageStatus::Failed | MessageStatus::Canceled => {
            Some(Rank::Failed)
        }
        MessageStatus::Receiving | MessageStatus::Received | MessageStatus::Unknown(_) => None,
    }
}
