//! The addresses that both platforms call, all below the bridge's public URL.

use url::Url;

/// Where Twilio posts inbound messages, below the public URL.
pub const TWILIO_INBOUND: &str = "/twilio/inbound";
/// Where Twilio posts statuses, below the public URL, followed by the send's id.
pub const TWILIO_STATUS: &str = "/twilio/status/";
/// Where Genesys posts agents' messages, below the public URL.
pub const GENESYS_OUTBOUND: &str = "/genesys/outbound";

/// The fragment of the number's message webhook.
pub(super) const RETRIES: &str = "#rc=3&rp=ct,rt,5xx&rt=4000";

/// The addresses below one public URL, which is kept as it is written, but for a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrls {
    base: String,
    prefix: String,
}

/// The public URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("publicUrl: {reason}; write it like https://bridge.example.com/acme")]
pub struct PublicUrlError {
    reason: &'static str,
}

impl WebhookUrls {
    /// Reads a public URL. The manifest's rules are stricter; this only refuses what could not be served or signed.
    pub fn parse(public_url: &str) -> Result<Self, PublicUrlError> {
        let refuse = |reason| PublicUrlError { reason };
        // The parser forgives these, and what is kept is what was written.
        if public_url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(refuse("must have no spaces or control characters"));
        }
        let url = Url::parse(public_url).map_err(|_| refuse("not a URL"))?;
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
        let prefix = url.path().trim_end_matches('/');
        let written = public_url
            .split_once("://")
            .map(|(_, after)| after.split_at(after.find('/').unwrap_or(after.len())));
        match written {
            Some((host, path)) if !host.is_empty() && path.trim_end_matches('/') == prefix => {}
            _ => return Err(refuse("must be written as it is called")),
        }
        Ok(Self {
            base: public_url.trim_end_matches('/').to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// The public URL without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The path of the public URL without a trailing slash; empty when it has none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where customers' messages are posted.
    pub fn twilio_inbound(&self) -> String {
        format!("{}{TWILIO_INBOUND}", self.base)
    }

    /// The value to set as the number's message webhook: the address, and the retries that Twilio is asked for in its
    /// fragment (Twilio: Webhook connection overrides). By default a slow or failed answer is not retried at all.
    pub fn twilio_inbound_with_retries(&self) -> String {
        format!("{}{TWILIO_INBOUND}{RETRIES}", self.base)
    }

    /// What statuses are posted below; the send's id follows.
    pub fn twilio_status(&self) -> String {
        format!("{}{TWILIO_STATUS}", self.base)
    }

    /// The value to set as the integration's outbound webhook.
    pub fn genesys_outbound(&self) -> String {
        format!("{}{GENESYS_OUTBOUND}", self.base)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::with_a_prefix("https://b.example.com/acme", "https://b.example.com/acme", "/acme")]
    #[case::with_a_slash("https://b.example.com/acme/", "https://b.example.com/acme", "/acme")]
    #[case::without_a_path("https://b.example.com", "https://b.example.com", "")]
    #[case::with_the_port("https://b.example.com:443/a", "https://b.example.com:443/a", "/a")]
    fn all_addresses_lie_below_the_public_url_as_written(
        #[case] public_url: &str,
        #[case] base: &str,
        #[case] prefix: &str,
    ) {
        let urls = WebhookUrls::parse(public_url).unwrap();
        assert_eq!(urls.twilio_inbound(), format!("{base}/twilio/inbound"));
        assert_eq!(
            urls.twilio_inbound_with_retries(),
            format!("{base}/twilio/inbound#rc=3&rp=ct,rt,5xx&rt=4000")
        );
        assert_eq!(urls.twilio_status(), format!("{base}/twilio/status/"));
        assert_eq!(urls.genesys_outbound(), format!("{base}/genesys/outbound"));
        assert_eq!((urls.base(), urls.prefix()), (base, prefix));
    }

    #[rstest]
    #[case("http://b.example.com", "must begin with https://")]
    #[case("https://b.example.com/?x=1", "must have no query")]
    #[case("https://b.example.com/#x", "must have no query")]
    #[case("https://me@b.example.com/", "must have no query")]
    #[case("https://b.example.com/{a}", "must be plain")]
    #[case("https://b.example.com//a", "must be plain")]
    #[case("bridge", "not a URL")]
    #[case("https://b.example.com/acme ", "no spaces or control")]
    #[case("https://b.example.com\0", "no spaces or control")]
    #[case("https://b.exam\nple.com", "no spaces or control")]
    #[case("https:b.example.com", "written as it is called")]
    #[case("https:///b.example.com", "written as it is called")]
    #[case("https://b.example.com\\acme", "written as it is called")]
    #[case("https://b.example.com/a/../b", "written as it is called")]
    fn what_cannot_be_served_is_refused(#[case] public_url: &str, #[case] reason: &str) {
        let error = WebhookUrls::parse(public_url).unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.starts_with("publicUrl: "),
            "{error}"
        );
    }
}
