//! `X-Twilio-Signature`: Base64 of HMAC-SHA1, keyed by the auth token, over the URL and the sorted form fields.
//!
//! Written from Twilio's description (<https://www.twilio.com/docs/usage/security>), apart from the bridge's own
//! verification, so that one proves the other.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Signs a form posted to this URL. Fragment and credentials of the URL are not part of what is signed.
pub(crate) fn sign(auth_token: &str, url: &str, fields: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let mut mac =
        Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(requested(url).as_bytes());
    for (name, values) in sorted {
        for value in values {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The URL as Twilio requests it: as it was given, without fragment and credentials.
pub(crate) fn requested(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_published_example_is_reproduced() {
        let fields = fields(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675310"),
            ("Digits", "1234"),
            ("From", "+14158675310"),
            ("To", "+18005551212"),
        ]);
        let signature = sign(
            "12345",
            "https://example.com/myapp.php?foo=1&bar=2",
            &fields,
        );
        assert_eq!(signature, "L/OH5YylLD5NRKLltdqwSvS0BnU=");
    }

    #[test]
    fn a_repeated_name_is_signed_with_its_distinct_values_in_order() {
        let url = "https://example.com/";
        let repeated = sign("k", url, &fields(&[("X", "b"), ("X", "a"), ("X", "a")]));
        assert_eq!(repeated, sign("k", url, &fields(&[("X", "aXb")])));
    }

    #[test]
    fn fragment_and_credentials_are_not_requested() {
        let table = [
            ("https://h/p#rc=3&rp=all", "https://h/p"),
            ("https://user:p%40ss@h/p?q=a@b", "https://h/p?q=a@b"),
            ("https://h:8443/p", "https://h:8443/p"),
            ("https://h/p?x=1@2", "https://h/p?x=1@2"),
        ];
        for (given, expected) in table {
            assert_eq!(requested(given), expected);
        }
    }
}
