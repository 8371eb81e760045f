//! One request to a simulated platform, read in full, and the two ways it can end.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

use crate::faults::Plan;

/// A request whose body was read.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) plan: Plan,
}

/// A request that was refused, and why: the log keeps the reason.
pub(crate) struct Refusal {
    pub(crate) response: Box<Response>,
    pub(crate) why: String,
}

pub(crate) type Handled = Result<Response, Refusal>;

impl Call {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        value(&self.query, name)
    }

    /// The parts of an `Authorization: Basic` header.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        use base64::Engine;
        let encoded = self.authorization("Basic")?;
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .ok()?;
        let (user, password) = String::from_utf8(decoded)
            .ok()?
            .split_once(':')
            .map(|(u, p)| (u.into(), p.into()))?;
        Some((user, password))
    }

    /// The credentials of an `Authorization` header of this scheme.
    pub(crate) fn authorization(&self, scheme: &str) -> Option<&str> {
        let value = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (given, credentials) = value.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then_some(credentials)
    }

    /// The media type of the body, without parameters.
    pub(crate) fn media_type(&self) -> &str {
        self.headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
    }

    /// The fields of a form body; none if the body is declared as something else.
    pub(crate) fn form(&self) -> Option<Vec<(String, String)>> {
        self.media_type()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            .then(|| pairs(&self.body))
    }
}

/// Decodes `a=1&b=2`.
pub(crate) fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// The first value of that name.
pub(crate) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}
