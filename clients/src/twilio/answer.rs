//! What an answer of Twilio means: the one place where its failures get their kind.
//!
//! For a POST, whatever may have reached the customer is ambiguous: a 5xx, a lost answer, a 201 that cannot be read.
//! For a GET the same is transient. Error bodies come in two shapes: the classic one (`code`, `message`) and RFC 9457
//! (`code`, `title`, `detail`).

use http::HeaderMap;
use serde::Deserialize;

use super::codes::{self, CodeKind};
use crate::error::{ApiError, BlockedCause, ErrorKind, Platform};
use crate::http::{Answer, NoAnswer, header_text, retry_after};

const CORRELATION_HEADERS: [&str; 2] = ["twilio-request-id", "t-request-id"];
const AUTHENTICATION_FAILED: u32 = 20003;
const TOO_MANY_REQUESTS: u32 = 20429;

/// A call that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    SendMessage,
    ListMessages,
    FetchMessage,
    ListMedia,
    ReadNumber,
    ReadAccount,
    ReadService,
    ListServices,
    ReadPool,
}

impl Operation {
    const fn phrase(self) -> &'static str {
        match self {
            Self::SendMessage => "send message",
            Self::ListMessages => "list messages",
            Self::FetchMessage => "fetch message",
            Self::ListMedia => "list media",
            Self::ReadNumber => "read number",
            Self::ReadAccount => "read account",
            Self::ReadService => "read Messaging Service",
            Self::ListServices => "list Messaging Services",
            Self::ReadPool => "read sender pool",
        }
    }

    /// What a call becomes whose effect is unknown.
    const fn unknown_effect(self) -> ErrorKind {
        match self {
            Self::SendMessage => ErrorKind::Ambiguous,
            Self::ListMessages
            | Self::FetchMessage
            | Self::ListMedia
            | Self::ReadNumber
            | Self::ReadAccount
            | Self::ReadService
            | Self::ListServices
            | Self::ReadPool => ErrorKind::Transient,
        }
    }

    /// An error of ours about this call, without an answer.
    pub(crate) fn error(self, kind: ErrorKind, message: &str) -> ApiError {
        ApiError::new(Platform::Twilio, self.phrase(), kind, message)
    }
}

/// Both error bodies in one: whatever is absent stays empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    code: Option<u32>,
    message: Option<String>,
    title: Option<String>,
    detail: Option<String>,
}

/// The error of a call that got no complete answer.
pub(crate) fn no_answer(operation: Operation, failure: NoAnswer) -> ApiError {
    match failure {
        NoAnswer::NotSent(reason) => operation.error(ErrorKind::Transient, &reason),
        NoAnswer::Lost { status, reason } => operation
            .error(lost_kind(operation, status), &reason)
            .with_status(status),
    }
}

/// A refusal is definite even if its explanation broke off; a success that broke off is not known to be one.
fn lost_kind(operation: Operation, status: Option<u16>) -> ErrorKind {
    match status {
        Some(status @ 300..500) => kind(operation, status, None, &HeaderMap::new()),
        _ => operation.unknown_effect(),
    }
}

/// A 2xx whose body is not what was asked for.
pub(crate) fn undecodable(operation: Operation, answer: &Answer) -> ApiError {
    operation
        .error(
            operation.unknown_effect(),
            "the answer is not in the documented format",
        )
        .with_status(Some(answer.status.as_u16()))
        .with_correlation_id(correlation_id(&answer.headers))
}

/// The error of a call that was answered with something else than 2xx.
pub(crate) fn refused(operation: Operation, answer: &Answer) -> ApiError {
    let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    let kind = kind(
        operation,
        answer.status.as_u16(),
        body.code,
        &answer.headers,
    );
    let message = body.message.or(body.detail).or(body.title);
    operation
        .error(kind, &message.unwrap_or_default())
        .with_status(Some(answer.status.as_u16()))
        .with_code(body.code.map(|code| code.to_string()))
        .with_correlation_id(correlation_id(&answer.headers))
}

fn kind(operation: Operation, status: u16, code: Option<u32>, headers: &HeaderMap) -> ErrorKind {
    let throttled = ErrorKind::Throttled {
        retry_after: retry_after(headers),
    };
    match (status, code) {
        // A 429 was never processed, whatever its code.
        (429, _) | (400..500, Some(TOO_MANY_REQUESTS)) => throttled,
        (401, _) | (400..500, Some(AUTHENTICATION_FAILED)) => {
            ErrorKind::Blocked(BlockedCause::Credentials)
        }
        // 408 comes from something before the API that gave up waiting.
        (408 | 500.., _) => operation.unknown_effect(),
        // Nothing was done: a redirect is not followed.
        (..400, _) => ErrorKind::Transient,
        (_, Some(code)) => match codes::lookup(code).map(|entry| entry.kind) {
            Some(CodeKind::Transient) => ErrorKind::Transient,
            Some(CodeKind::Throttled) => throttled,
            Some(CodeKind::Ambiguous) => operation.unknown_effect(),
            Some(CodeKind::Blocked(cause)) => ErrorKind::Blocked(cause),
            Some(CodeKind::Permanent) | None => ErrorKind::Permanent,
        },
        (_, None) => ErrorKind::Permanent,
    }
}

fn correlation_id(headers: &HeaderMap) -> Option<&str> {
    CORRELATION_HEADERS
        .into_iter()
        .find_map(|name| header_text(headers, name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use bytes::Bytes;
    use http::{HeaderValue, StatusCode};
    use rstest::rstest;

    use super::*;
    use crate::error::BlockedCause::{
        AccountSuspended, Credentials, NoUsableSender, SenderRejected,
    };
    use crate::error::ErrorKind::{Ambiguous, Blocked, Permanent, Transient};

    const THROTTLED: ErrorKind = ErrorKind::Throttled { retry_after: None };

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    /// Status and code, what they mean for a POST, and for a GET.
    #[rstest]
    #[case::bad_recipient(400, Some(21211), Permanent, Permanent)]
    #[case::opted_out(400, Some(21610), Permanent, Permanent)]
    #[case::unknown_code(400, Some(99_999), Permanent, Permanent)]
    #[case::bare_400(400, None, Permanent, Permanent)]
    #[case::bare_401(401, None, Blocked(Credentials), Blocked(Credentials))]
    #[case::refused(401, Some(20003), Blocked(Credentials), Blocked(Credentials))]
    #[case::refused_by_code(403, Some(20003), Blocked(Credentials), Blocked(Credentials))]
    #[case::bare_403(403, None, Permanent, Permanent)]
    #[case::not_capable(400, Some(21606), Permanent, Permanent)]
    #[case::suspended(403, Some(30002), Blocked(AccountSuspended), Blocked(AccountSuspended))]
    #[case::bad_sender(400, Some(21212), Blocked(SenderRejected), Blocked(SenderRejected))]
    #[case::no_sender(400, Some(21703), Blocked(NoUsableSender), Blocked(NoUsableSender))]
    #[case::not_found(404, Some(20404), Permanent, Permanent)]
    #[case::gave_up_waiting(408, None, Ambiguous, Transient)]
    #[case::busy(429, Some(20429), THROTTLED, THROTTLED)]
    #[case::bare_429(429, None, THROTTLED, THROTTLED)]
    #[case::queue_full(429, Some(21611), THROTTLED, THROTTLED)]
    #[case::queue_full_as_400(400, Some(21611), THROTTLED, THROTTLED)]
    #[case::busy_as_400(400, Some(20429), THROTTLED, THROTTLED)]
    #[case::internal_as_400(400, Some(20500), Ambiguous, Transient)]
    #[case::internal(500, Some(20500), Ambiguous, Transient)]
    #[case::internal_with_a_clear_code(500, Some(21211), Ambiguous, Transient)]
    #[case::unavailable(503, Some(20503), Ambiguous, Transient)]
    #[case::bare_502(502, None, Ambiguous, Transient)]
    #[case::redirect(307, None, Transient, Transient)]
    fn an_answer_has_its_kind(
        #[case] status: u16,
        #[case] code: Option<u32>,
        #[case] post: ErrorKind,
        #[case] get: ErrorKind,
    ) {
        let body = code.map_or_else(String::new, |code| format!(r#"{{"code":{code}}}"#));
        let answer = answer(status, &body);
        assert_eq!(refused(Operation::SendMessage, &answer).kind, post);
        assert_eq!(refused(Operation::ListMessages, &answer).kind, get);
    }

    #[rstest]
    #[case::classic(
        r#"{"code":21211,"message":"The 'To' number +15551230000 is not valid.","status":400,"more_info":"x"}"#,
        Some("21211"), "The 'To' number +1•••••••00 is not valid.")]
    #[case::rfc_9457(
        r#"{"type":"about:blank","title":"Bad Request","status":400,"code":21211,"detail":"Invalid 'To'","errors":[]}"#,
        Some("21211"), "Invalid 'To'")]
    #[case::rfc_9457_without_detail(
        r#"{"type":"x","title":"Bad Request","status":400,"code":7}"#,
        Some("7"),
        "Bad Request"
    )]
    #[case::not_json("<html>", None, "")]
    #[case::another_shape(r#"["x"]"#, None, "")]
    fn the_error_body_is_read_in_both_shapes(
        #[case] body: &str,
        #[case] code: Option<&str>,
        #[case] message: &str,
    ) {
        let error = refused(Operation::SendMessage, &answer(400, body));
        assert_eq!(error.code.as_deref(), code);
        assert_eq!(error.message, message);
    }

    #[rstest]
    #[case::seconds("30", Some(30))]
    #[case::long("86400", Some(86_400))]
    #[case::a_date("Fri, 24 May 2019 17:44:46 GMT", None)]
    #[case::negative("-1", None)]
    fn the_wait_is_the_one_named_in_seconds(
        #[case] header: &'static str,
        #[case] wait: Option<u64>,
    ) {
        let mut answer = answer(429, "");
        answer
            .headers
            .insert("retry-after", HeaderValue::from_static(header));
        let retry_after = wait.map(Duration::from_secs);
        assert_eq!(
            refused(Operation::SendMessage, &answer).kind,
            ErrorKind::Throttled { retry_after }
        );
    }
}
