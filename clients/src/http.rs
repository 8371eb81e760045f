//! The HTTP client that both platforms are called with, and the only place where a body is read.
//!
//! Guarantees: TLS by rustls with *ring* and the Mozilla roots (plus those of the PEM file that `SSL_CERT_FILE`
//! names), five seconds to connect, fifteen in all, no redirect followed, HTTP/1.1, nothing repeated, bodies bounded.
//!
//! A lost answer is told apart from a request that never left: only the first can have had an effect. (hyper may move
//! a request to a fresh connection when an idle one turns out closed *before a byte was written*; that is no repeat.)

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use reqwest::redirect;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};

use crate::mask;

/// The largest answer that is read: a full page of either platform stays far below.
pub const MAX_BODY: usize = 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Shorter than the idle time after which either platform's load balancer closes a connection.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const POOL_IDLE_PER_HOST: usize = 16;
/// No secret of either platform is shorter.
const LEAST_SECRET: usize = 8;
/// The variable that names a PEM file of further root certificates (a company's proxy, a test platform).
const ROOTS_VARIABLE: &str = "SSL_CERT_FILE";

/// Why no HTTP client could be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file of further root certificates cannot be used.
    #[error("cannot read root certificates from {path} (SSL_CERT_FILE): {reason}")]
    Roots {
        /// The file named.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The client cannot be built, for instance because the user agent is not a header value.
    #[error("cannot build the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the answer is longer than {max} bytes")]
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// The connection broke or the time was up.
    #[error("the answer broke off: {0}")]
    Broken(String),
}

/// The client for both platforms. `user_agent` tells their support (and our tests) which program calls.
pub fn client(user_agent: &str) -> Result<reqwest::Client, HttpError> {
    let extra = env::var_os(ROOTS_VARIABLE).filter(|path| !path.is_empty());
    client_with_roots(user_agent, extra.as_deref().map(Path::new))
}

/// [`client`] with the file of further roots given instead of read from the environment.
pub fn client_with_roots(
    user_agent: &str,
    extra_roots: Option<&Path>,
) -> Result<reqwest::Client, HttpError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = extra_roots {
        let failed = |reason: String| HttpError::Roots {
            path: path.to_owned(),
            reason,
        };
        let pem = fs::read(path).map_err(|error| failed(error.to_string()))?;
        add_roots(&mut roots, &pem).map_err(failed)?;
    }
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(roots)?)
        .user_agent(user_agent)
        .http1_only()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
        .build()?;
    Ok(client)
}

/// A client for plain HTTP inside a cluster: no proxy (it has no way back in), no certificate trusted, no connection
/// kept, since what is called comes and goes.
pub fn local_client(user_agent: &str, time_limit: Duration) -> Result<reqwest::Client, HttpError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(RootCertStore::empty())?)
        .user_agent(user_agent)
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(time_limit)
        .pool_max_idle_per_host(0)
        .build()?;
    Ok(client)
}

fn tls(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Says why these further root certificates (PEM) would be refused by [`client`], if they would.
pub fn check_roots(pem: &[u8]) -> Result<(), String> {
    add_roots(&mut RootCertStore::empty(), pem)
}

fn add_roots(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Reads a body of at most `max` bytes; a longer one is dropped together with its connection.
pub async fn read_body(mut response: reqwest::Response, max: usize) -> Result<Bytes, BodyError> {
    if response
        .content_length()
        .is_some_and(|length| length > max as u64)
    {
        return Err(BodyError::TooLarge { max });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| BodyError::Broken(describe(error)))?
    {
        if body.len() + chunk.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// A complete answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A refusal without the secret that its request carried, should it quote it: what a platform says is logged and
    /// shown. Shorter than [`LEAST_SECRET`] it is a word like any other.
    pub(crate) fn withholding(mut self, secret: &SecretString) -> Self {
        let secret = secret.expose_secret();
        if self.status.is_success() || secret.len() < LEAST_SECRET {
            return self;
        }
        let said = String::from_utf8_lossy(&self.body);
        if said.contains(secret) {
            self.body = Bytes::from(mask::withheld(&said, secret));
        }
        self
    }
}

/// No complete answer came.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The request did not leave: no connection, no TLS session, or it could not even be built.
    NotSent(String),
    /// The request left (or may have): what it did is unknown.
    Lost { status: Option<u16>, reason: String },
}

/// Makes one call and reads its answer.
pub(crate) async fn exchange(request: reqwest::RequestBuilder) -> Result<Answer, NoAnswer> {
    let response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            NoAnswer::NotSent(describe(error))
        } else {
            NoAnswer::Lost {
                status: None,
                reason: describe(error),
            }
        }
    })?;
    let status = response.status();
    let headers = response.headers().clone();
    let body = read_body(response, MAX_BODY)
        .await
        .map_err(|error| NoAnswer::Lost {
            status: Some(status.as_u16()),
            reason: error.to_string(),
        })?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// The wait that `Retry-After` asks for, if it is given in seconds (both platforms do).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    header_text(headers, header::RETRY_AFTER.as_str())?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// A header as text, if it is there and readable.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `base` with path segments appended; an id can never leave its segment.
pub(crate) fn endpoint<'a>(
    base: &url::Url,
    segments: impl IntoIterator<Item = &'a str>,
) -> url::Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// The chain of causes in one line, without the URL (its query holds phone numbers).
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
