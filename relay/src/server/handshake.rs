//! The `validationToken` handshake of gateways that were built from the integration guide.
//!
//! It echoes what a stranger sends, so it is bounded: only when there is no signature header and no body, one token of
//! at most 256 characters out of `[A-Za-z0-9._~-]`, never cached, never sniffed, never logged.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::{Intake, answer};
use crate::admin::vitals::{Hook, Verdict};

const LONGEST_TOKEN: usize = 256;

/// `GET`: nothing but a handshake can be meant.
pub(super) async fn receive(
    State(intake): State<Arc<Intake>>,
    RawQuery(query): RawQuery,
) -> Response {
    answer_query(&intake, query.as_deref().unwrap_or_default())
}

/// Answers an unsigned request without a body.
pub(super) fn answer_query(intake: &Intake, query: &str) -> Response {
    let Some(body) = challenge(query) else {
        intake
            .vitals
            .webhook(Hook::GenesysHandshake, Verdict::Malformed);
        return answer::malformed();
    };
    intake
        .vitals
        .webhook(Hook::GenesysHandshake, Verdict::Accepted);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, body).into_response()
}

/// Whether a query asks for the handshake at all.
pub(super) fn asks(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "validationToken")
}

/// The answer to exactly one acceptable token.
pub(super) fn challenge(query: &str) -> Option<String> {
    let mut tokens =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "validationToken");
    let (Some((_, token)), None) = (tokens.next(), tokens.next()) else {
        return None;
    };
    let acceptable =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
    let valid = !token.is_empty() && token.len() <= LONGEST_TOKEN && token.bytes().all(acceptable);
    valid.then(|| format!("{{\"challenge\":\"{token}\"}}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "one token",
        "validationToken=aB9._~-",
        Some("{\"challenge\":\"aB9._~-\"}")
    )]
    #[case(
        "percent-encoded",
        "validationToken=%61b",
        Some("{\"challenge\":\"ab\"}")
    )]
    #[case(
        "beside others",
        "x=1&validationToken=ab",
        Some("{\"challenge\":\"ab\"}")
    )]
    #[case("none", "x=1", None)]
    #[case("empty", "validationToken=", None)]
    #[case("twice", "validationToken=a&validationToken=b", None)]
    #[case("a quote", "validationToken=a%22b", None)]
    #[case("markup", "validationToken=%3Cscript%3E", None)]
    #[case("not ASCII", "validationToken=%C3%A4", None)]
    fn only_one_harmless_token_is_echoed(
        #[case] case: &str,
        #[case] query: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(challenge(query).as_deref(), expected, "{case}");
    }

    #[test]
    fn a_token_of_256_characters_is_echoed_and_one_of_257_is_not() {
        assert!(challenge(&format!("validationToken={}", "a".repeat(256))).is_some());
        assert!(challenge(&format!("validationToken={}", "a".repeat(257))).is_none());
    }
}
