//! The public address of the relay: what both platforms call, and what Twilio signs.
//!
//! A proxy may pass the prefix of the public URL on or strip it. The signed URL is always rebuilt from the configured
//! one, the path without the prefix, and the raw query: forwarded headers are never trusted.

use url::Url;

use crate::outbox::SendId;

/// Where Twilio posts inbound messages, below the public URL.
pub const TWILIO_INBOUND: &str = "/twilio/inbound";
/// Where Twilio posts statuses, below the public URL, followed by the send's id.
pub const TWILIO_STATUS: &str = "/twilio/status/";
/// Where Genesys posts agents' messages, below the public URL.
pub const GENESYS_OUTBOUND: &str = "/genesys/outbound";

/// The configured public URL, without a trailing slash.
#[derive(Debug, Clone)]
pub struct PublicUrl {
    base: String,
    prefix: String,
}

/// The configured public URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("publicUrl: {reason}; write it like https://bridge.example.com/acme")]
pub struct PublicUrlError {
    reason: &'static str,
}

impl PublicUrl {
    /// Reads a public URL. The manifest's rules are stricter; this only refuses what could not be served or signed.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let refuse = |reason| PublicUrlError { reason };
        let url = Url::parse(text).map_err(|_| refuse("not a URL"))?;
        if url.scheme() != "https" {
            return Err(refuse("must begin with https://"));
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(refuse("must have no query, fragment or credentials"));
        }
        let plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'~' | b'-')
        };
        if !url.path().bytes().all(plain) || url.path().contains("//") {
            return Err(refuse("its path must be plain"));
        }
        let base = text.trim_end_matches('/').to_owned();
        Ok(Self {
            base,
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The path of the public URL, without a trailing slash; empty when it has none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A received path without the prefix, whether the proxy stripped it or not.
    pub fn without_prefix<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(self.prefix.as_str()) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }

    /// The URL that a platform called, as far as it signs it.
    pub fn called(&self, path: &str, query: Option<&str>) -> String {
        let path = self.without_prefix(path);
        match query {
            Some(query) => format!("{}{path}?{query}", self.base),
            None => format!("{}{path}", self.base),
        }
    }

    /// The value to set as the number's message webhook.
    pub fn twilio_inbound(&self) -> String {
        format!("{}{TWILIO_INBOUND}", self.base)
    }

    /// The value to set as the integration's outbound webhook.
    pub fn genesys_outbound(&self) -> String {
        format!("{}{GENESYS_OUTBOUND}", self.base)
    }

    /// Where Twilio reports what becomes of a send. The send's own id stands in it, so that a callback that comes
    /// before (or without) the answer is recognised.
    ///
    /// # Panics
    ///
    /// Never: the base was parsed, and ids hold only letters and digits.
    pub fn twilio_status(&self, send: &SendId) -> Url {
        Url::parse(&format!("{}{TWILIO_STATUS}{}", self.base, send.as_str()))
            .expect("the base was parsed and ids hold only letters and digits")
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "the prefix arrives",
        "https://b.example.com/acme",
        "/acme/twilio/inbound",
        None
    )]
    #[case(
        "the proxy strips it",
        "https://b.example.com/acme",
        "/twilio/inbound",
        None
    )]
    #[case(
        "a trailing slash is configured",
        "https://b.example.com/acme/",
        "/twilio/inbound",
        None
    )]
    fn the_called_url_has_the_prefix_once(
        #[case] case: &str,
        #[case] configured: &str,
        #[case] path: &str,
        #[case] query: Option<&str>,
    ) {
        let url = PublicUrl::parse(configured).unwrap();
        assert_eq!(
            url.called(path, query),
            "https://b.example.com/acme/twilio/inbound",
            "{case}"
        );
    }

    #[test]
    fn the_raw_query_is_kept_as_it_came() {
        let url = PublicUrl::parse("https://b.example.com").unwrap();
        assert_eq!(
            url.called("/genesys/outbound", Some("b=%41&a")),
            "https://b.example.com/genesys/outbound?b=%41&a"
        );
    }

    #[test]
    fn a_longer_first_segment_is_not_the_prefix() {
        let url = PublicUrl::parse("https://b.example.com/acme").unwrap();
        assert_eq!(
            url.without_prefix("/acmecorp/twilio/inbound"),
            "/acmecorp/twilio/inbound"
        );
    }

    #[test]
    fn a_send_is_named_in_its_callback() {
        let url = PublicUrl::parse("https://b.example.com/acme").unwrap();
        assert_eq!(
            url.twilio_status(&SendId::new("a1")).as_str(),
            "https://b.example.com/acme/twilio/status/a1"
        );
    }

    #[rstest]
    #[case("http://b.example.com", "must begin with https://")]
    #[case("https://b.example.com/?x=1", "must have no query")]
    #[case("https://b.example.com/{a}", "must be plain")]
    #[case("bridge", "not a URL")]
    fn what_cannot_be_served_is_refused(#[case] configured: &str, #[case] reason: &str) {
        let error = PublicUrl::parse(configured).unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.starts_with("publicUrl: "),
            "{error}"
        );
    }
}
