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
    ReadNumber,
    ReadAccount,
}

impl Operation {
    const fn phrase(self) -> &'static str {
        match self {
            Self::SendMessage => "send message",
            Self::ListMessages => "list messages",
            Self::ReadNumber => "read number",
            Self::ReadAccount => "read account",
        }
    }

    /// What a call becomes whose effect is unknown.
    const fn unknown_effect(self) -> ErrorKind {
        match self {
            Self::SendMessage => ErrorKind::Ambiguous,
            Self::ListMessages | Self::ReadNumber | Self::ReadAccount => ErrorKind::Transient,
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
