//! Addresses of others: compared with ours, and shown without what they may hold secret.

use url::Url;

use crate::mask;

/// The longest address that is shown, in characters.
const LONGEST: usize = 200;

/// Whether both are one address. How a host's letters are written, a default port and Twilio's fragment, which only
/// tunes the connection, do not matter; credentials and a query do.
pub(super) fn same_address(set: &str, wanted: &str) -> bool {
    let parsed = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_fragment(None);
        Some(url)
    };
    parsed(set).is_some_and(|set| Some(set) == parsed(wanted))
}

/// A foreign address for people: no credentials, no query, no numbers, bounded.
pub(super) fn address(text: &str) -> String {
    let plain = match Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            url.set_fragment(None);
            let query = url.query().is_some();
            url.set_query(None);
            let named = !url.username().is_empty() || url.password().is_some();
            // Fails only where there is no host, and so no credentials either.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            let mut shown = url.to_string();
            if query {
                shown.push_str("?…");
            }
            if named {
                shown.push_str(" (with credentials)");
            }
            shown
        }
        _ => "something that is not a URL".to_owned(),
    };
    mask::numbers_in(&plain).chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const WANTED: &str = "https://b.example.com/acme/twilio/inbound";

    #[rstest]
    #[case::exactly(WANTED, true)]
    #[case::with_a_fragment("https://b.example.com/acme/twilio/inbound#rc=3", true)]
    #[case::with_the_default_port("https://b.example.com:443/acme/twilio/inbound", true)]
    #[case::in_capitals("https://B.Example.com/acme/twilio/inbound", true)]
    #[case::path_in_capitals("https://b.example.com/Acme/twilio/inbound", false)]
    #[case::a_slash_more("https://b.example.com/acme/twilio/inbound/", false)]
    #[case::plain_http("http://b.example.com/acme/twilio/inbound", false)]
    #[case::with_a_query("https://b.example.com/acme/twilio/inbound?a=1", false)]
    #[case::another_port("https://b.example.com:8443/acme/twilio/inbound", false)]
    #[case::not_a_url("acme", false)]
    fn an_address_is_the_same_however_it_is_written(#[case] set: &str, #[case] same: bool) {
        assert_eq!(same_address(set, WANTED), same);
    }

    #[rstest]
    #[case::plain("https://x.example/a#rc=3", "https://x.example/a")]
    #[case::with_a_token("https://x.example/a?token=abc", "https://x.example/a?…")]
    #[case::with_a_name("https://me@x.example/a", "https://x.example/a (with credentials)")]
    #[case::with_a_password(
        "https://me:pass@x.example/a",
        "https://x.example/a (with credentials)"
    )]
    #[case::with_a_number("https://x.example/+15551230000", "https://x.example/+1•••••••00")]
    #[case::without_a_host("me:pass@x.example/a", "something that is not a URL")]
    #[case::nothing_like_it("pass word", "something that is not a URL")]
    fn a_foreign_address_keeps_its_secrets(#[case] set: &str, #[case] shown: &str) {
        assert_eq!(address(set), shown);
    }
}
