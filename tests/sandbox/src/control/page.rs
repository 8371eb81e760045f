//! The page: three files, compiled in.

use axum::response::Response;
use http::{HeaderValue, header};

/// Nothing but the page's own files, and nobody may frame it.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn html() -> Response {
    file(
        "text/html; charset=utf-8",
        include_str!("../../page/index.html"),
    )
}

pub(crate) async fn css() -> Response {
    file(
        "text/css; charset=utf-8",
        include_str!("../../page/style.css"),
    )
}

pub(crate) async fn js() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../../page/app.js"),
    )
}

pub(crate) async fn icon() -> Response {
    file("image/svg+xml", include_str!("../../page/icon.svg"))
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
