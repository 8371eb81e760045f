//! `messaging-bridge-ingress`: a TLS reverse proxy that stands in for an Ingress controller in the cluster tests.
//!
//! It ends TLS, picks a backend by the path's prefix, and keeps or strips that prefix, as Ingress controllers do. What
//! it does not model: HTTP/2, retries, time limits of its own, path normalisation, several hosts or certificates.

mod route;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use clap::Parser;
use http::{HeaderName, StatusCode, header};
use tokio::signal::unix::{SignalKind, signal};

use crate::route::Route;
use crate::tls::Tls;

/// The largest body that is passed on, as is usual for Ingress controllers.
const LARGEST_BODY: usize = 1 << 20;

/// A TLS reverse proxy for tests.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Where TLS connections are taken.
    #[arg(long, default_value = "0.0.0.0:8443", value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// The certificate chain, PEM.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// /prefix=http://backend keeps the prefix, /prefix=strip:http://backend strips it; a segment {name} stands for
    /// any one, also in the backend. May be given several times.
    #[arg(long = "route", value_name = "ROUTE", required = true)]
    routes: Vec<Route>,
}

#[derive(Clone)]
struct Proxy {
    routes: Arc<[Route]>,
    client: reqwest::Client,
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "why it could not start")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Cli) -> Result<(), String> {
    let listener = Tls::bind(arguments.listen, &arguments.certificate, &arguments.key).await?;
    // The client takes the provider of the process; nothing here calls over TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        // An empty root has no list of authorities to be read.
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(|error| error.to_string())?;
    let proxy = Proxy {
        routes: arguments.routes.into(),
        client,
    };
    let mut terminated =
        signal(SignalKind::terminate()).map_err(|error| format!("signals: {error}"))?;
    let app = Router::new().fallback(forward).with_state(proxy);
    tokio::select! {
        ended = axum::serve(listener, app) => ended.map_err(|error| error.to_string()),
        _ = terminated.recv() => Ok(()),
    }
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let Some(target) = route::target(&proxy.routes, path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut call = proxy.client.request(parts.method, target).body(body);
    for (name, value) in &parts.headers {
        if !is_of_the_connection(name) {
            call = call.header(name, value);
        }
    }
    match answer(call.header("x-forwarded-proto", "https")).await {
        Ok(response) => response,
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

async fn answer(call: reqwest::RequestBuilder) -> Result<Response, reqwest::Error> {
    let answer = call.send().await?;
    let status = answer.status();
    let headers = answer.headers().clone();
    let body: Bytes = answer.bytes().await?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in &headers {
        if !is_of_the_connection(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    Ok(response)
}

/// Headers that belong to one hop (RFC 9110, section 7.6.1), and the length, which each hop counts itself.
fn is_of_the_connection(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
}
