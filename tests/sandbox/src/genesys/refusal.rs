//! Genesys' error bodies: `ErrorBody` everywhere, another shape at the token endpoint.

use axum::response::Response;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::call::{self, Refusal};
use crate::ids;
use crate::settings::Permission;

/// A refusal with Genesys' code and sentence.
pub(crate) fn refuse(status: StatusCode, code: &str, message: &str) -> Refusal {
    Refusal {
        response: Box::new(body(status, code, message)),
        why: format!("{code}: {message}"),
    }
}

pub(crate) fn bad_request(message: &str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, "bad.request", message)
}

pub(crate) fn not_found(what: &str) -> Refusal {
    refuse(
        StatusCode::NOT_FOUND,
        "not.found",
        &format!("The requested resource was not found: {what}"),
    )
}

pub(crate) fn too_large(limit: usize) -> Refusal {
    let message = format!("The request body is over the size limit. Maximum bytes: {limit}");
    refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request.entity.too.large",
        &message,
    )
}

pub(crate) fn too_many_requests(seconds: u64) -> Refusal {
    let message =
        format!("Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds");
    let mut refusal = refuse(StatusCode::TOO_MANY_REQUESTS, "too.many.requests", &message);
    refusal
        .response
        .headers_mut()
        .insert("retry-after", HeaderValue::from(seconds));
    refusal
}

/// The client's roles do not give it the permission.
pub(crate) fn missing_permission(permission: Permission) -> Refusal {
    let message = format!(
        "Unable to perform the requested action. You must have at least one of the following permissions assigned: [{}]",
        permission.as_str()
    );
    refuse(StatusCode::FORBIDDEN, "missing.any.permissions", &message)
}

/// `{"error", "description"}`, of the token endpoint.
pub(crate) fn oauth(status: StatusCode, error: &str, description: &str) -> Refusal {
    Refusal {
        response: Box::new(call::json(
            status,
            &json!({"error": error, "description": description}),
        )),
        why: format!("{error}: {description}"),
    }
}

/// The answer of a planted fault.
pub(crate) fn planted(status: StatusCode) -> Response {
    let (code, message) = match status.as_u16() {
        400 => (
            "bad.request",
            "The request could not be understood by the server due to malformed syntax.",
        ),
        401 => ("bad.credentials", "Invalid login credentials."),
        403 => (
            "missing.any.permissions",
            "Unable to perform the requested action. You must have at least one of the following permissions assigned: [conversation:message:receive]",
        ),
        404 => ("not.found", "The requested resource was not found."),
        409 => (
            "conflict",
            "The request conflicts with the state of the resource.",
        ),
        413 => (
            "request.entity.too.large",
            "The request body is over the size limit.",
        ),
        429 => (
            "too.many.requests",
            "Rate limit exceeded the maximum. Retry the request in a moment.",
        ),
        503 => (
            "service.unavailable",
            "Service Unavailable - The server is currently unavailable.",
        ),
        504 => ("request.timeout", "The request timed out."),
        _ => (
            "internal.server.error",
            "The server encountered an unexpected condition.",
        ),
    };
    body(status, code, message)
}

fn body(status: StatusCode, code: &str, message: &str) -> Response {
    call::json(
        status,
        &json!({
            "message": message,
            "code": code,
            "status": status.as_u16(),
            "contextId": ids::uuid(),
            "details": [],
            "errors": [],
        }),
    )
}
