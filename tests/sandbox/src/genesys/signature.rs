//! `X-Hub-Signature-256`: `sha256=` and the Base64 (not hexadecimal) of HMAC-SHA256 over the body's bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_body_has_the_known_signature() {
        let body = br#"{"id":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","type":"Text","text":"hello"}"#;
        let signature = sign("0123456789abcdef0123456789abcdef", body);
        assert_eq!(
            signature,
            "sha256=QL3WDOwSEC5JZ2k65TGZpiTs4krO+m1dMEqyAehYTLE="
        );
    }
}
