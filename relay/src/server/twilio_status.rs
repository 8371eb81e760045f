//! `POST /twilio/status/{send}`: what became of a send.
//!
//! Checked by signature and account only: its `To` is the customer. An unknown send is answered 200 and counted, since
//! Twilio has nothing better to do with it. Raising a rank is idempotent, so no key is needed.

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use messaging_bridge_clients::twilio::{self, parse_status};

use super::twilio_request::{self, Refused};
use super::{Intake, answer, committed};
use crate::admin::vitals::{Hook, Verdict};
use crate::outbox::SendId;
use crate::status_report::{self, Recorder};

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
    let blocks = twilio::blocking_cause(callback.error_code);
    let (sid, status, code) = (callback.message_sid, &callback.status, callback.error_code);
    let Some(report) = status_report::report(send, sid, status, code) else {
        return (Verdict::Ignored, answer::twiml());
    };
    let sid = report.sid.clone();
    let recorded = committed({
        let intake = Arc::clone(intake);
        async move {
            let recorder = Recorder {
                outbox: &*intake.outbox,
                callbacks: &intake.callbacks,
                wake: &intake.wake,
                outbound: &intake.outbound,
                vitals: &intake.vitals,
                clock: &*intake.clock,
            };
            recorder.record(report, blocks).await
        }
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
