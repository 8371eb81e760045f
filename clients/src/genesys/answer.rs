//! What an answer of Genesys Cloud means: the one place where its failures get their kind.
//!
//! Nothing here is ambiguous: a repeat carries the same message id. Error bodies and codes are those of the SDK's
//! `ErrorBody`; the token endpoint speaks OAuth's own error body.

use http::HeaderMap;
use serde::Deserialize;

use crate::error::{ApiError, BlockedCause, ErrorKind, Platform};
use crate::http::{Answer, NoAnswer, header_text, retry_after};

const CORRELATION_HEADERS: [&str; 2] = ["inin-correlation-id", "genesys-correlation-id"];

/// A call that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    GetToken,
    SendMessage,
    SendEvent,
    SendReceipt,
    ListIntegrations,
    ReadIntegration,
}

impl Operation {
    pub(crate) const fn phrase(self) -> &'static str {
        match self {
            Self::GetToken => "get token",
            Self::SendMessage => "send message",
            Self::SendEvent => "send event",
            Self::SendReceipt => "send receipt",
            Self::ListIntegrations => "list integrations",
            Self::ReadIntegration => "read integration",
        }
    }

    /// The permission that it needs (Genesys: permissions of the operations).
    const fn permission(self) -> Option<&'static str> {
        match self {
            Self::GetToken => None,
            Self::SendMessage | Self::SendEvent | Self::SendReceipt => {
                Some("conversation:message:receive")
            }
            Self::ListIntegrations | Self::ReadIntegration => Some("messaging:integration:view"),
        }
    }

    /// Whether it goes to an integration's inbound endpoint, where 404 can only mean the integration.
    const fn is_inbound(self) -> bool {
        matches!(
            self,
            Self::SendMessage | Self::SendEvent | Self::SendReceipt
        )
    }

    /// An error of ours about this call, without an answer.
    pub(crate) fn error(self, kind: ErrorKind, message: &str) -> ApiError {
        ApiError::new(Platform::Genesys, self.phrase(), kind, message)
    }
}

/// `ErrorBody` of the API and the error body of OAuth in one: whatever is absent stays empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    message: Option<String>,
    code: Option<String>,
    #[serde(rename = "contextId")]
    context_id: Option<String>,
    limit: Option<Limit>,
    error: Option<String>,
    description: Option<String>,
    error_description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Limit {
    key: Option<String>,
}

/// The error of a call that got no complete answer. A repeat is safe, so it is always transient.
pub(crate) fn no_answer(operation: Operation, failure: NoAnswer) -> ApiError {
    let (status, reason, may_have_acted) = match failure {
        NoAnswer::NotSent(reason) => (None, reason, false),
        NoAnswer::Lost { status, reason } => (status, reason, true),
    };
    operation
        .error(ErrorKind::Transient, &reason)
        .with_status(status)
        .that_may_have_acted(may_have_acted)
}

/// A 2xx whose body is not what was asked for.
pub(crate) fn undecodable(operation: Operation, answer: &Answer) -> ApiError {
    operation
        .error(
            ErrorKind::Transient,
            "the answer is not in the documented format",
        )
        .with_status(Some(answer.status.as_u16()))
        .with_correlation_id(correlation_id(&answer.headers))
}

/// The error of a call that was answered with something else than 2xx.
pub(crate) fn refused(operation: Operation, answer: &Answer) -> ApiError {
    let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body.code.or(body.error);
    let kind = kind(operation, answer, code.as_deref());
    let mut message = body
        .message
        .or(body.description)
        .or(body.error_description)
        .unwrap_or_default();
    if let Some(key) = body.limit.and_then(|limit| limit.key) {
        message.push_str(" (limit ");
        message.push_str(&key);
        message.push(')');
    }
    if let (ErrorKind::Blocked(BlockedCause::Permission), Some(permission)) =
        (&kind, operation.permission())
        && !message.contains(permission)
    {
        message.push_str(" (needs ");
        message.push_str(permission);
        message.push(')');
    }
    operation
        .error(kind, &message)
        .with_status(Some(answer.status.as_u16()))
        .that_may_have_acted(matches!(answer.status.as_u16(), 408 | 500..))
        .with_code(code)
        .with_correlation_id(correlation_id(&answer.headers).or(body.context_id.as_deref()))
}

fn kind(operation: Operation, answer: &Answer, code: Option<&str>) -> ErrorKind {
    match answer.status.as_u16() {
        429 => ErrorKind::Throttled {
            retry_after: retry_after(&answer.headers),
        },
        // 409 is declared on the inbound calls without a meaning; 3xx comes from something before the API.
        408 | 409 | 500.. | ..400 => ErrorKind::Transient,
        400 | 401 | 403 if operation == Operation::GetToken => {
            ErrorKind::Blocked(BlockedCause::Credentials)
        }
        // No message was even mentioned: this can be nobody's dead letter.
        _ if operation == Operation::GetToken => ErrorKind::Transient,
        401 => ErrorKind::Blocked(BlockedCause::Credentials),
        403 if code.is_some_and(is_missing_permission) => {
            ErrorKind::Blocked(BlockedCause::Permission)
        }
        404 if operation.is_inbound() => ErrorKind::Blocked(BlockedCause::IntegrationGone),
        _ => ErrorKind::Permanent,
    }
}

/// `missing.permissions`, `missing.any.permissions`, `missing.division.permission` and their kin.
fn is_missing_permission(code: &str) -> bool {
    code == "not.authorized" || (code.starts_with("missing.") && code.contains("permission"))
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

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    const BLOCKED_CREDENTIALS: ErrorKind = ErrorKind::Blocked(BlockedCause::Credentials);
    const BLOCKED_PERMISSION: ErrorKind = ErrorKind::Blocked(BlockedCause::Permission);
    const BLOCKED_INTEGRATION: ErrorKind = ErrorKind::Blocked(BlockedCause::IntegrationGone);
    const THROTTLED: ErrorKind = ErrorKind::Throttled { retry_after: None };

    #[rstest]
    #[case::bad_request(400, r#"{"code":"bad.request"}"#, ErrorKind::Permanent)]
    #[case::refused_token(401, r#"{"code":"bad.credentials"}"#, BLOCKED_CREDENTIALS)]
    #[case::missing_permission(403, r#"{"code":"missing.permissions"}"#, BLOCKED_PERMISSION)]
    #[case::missing_any(403, r#"{"code":"missing.any.permissions"}"#, BLOCKED_PERMISSION)]
    #[case::not_authorized(403, r#"{"code":"not.authorized"}"#, BLOCKED_PERMISSION)]
    #[case::something_else_is_missing(403, r#"{"code":"missing.recipient"}"#, ErrorKind::Permanent)]
    #[case::other_permissions(403, r#"{"code":"permission.unknown"}"#, ErrorKind::Permanent)]
    #[case::other_403(403, r#"{"code":"forbidden"}"#, ErrorKind::Permanent)]
    #[case::bare_403(403, "", ErrorKind::Permanent)]
    #[case::integration_gone(404, r#"{"code":"not.found"}"#, BLOCKED_INTEGRATION)]
    #[case::request_timeout(408, "", ErrorKind::Transient)]
    #[case::conflict(409, "", ErrorKind::Transient)]
    #[case::too_large(413, "", ErrorKind::Permanent)]
    #[case::throttled(429, r#"{"code":"too.many.requests"}"#, THROTTLED)]
    #[case::server_error(500, r#"{"code":"internal.server.error"}"#, ErrorKind::Transient)]
    #[case::unavailable(503, "<html>", ErrorKind::Transient)]
    #[case::gateway_timeout(504, "", ErrorKind::Transient)]
    #[case::redirect(302, "", ErrorKind::Transient)]
    fn an_answer_to_a_message_has_its_kind(
        #[case] status: u16,
        #[case] body: &'static str,
        #[case] expected: ErrorKind,
    ) {
        let error = refused(Operation::SendMessage, &answer(status, body));
        assert_eq!(error.kind, expected);
        assert_eq!(error.status, Some(status));
    }

    #[rstest]
    #[case::invalid_client(400, BLOCKED_CREDENTIALS)]
    #[case::unauthorized(401, BLOCKED_CREDENTIALS)]
    #[case::forbidden(403, BLOCKED_CREDENTIALS)]
    #[case::wrong_host(404, ErrorKind::Transient)]
    #[case::throttled(429, THROTTLED)]
    #[case::down(503, ErrorKind::Transient)]
    fn a_failure_to_get_a_token_never_condemns_a_message(
        #[case] status: u16,
        #[case] expected: ErrorKind,
    ) {
        // Genesys repeats the words under the standard's name.
        let body = r#"{"error":"invalid_client","description":"client not found","error_description":"client not found"}"#;
        let error = refused(Operation::GetToken, &answer(status, body));
        assert_eq!(error.kind, expected);
        assert_eq!(error.code.as_deref(), Some("invalid_client"));
        assert_eq!(error.message, "client not found");
    }

    #[rstest]
    #[case::named_by_genesys(
        Operation::ListIntegrations,
        r#"{"code":"missing.any.permissions","message":"You need one of [messaging:integration:view]"}"#,
        "You need one of [messaging:integration:view]"
    )]
    #[case::not_named(
        Operation::ReadIntegration,
        r#"{"code":"not.authorized","message":"You are not authorized"}"#,
        "You are not authorized (needs messaging:integration:view)"
    )]
    #[case::a_message(
        Operation::SendMessage,
        r#"{"code":"not.authorized","message":"You are not authorized"}"#,
        "You are not authorized (needs conversation:message:receive)"
    )]
    #[case::another_refusal(
        Operation::ListIntegrations,
        r#"{"code":"forbidden","message":"No"}"#,
        "No"
    )]
    fn a_missing_permission_is_named(
        #[case] operation: Operation,
        #[case] body: &'static str,
        #[case] expected: &str,
    ) {
        assert_eq!(refused(operation, &answer(403, body)).message, expected);
    }

    #[test]
    fn a_missing_list_endpoint_is_not_a_missing_integration() {
        let error = refused(Operation::ListIntegrations, &answer(404, ""));
        assert_eq!(error.kind, ErrorKind::Permanent);
    }

    #[test]
    fn the_wait_is_given_as_genesys_named_it() {
        let mut throttled = answer(
            429,
            r#"{"message":"Rate limit","limit":{"key":"token.rate.per.minute"}}"#,
        );
        throttled
            .headers
            .insert("retry-after", HeaderValue::from_static("4000"));
        let error = refused(Operation::SendMessage, &throttled);
        let retry_after = Some(Duration::from_secs(4000));
        assert_eq!(error.kind, ErrorKind::Throttled { retry_after });
        assert_eq!(error.message, "Rate limit (limit token.rate.per.minute)");
    }

    #[test]
    fn the_correlation_id_comes_from_the_header_or_else_the_body() {
        let mut refusal = answer(400, r#"{"code":"bad.request","contextId":"from-body"}"#);
        let error = refused(Operation::SendMessage, &refusal);
        assert_eq!(error.correlation_id.as_deref(), Some("from-body"));
        refusal.headers.insert(
            "inin-correlation-id",
            HeaderValue::from_static("from-header"),
        );
        let error = refused(Operation::SendMessage, &refusal);
        assert_eq!(error.correlation_id.as_deref(), Some("from-header"));
    }

    #[test]
    fn a_lost_answer_is_transient_because_a_repeat_is_safe() {
        let lost = NoAnswer::Lost {
            status: None,
            reason: "operation timed out".to_owned(),
        };
        assert_eq!(
            no_answer(Operation::SendMessage, lost).kind,
            ErrorKind::Transient
        );
    }
}
