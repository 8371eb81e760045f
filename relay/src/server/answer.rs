//! What the webhooks are answered with.
//!
//! Twilio always gets TwiML: a plain-text 200 would be texted to the customer, and an empty one is logged as error
//! 11200 (Twilio: TwiML for Programmable Messaging). Refusals name the reason in one word and repeat nothing of the request.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::admin::vitals::Verdict;
use crate::outbox::OutboxError;

const TWIML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

/// Seconds after which a refused webhook may come again.
const RETRY_AFTER_SECONDS: &str = "5";

/// Accepted, for Twilio.
pub(super) fn twiml() -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"))],
        TWIML,
    )
        .into_response()
}

/// Accepted, for Genesys.
pub(super) fn accepted() -> Response {
    StatusCode::OK.into_response()
}

/// The signature is missing or wrong.
pub(super) fn bad_signature() -> Response {
    refusal(StatusCode::FORBIDDEN, "signature")
}

/// Signed, but for another account, number or integration.
pub(super) fn misrouted() -> Response {
    refusal(StatusCode::FORBIDDEN, "misrouted")
}

/// Not the declared format.
pub(super) fn malformed() -> Response {
    refusal(StatusCode::BAD_REQUEST, "malformed")
}

/// Larger than anything that the platforms send.
pub(super) fn too_large() -> Response {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "too-large")
}

/// It did not come in time.
pub(super) fn too_slow() -> Response {
    let mut response = refusal(StatusCode::REQUEST_TIMEOUT, "too-slow");
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Nothing can be taken now.
pub(super) fn unavailable(why: &'static str) -> Response {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(
        header::RETRY_AFTER,
        HeaderValue::from_static(RETRY_AFTER_SECONDS),
    );
    response
}

/// The outbox did not take it. Logged here, once.
pub(super) fn not_stored(error: &OutboxError) -> (Verdict, Response) {
    tracing::warn!(%error, "a webhook was answered 503");
    let why = match error {
        OutboxError::Busy => "busy",
        OutboxError::Full { .. } | OutboxError::TooMany { .. } => "outbox-full",
        OutboxError::DiskFull { .. } => "disk-full",
        OutboxError::Store(_) | OutboxError::Newer { .. } => "store",
        OutboxError::Closed => "shutting-down",
    };
    (Verdict::Refused, unavailable(why))
}

fn refusal(status: StatusCode, why: &'static str) -> Response {
    let body = format!("{{\"error\":\"{why}\"}}\n");
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (status, headers, body).into_response()
}
