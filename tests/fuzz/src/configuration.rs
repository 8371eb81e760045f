//! What a user writes: a manifest, the file that the operator renders, a public URL, Secrets.

use std::collections::BTreeMap;

use messaging_bridge_clients::secrets::{
    GENESYS_KEYS, GenesysSecret, OPERATOR_KEYS, OperatorSecret, TWILIO_KEYS, TwilioSecret,
};
use messaging_bridge_crds::RelayConfig;
use messaging_bridge_crds::offline::check_manifest;
use messaging_bridge_relay::outbox::SendId;
use messaging_bridge_relay::public_url::PublicUrl;
use messaging_bridge_relay::settings::{BaseUrls, Settings};

/// A manifest: what passes the offline check makes a configuration, or an error that says why.
pub fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match check_manifest(&text) {
        Ok(bridge) => {
            if let Ok(config) = RelayConfig::from_bridge(&bridge, "default") {
                settings(&config);
            }
        }
        Err(problems) => assert!(!problems.is_empty(), "a refusal names what is wrong"),
    }
}

/// The configuration that the operator renders.
pub fn relay_config(bytes: &[u8]) {
    if let Ok(config) = RelayConfig::parse(&String::from_utf8_lossy(bytes)) {
        settings(&config);
    }
}

fn settings(config: &RelayConfig) {
    let _ = Settings::from_config(config.clone(), &BaseUrls::default());
}

/// A public URL, then a path, then a query, one a line: a send's callback URL is always below it.
pub fn public_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let Ok(url) = PublicUrl::parse(lines.next().unwrap_or_default()) else {
        return;
    };
    // What is called and signed is what was written, and a URL.
    let base = url::Url::parse(&url.called("", None)).expect("the public URL is a URL");
    assert_eq!(base.path().trim_end_matches('/'), url.prefix());
    let path = lines.next().unwrap_or_default();
    let called = url.called(url.without_prefix(path), lines.next());
    assert!(called.to_ascii_lowercase().starts_with("http"));
    let callback = url.twilio_status(&SendId::new("0123456789abcdef"));
    assert!(callback.path().starts_with(url.prefix()));
}

/// A Genesys Secret: its keys' values, one after the other, each ended by a zero byte.
pub fn genesys_secret(bytes: &[u8]) {
    if let Ok(secret) = GenesysSecret::parse("genesys", "tests/acme", &keys(&GENESYS_KEYS, bytes)) {
        assert!(!secret.clients.is_empty() && !secret.webhook_secrets.is_empty());
    }
    if let Ok(secret) = OperatorSecret::parse("operator", &keys(&OPERATOR_KEYS, bytes)) {
        assert!(!secret.clients.is_empty());
    }
}

/// A Twilio Secret: as [`genesys_secret`].
pub fn twilio_secret(bytes: &[u8]) {
    if let Ok(secret) = TwilioSecret::parse("twilio", "tests/acme", &keys(&TWILIO_KEYS, bytes)) {
        assert!(!secret.auth_tokens.is_empty() && !secret.credentials.is_empty());
    }
}

fn keys(names: &[&str], bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    names
        .iter()
        .zip(bytes.split(|byte| *byte == 0))
        .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
        .collect()
}
