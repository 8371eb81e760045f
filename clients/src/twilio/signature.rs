//! The signature of Twilio's webhooks: `X-Twilio-Signature: base64(HMAC-SHA1(auth token, URL + fields))`.
//!
//! The rules of twilio.com/docs/usage/security and of the official validators: the URL as Twilio requested it, without
//! fragment and credentials; for a form each distinct value, sorted by name and then value in byte order, as name and
//! value without separators; for JSON the URL alone, whose `bodySHA256` must be the hash of the raw body. Twilio is
//! not consistent about the port, so the URL is tried as given, without a port, and with the default port.
//!
//! The signature covers neither time nor nonce: whoever verifies must also de-duplicate by `MessageSid`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::webhook::FormFields;

/// The header that carries the signature.
pub const HEADER: &str = "x-twilio-signature";
/// The header that says how it was made, if not with the auth token and HMAC-SHA1.
pub const SETTINGS_HEADER: &str = "x-twilio-webhooks-signature-settings";
const BODY_HASH: &str = "bodySHA256";
const DIGEST_BYTES: usize = 20;

type HmacSha1 = Hmac<Sha1>;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature header.
    #[error("the request carries no X-Twilio-Signature header")]
    Missing,
    /// The header is not the base64 of 20 bytes.
    #[error("the X-Twilio-Signature header is not base64 of 20 bytes")]
    Malformed,
    /// A JSON body whose hash the URL lacks.
    #[error("the URL of a JSON webhook carries no bodySHA256")]
    BodyHashMissing,
    /// A JSON body that is not the one that was signed.
    #[error("the body does not match the bodySHA256 of its URL")]
    BodyHashMismatch,
    /// No auth token of ours made this signature for this URL.
    #[error(
        "the signature matches none of the auth tokens for this URL; is the public URL the one Twilio calls?"
    )]
    Mismatch,
}

/// What the request carries besides its URL; chosen by its Content-Type, never by what its query says.
#[derive(Clone, Copy, Debug)]
pub enum SignedBody<'a> {
    /// A form: every field is signed.
    Form(&'a FormFields),
    /// JSON: its hash is in the URL.
    Json(&'a [u8]),
    /// Nothing, as with GET.
    Empty,
}

/// Accepts the request if any of `tokens` signed it. `url` is the public URL as Twilio calls it, query bytes untouched.
pub fn verify(
    tokens: &[SecretString],
    header: Option<&str>,
    url: &str,
    body: &SignedBody<'_>,
) -> Result<(), SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let claimed: [u8; DIGEST_BYTES] = STANDARD
        .decode(header)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(SignatureError::Malformed)?;
    let url = SignedUrl::parse(url);
    if let SignedBody::Json(body) = body {
        check_body_hash(&url, body)?;
    }
    let fields = sorted_fields(body);
    for token in tokens {
        for port in url.port_variants() {
            if bool::from(digest(token, &url, port, &fields).ct_eq(&claimed)) {
                return Ok(());
            }
        }
    }
    Err(SignatureError::Mismatch)
}

/// The header value for a request to `url`, port as given: for tests and for whoever plays Twilio. For JSON the URL
/// must carry its `bodySHA256` already.
pub fn sign(token: &SecretString, url: &str, body: &SignedBody<'_>) -> String {
    let url = SignedUrl::parse(url);
    STANDARD.encode(digest(token, &url, url.port, &sorted_fields(body)))
}

/// Whether the request claims to be signed with the auth token and HMAC-SHA1, the only scheme spoken here.
/// `settings` is the `X-Twilio-Webhooks-Signature-Settings` header: absent or without `algorithm=` it means HMAC-SHA1.
/// The header is not signed; a request that names another algorithm is to be refused, never verified another way.
pub fn is_hmac_sha1(settings: Option<&str>) -> bool {
    settings.is_none_or(|settings| {
        settings
            .split(',')
            .filter_map(|setting| setting.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("algorithm"))
            .all(|(_, algorithm)| algorithm.trim().eq_ignore_ascii_case("HMAC_SHA1"))
    })
}

/// A URL cut into what is signed: `{scheme}://{host}{port}{rest}`, bytes as given, credentials and fragment left out.
#[derive(Clone, Copy, Debug)]
struct SignedUrl<'a> {
    /// With `://`.
    scheme: &'a str,
    host: &'a str,
    /// With its colon; empty if there is none.
    port: &'a str,
    /// Path and query.
    rest: &'a str,
}

impl<'a> SignedUrl<'a> {
    fn parse(url: &'a str) -> Self {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let (scheme, after) = match url.find("://") {
            Some(at) => url.split_at(at + "://".len()),
            None => ("", url),
        };
        let (authority, rest) = match after.find(['/', '?']) {
            Some(at) => after.split_at(at),
            None => (after, ""),
        };
        let host_port = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host_port)| host_port);
        // A colon inside brackets belongs to an IPv6 address.
        let port_at = host_port
            .rfind(':')
            .filter(|&at| !host_port[at..].contains(']'));
        let (host, port) = host_port.split_at(port_at.unwrap_or(host_port.len()));
        Self {
            scheme,
            host,
            port,
            rest,
        }
    }

    /// As given, then without a port or else with the default one.
    fn port_variants(&self) -> [&'a str; 2] {
        let other = if !self.port.is_empty() {
            ""
        } else if self.scheme.eq_ignore_ascii_case("http://") {
            ":80"
        } else {
            ":443"
        };
        [self.port, other]
    }

    fn query_value(&self, name: &str) -> Option<&'a str> {
        let (_, query) = self.rest.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    }
}

fn check_body_hash(url: &SignedUrl<'_>, body: &[u8]) -> Result<(), SignatureError> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let claimed = url
        .query_value(BODY_HASH)
        .ok_or(SignatureError::BodyHashMissing)?;
    let mut actual = [0; 64];
    for (pair, byte) in actual.chunks_exact_mut(2).zip(Sha256::digest(body)) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    if bool::from(actual.as_slice().ct_eq(claimed.as_bytes())) {
        Ok(())
    } else {
        Err(SignatureError::BodyHashMismatch)
    }
}

fn sorted_fields<'a>(body: &SignedBody<'a>) -> Vec<(&'a str, &'a str)> {
    let SignedBody::Form(form) = body else {
        return Vec::new();
    };
    let mut fields: Vec<_> = form.iter().collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

fn digest(
    token: &SecretString,
    url: &SignedUrl<'_>,
    port: &str,
    fields: &[(&str, &str)],
) -> [u8; DIGEST_BYTES] {
    let mut mac = HmacSha1::new_from_slice(token.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    for part in [url.scheme, url.host, port, url.rest] {
        mac.update(part.as_bytes());
    }
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.finalize().into_bytes().into()
}
