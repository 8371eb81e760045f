//! The public address of the relay: what both platforms call, and what Twilio signs.
//!
//! A proxy may pass the prefix of the public URL on or strip it. The signed URL is always rebuilt from the configured
//! one, the path without the prefix, and the raw query: forwarded headers are never trusted.

use messaging_bridge_clients::webhooks::WebhookUrls;
pub use messaging_bridge_clients::webhooks::{
    GENESYS_OUTBOUND, PublicUrlError, TWILIO_INBOUND, TWILIO_STATUS,
};
use url::Url;

use crate::outbox::SendId;

/// The configured public URL.
#[derive(Debug, Clone)]
pub struct PublicUrl {
    webhooks: WebhookUrls,
}

impl PublicUrl {
    /// Reads a public URL. The manifest's rules are stricter; this only refuses what could not be served or signed.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        Ok(Self {
            webhooks: WebhookUrls::parse(text)?,
        })
    }

    /// What both platforms should call.
    pub fn webhooks(&self) -> &WebhookUrls {
        &self.webhooks
    }

    /// The path of the public URL, without a trailing slash; empty when it has none.
    pub fn prefix(&self) -> &str {
        self.webhooks.prefix()
    }

    /// A received path without the prefix, whether the proxy stripped it or not.
    pub fn without_prefix<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(self.prefix()) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }

    /// The URL that a platform called, as far as it signs it.
    pub fn called(&self, path: &str, query: Option<&str>) -> String {
        let path = self.without_prefix(path);
        let base = self.webhooks.base();
        match query {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        }
    }

    /// Where Twilio reports what becomes of a send. The send's own id stands in it, so that a callback that comes
    /// before (or without) the answer is recognised.
    ///
    /// # Panics
    ///
    /// Never: the base was parsed, and ids hold only letters and digits.
    pub fn twilio_status(&self, send: &SendId) -> Url {
        Url::parse(&format!(
            "{}{}",
            self.webhooks.twilio_status(),
            send.as_str()
        ))
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
}
