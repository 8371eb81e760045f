//! Posting a webhook: signed for the public URL, carried to where the bridge really listens.
//!
//! Does not follow redirects (Twilio does, and loses the form on a 301), keeps no cookies, and uses no proxy of the
//! environment. `SSL_CERT_FILE` names a PEM file whose root certificates are trusted beside the usual ones.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use crate::options::SandboxError;

/// Twilio reads no more of an answer than 64 kB; Genesys reads none of it.
const MAX_ANSWER: usize = 64 * 1024;

/// The variable that names a PEM file of further root certificates, such as those of a test's own Ingress.
const ROOTS_VARIABLE: &str = "SSL_CERT_FILE";

/// A webhook ready to be sent.
#[derive(Clone)]
pub(crate) struct Parcel {
    /// The public URL, without fragment.
    pub(crate) url: String,
    /// Where the connection goes instead of the URL's own host.
    pub(crate) connect: Option<Url>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) time_limit: Duration,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered {
        status: u16,
        content_type: Option<String>,
        body: Bytes,
    },
    Unreachable,
    TimedOut,
}

/// The client of all webhooks.
#[derive(Clone)]
pub(crate) struct Courier(reqwest::Client);

impl Courier {
    pub(crate) fn new() -> Result<Self, SandboxError> {
        let mut roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = std::env::var_os(ROOTS_VARIABLE).filter(|path| !path.is_empty()) {
            add_roots(&mut roots, Path::new(&path))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default TLS versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .http1_only()
            .build()
            .map(Self)
            .map_err(SandboxError::Client)
    }

    pub(crate) async fn carry(&self, parcel: Parcel) -> Outcome {
        let Some((address, host)) = address(&parcel.url, parcel.connect.as_ref()) else {
            return Outcome::Unreachable;
        };
        let request = self
            .0
            .post(address)
            .headers(parcel.headers)
            .header(HOST, host)
            .body(parcel.body);
        // One limit around the whole exchange, the body of the answer included.
        tokio::time::timeout(parcel.time_limit, exchange(request))
            .await
            .unwrap_or(Outcome::TimedOut)
    }
}

fn add_roots(roots: &mut rustls::RootCertStore, path: &Path) -> Result<(), SandboxError> {
    let failed = |reason: String| SandboxError::Roots {
        path: path.display().to_string(),
        reason,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("it holds no certificate".to_owned()));
    }
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// The URL to connect to, and the `Host` header that still names the public host.
fn address(public: &str, connect: Option<&Url>) -> Option<(Url, HeaderValue)> {
    let mut url = Url::parse(public).ok()?;
    let authority = match (url.host_str()?, url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let host = HeaderValue::from_str(&authority).ok()?;
    if let Some(target) = connect {
        url.set_port(None).ok()?;
        url.set_scheme(target.scheme()).ok()?;
        url.set_host(target.host_str()).ok()?;
        url.set_port(target.port()).ok()?;
    }
    Some((url, host))
}

async fn exchange(request: reqwest::RequestBuilder) -> Outcome {
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() && !error.is_connect() => return Outcome::TimedOut,
        Err(_) => return Outcome::Unreachable,
    };
    let status = answer.status().as_u16();
    let content_type = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        if body.len() == MAX_ANSWER {
            break;
        }
    }
    Outcome::Answered {
        status,
        content_type,
        body: body.into(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "https://b.example/acme/twilio/inbound?x=1",
        None,
        "https://b.example/acme/twilio/inbound?x=1",
        "b.example"
    )]
    #[case(
        "https://b.example/acme",
        Some("http://127.0.0.1:8080"),
        "http://127.0.0.1:8080/acme",
        "b.example"
    )]
    #[case(
        "https://b.example:8443/a",
        Some("http://localhost:1"),
        "http://localhost:1/a",
        "b.example:8443"
    )]
    #[case(
        "http://b.example/a",
        Some("http://127.0.0.1"),
        "http://127.0.0.1/a",
        "b.example"
    )]
    fn the_connection_goes_elsewhere_but_the_host_stays_public(
        #[case] public: &str,
        #[case] connect: Option<&str>,
        #[case] to: &str,
        #[case] host: &str,
    ) {
        let connect = connect.map(|url| Url::parse(url).unwrap());
        let (url, header) = address(public, connect.as_ref()).unwrap();
        assert_eq!(url.as_str(), to);
        assert_eq!(header, host);
    }
}
