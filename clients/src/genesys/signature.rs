//! The signature of Genesys' webhook: `X-Hub-Signature-256: sha256=<base64(HMAC-SHA256(secret, raw body))>`.
//!
//! Base64, not the hexadecimal that GitHub and Meta put under the same header name (developer.genesys.cloud,
//! openmessaging/validate.html). It covers the raw bytes and nothing else: no time, no nonce. Whoever verifies must
//! also de-duplicate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// The header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";
const SCHEME: &str = "sha256=";
const DIGEST_BYTES: usize = 32;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature header.
    #[error("the request carries no X-Hub-Signature-256 header")]
    Missing,
    /// The header is not `sha256=` and the base64 of 32 bytes.
    #[error("the X-Hub-Signature-256 header is not sha256= followed by base64 of 32 bytes")]
    Malformed,
    /// No secret of ours made this signature.
    #[error("the signature matches none of the webhook secrets")]
    Mismatch,
}

/// Accepts `body` if any of `secrets` signed it. During a rotation several secrets are valid.
pub fn verify(
    secrets: &[SecretString],
    header: Option<&str>,
    body: &[u8],
) -> Result<(), SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let claimed = decode(header).ok_or(SignatureError::Malformed)?;
    let mut matched = Choice::from(0);
    for secret in secrets {
        matched |= digest(secret, body).ct_eq(&claimed);
    }
    if bool::from(matched) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

/// The header value for `body`: for tests and for whoever plays Genesys.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    format!("{SCHEME}{}", STANDARD.encode(digest(secret, body)))
}

fn decode(header: &str) -> Option<[u8; DIGEST_BYTES]> {
    let encoded = header.strip_prefix(SCHEME)?;
    STANDARD.decode(encoded).ok()?.try_into().ok()
}

fn digest(secret: &SecretString, body: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const BODY: &[u8] =
        br#"{"id":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","type":"Text","text":"hello"}"#;
    const SIGNATURE: &str = "sha256=QL3WDOwSEC5JZ2k65TGZpiTs4krO+m1dMEqyAehYTLE=";

    fn secrets(values: &[&str]) -> Vec<SecretString> {
        values.iter().copied().map(SecretString::from).collect()
    }

    #[test]
    fn the_known_vector_is_signed_and_accepted() {
        assert_eq!(sign(&SecretString::from(KEY), BODY), SIGNATURE);
        assert_eq!(verify(&secrets(&[KEY]), Some(SIGNATURE), BODY), Ok(()));
    }

    #[rstest]
    #[case::first(&[KEY, "another secret of ours"])]
    #[case::last(&["another secret of ours", KEY])]
    fn any_of_several_secrets_is_accepted(#[case] keys: &[&str]) {
        assert_eq!(verify(&secrets(keys), Some(SIGNATURE), BODY), Ok(()));
    }

    #[rstest]
    #[case::no_header(None, SignatureError::Missing)]
    #[case::empty(Some(""), SignatureError::Malformed)]
    #[case::no_scheme(
        Some("QL3WDOwSEC5JZ2k65TGZpiTs4krO+m1dMEqyAehYTLE="),
        SignatureError::Malformed
    )]
    #[case::other_scheme(
        Some("sha1=QL3WDOwSEC5JZ2k65TGZpiTs4krO+m1dMEqyAehYTLE="),
        SignatureError::Malformed
    )]
    #[case::not_base64(Some("sha256=%%%"), SignatureError::Malformed)]
    #[case::hex_like_github(
        Some("sha256=40bdd60cec12102e4967693ae53199a624ece24aceFa6d5d304ab201e8584cb1"),
        SignatureError::Malformed
    )]
    #[case::too_short(Some("sha256=QL3W"), SignatureError::Malformed)]
    #[case::other_signature(
        Some("sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        SignatureError::Mismatch
    )]
    fn what_we_cannot_prove_is_refused(
        #[case] header: Option<&str>,
        #[case] expected: SignatureError,
    ) {
        assert_eq!(verify(&secrets(&[KEY]), header, BODY), Err(expected));
    }

    #[test]
    fn without_a_secret_nothing_is_accepted() {
        assert_eq!(
            verify(&[], Some(SIGNATURE), BODY),
            Err(SignatureError::Mismatch)
        );
    }

    proptest! {
        #[test]
        fn what_we_sign_we_accept_and_any_changed_byte_is_refused(
            key in ".{1,80}",
            body in prop::collection::vec(any::<u8>(), 1..300),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let secret = SecretString::from(key);
            let header = sign(&secret, &body);
            let secrets = [secret];
            prop_assert_eq!(verify(&secrets, Some(&header), &body), Ok(()));
            let mut forged = body.clone();
            forged[at.index(body.len())] ^= flip;
            prop_assert_eq!(verify(&secrets, Some(&header), &forged), Err(SignatureError::Mismatch));
        }
    }
}
