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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// Twilio's published vector.
    const TOKEN: &str = "12345";
    const URL: &str = "https://example.com/myapp.php?foo=1&bar=2";
    const SIGNATURE: &str = "L/OH5YylLD5NRKLltdqwSvS0BnU=";
    const FIELDS: [(&str, &str); 5] = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675310"),
        ("Digits", "1234"),
        ("From", "+14158675310"),
        ("To", "+18005551212"),
    ];

    fn tokens(values: &[&str]) -> Vec<SecretString> {
        values.iter().copied().map(SecretString::from).collect()
    }

    fn form(fields: &[(&str, &str)]) -> FormFields {
        fields.iter().copied().collect()
    }

    /// What is accepted when Twilio signed `signed` and we believe that the public URL is `seen`.
    fn accepts(signed: &str, seen: &str) -> bool {
        let token = tokens(&[TOKEN]);
        let fields = form(&FIELDS);
        let body = SignedBody::Form(&fields);
        verify(&token, Some(&sign(&token[0], signed, &body)), seen, &body).is_ok()
    }

    #[test]
    fn the_published_vector_is_signed_and_accepted() {
        let fields = form(&FIELDS);
        let body = SignedBody::Form(&fields);
        let token = tokens(&[TOKEN]);
        assert_eq!(sign(&token[0], URL, &body), SIGNATURE);
        assert_eq!(verify(&token, Some(SIGNATURE), URL, &body), Ok(()));
    }

    #[test]
    fn the_order_of_the_fields_does_not_matter() {
        let mut reversed = FIELDS;
        reversed.reverse();
        let fields = form(&reversed);
        let body = SignedBody::Form(&fields);
        assert_eq!(
            verify(&tokens(&[TOKEN]), Some(SIGNATURE), URL, &body),
            Ok(())
        );
    }

    #[rstest]
    #[case::first(&[TOKEN, "next"])]
    #[case::last(&["former", TOKEN])]
    fn any_of_several_tokens_is_accepted(#[case] values: &[&str]) {
        let fields = form(&FIELDS);
        let body = SignedBody::Form(&fields);
        assert_eq!(verify(&tokens(values), Some(SIGNATURE), URL, &body), Ok(()));
    }

    #[rstest]
    #[case::default_port_seen("https://h/p", "https://h:443/p", true)]
    #[case::default_port_signed("https://h:443/p", "https://h/p", true)]
    #[case::other_port_seen("https://h/p", "https://h:8443/p", true)]
    #[case::other_port_signed("https://h:8443/p", "https://h/p", false)]
    #[case::http_default_port_signed("http://h:80/p", "http://h/p", true)]
    #[case::credentials_are_stripped("https://h/p", "https://u:pw@h/p", true)]
    #[case::same_other_port("https://h:8443/p", "https://h:8443/p", true)]
    #[case::fragment_is_not_signed("https://h/p", "https://h/p#rc=3", true)]
    #[case::trailing_slash_matters("https://h/p", "https://h/p/", false)]
    #[case::scheme_matters("https://h/p", "http://h/p", false)]
    #[case::host_matters("https://h/p", "https://i/p", false)]
    #[case::query_matters("https://h/p?a=1", "https://h/p?a=2", false)]
    #[case::query_is_not_reordered("https://h/p?a=1&b=2", "https://h/p?b=2&a=1", false)]
    #[case::query_bytes_are_kept("https://h/p?a=%27", "https://h/p?a='", false)]
    #[case::query_without_path("https://h?a=1", "https://h:443?a=1", true)]
    #[case::at_sign_in_the_path("https://h/p@q", "https://h:443/p@q", true)]
    #[case::ipv6("https://[::1]/p", "https://[::1]:443/p", true)]
    fn the_url_is_tried_in_its_port_variants(
        #[case] signed: &str,
        #[case] seen: &str,
        #[case] accepted: bool,
    ) {
        assert_eq!(accepts(signed, seen), accepted);
    }

    #[rstest]
    #[case::repeated_values_are_distinct_and_sorted(
        &[("X", "b"), ("X", "a"), ("X", "a")], &[("X", "a"), ("X", "b")], true)]
    #[case::empty_values_still_count(&[("A", ""), ("B", "1")], &[("B", "1")], false)]
    #[case::names_sort_by_byte(&[("a", "1"), ("B", "2")], &[("B", "2"), ("a", "1")], true)]
    #[case::whitespace_counts(&[("Body", " hi ")], &[("Body", "hi")], false)]
    #[case::an_unknown_field_counts(&[("Body", "hi"), ("New", "1")], &[("Body", "hi")], false)]
    fn fields_are_signed_by_the_rule(
        #[case] left: &[(&str, &str)],
        #[case] right: &[(&str, &str)],
        #[case] same: bool,
    ) {
        let token = SecretString::from(TOKEN);
        let (left, right) = (form(left), form(right));
        let left = sign(&token, URL, &SignedBody::Form(&left));
        let right = sign(&token, URL, &SignedBody::Form(&right));
        assert_eq!(left == right, same);
    }

    #[test]
    fn repeated_values_are_signed_as_the_official_sdk_signs_them() {
        // X=[b, a, a] is signed as the URL followed by XaXb.
        let token = SecretString::from(TOKEN);
        let repeated = form(&[("X", "b"), ("X", "a"), ("X", "a")]);
        let spelled_out = sign(&token, "https://h/pXaXb", &SignedBody::Empty);
        assert_eq!(
            sign(&token, "https://h/p", &SignedBody::Form(&repeated)),
            spelled_out
        );
    }

    #[rstest]
    #[case::no_header(None, SignatureError::Missing)]
    #[case::empty(Some(""), SignatureError::Malformed)]
    #[case::not_base64(Some("%%%"), SignatureError::Malformed)]
    #[case::too_long(
        Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        SignatureError::Malformed
    )]
    #[case::other_signature(Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA="), SignatureError::Mismatch)]
    fn what_we_cannot_prove_is_refused(
        #[case] header: Option<&str>,
        #[case] expected: SignatureError,
    ) {
        let fields = form(&FIELDS);
        let body = SignedBody::Form(&fields);
        assert_eq!(verify(&tokens(&[TOKEN]), header, URL, &body), Err(expected));
        assert_eq!(
            verify(&[], Some(SIGNATURE), URL, &body),
            Err(SignatureError::Mismatch)
        );
    }

    /// `printf '{"a":1}' | sha256sum`.
    const JSON_URL: &str =
        "https://h/p?bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
    const JSON: &[u8] = br#"{"a":1}"#;

    #[test]
    fn a_json_body_is_covered_by_the_hash_in_the_url() {
        let token = tokens(&[TOKEN]);
        let header = sign(&token[0], JSON_URL, &SignedBody::Json(JSON));
        let check = |url, body| verify(&token, Some(&header), url, &body);
        assert_eq!(check(JSON_URL, SignedBody::Json(JSON)), Ok(()));
        assert_eq!(
            check(JSON_URL, SignedBody::Json(br#"{"a":2}"#)),
            Err(SignatureError::BodyHashMismatch)
        );
        assert_eq!(
            check("https://h/p", SignedBody::Json(JSON)),
            Err(SignatureError::BodyHashMissing)
        );
        assert_eq!(
            check("https://h/p?bodySHA256=", SignedBody::Json(JSON)),
            Err(SignatureError::BodyHashMismatch)
        );
    }

    #[test]
    fn a_form_is_never_excused_by_a_hash_in_the_query() {
        let token = tokens(&[TOKEN]);
        let header = sign(&token[0], JSON_URL, &SignedBody::Json(JSON));
        let fields = form(&FIELDS);
        let body = SignedBody::Form(&fields);
        assert_eq!(
            verify(&token, Some(&header), JSON_URL, &body),
            Err(SignatureError::Mismatch)
        );
    }

    #[rstest]
    #[case::absent(None, true)]
    #[case::no_algorithm(Some("key=webhooks_sharedkey_1"), true)]
    #[case::sha1(Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA1"), true)]
    #[case::sha256(Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"), false)]
    #[case::spaced(Some("key=k, algorithm = HMAC_SHA256"), false)]
    #[case::unknown(Some("algorithm=none"), false)]
    #[case::one_of_two(Some("algorithm=HMAC_SHA1,algorithm=HMAC_SHA256"), false)]
    fn another_algorithm_is_recognised(#[case] settings: Option<&str>, #[case] expected: bool) {
        assert_eq!(is_hmac_sha1(settings), expected);
    }

    proptest! {
        #[test]
        fn what_we_sign_we_accept_and_any_changed_byte_is_refused(
            token in ".{1,40}",
            fields in prop::collection::vec(("[A-Za-z0-9]{1,12}", ".{0,40}"), 0..12),
            url in "https://[a-z]{1,8}(:[0-9]{2,4})?/[a-z/]{0,12}(\\?[a-z]=[a-z%0-9]{0,8})?",
            at in any::<prop::sample::Index>(),
            flip in 1u8..128,
        ) {
            let tokens = [SecretString::from(token)];
            let fields: FormFields = fields.into_iter().collect();
            let body = SignedBody::Form(&fields);
            let header = sign(&tokens[0], &url, &body);
            prop_assert_eq!(verify(&tokens, Some(&header), &url, &body), Ok(()));

            let mut bytes = header.clone().into_bytes();
            let index = at.index(bytes.len());
            bytes[index] ^= flip;
            let forged = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert!(verify(&tokens, Some(&forged), &url, &body).is_err());
        }

        #[test]
        fn a_changed_field_is_refused(
            values in prop::collection::vec("[a-z0-9]{1,10}", 1..8),
            at in any::<prop::sample::Index>(),
        ) {
            let tokens = [SecretString::from(TOKEN)];
            let named = |values: &[String]| -> FormFields {
                values.iter().enumerate().map(|(n, value)| (format!("F{n}."), value.clone())).collect()
            };
            let original = named(&values);
            let header = sign(&tokens[0], URL, &SignedBody::Form(&original));
            let mut changed = values.clone();
            changed[at.index(values.len())].push('!');
            let changed = named(&changed);
            prop_assert_eq!(
                verify(&tokens, Some(&header), URL, &SignedBody::Form(&changed)),
                Err(SignatureError::Mismatch)
            );
        }

        #[test]
        fn no_url_makes_verification_panic(url in ".{0,60}") {
            let tokens = [SecretString::from(TOKEN)];
            let _ = verify(&tokens, Some(SIGNATURE), &url, &SignedBody::Json(b"{}"));
        }
    }
}
