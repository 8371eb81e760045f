//! Twilio's error bodies: `{"code", "message", "more_info", "status"}`.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use crate::call::{self, Refusal};

/// A refusal with Twilio's code and sentence.
pub(crate) fn refuse(status: StatusCode, code: u32, message: &str) -> Refusal {
    Refusal {
        response: Box::new(body(status, code, message)),
        why: format!("{code}: {message}"),
    }
}

/// A refusal of what was sent: 400.
pub(crate) fn bad(code: u32, message: &str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, code, message)
}

/// Nothing is there: 404.
pub(crate) fn not_found(path: &str) -> Refusal {
    let message = format!("The requested resource {path} was not found");
    refuse(StatusCode::NOT_FOUND, 20404, &message)
}

/// The answer of a planted fault.
pub(crate) fn planted(status: StatusCode) -> Response {
    let (code, message) = match status.as_u16() {
        401 => (20003, "Authenticate"),
        403 => (20403, "403 Forbidden"),
        404 => (20404, "The requested resource was not found"),
        429 => (20429, "Too Many Requests"),
        503 => (20503, "Service is unavailable. Please try again."),
        400..500 => (20001, "Bad request"),
        _ => (20500, "An internal server error has occurred"),
    };
    body(status, code, message)
}

fn body(status: StatusCode, code: u32, message: &str) -> Response {
    call::json(
        status,
        &json!({
            "code": code,
            "message": message,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
            "status": status.as_u16(),
        }),
    )
}
