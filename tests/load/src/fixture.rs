//! The bridge that is measured: its number, accounts and Secrets, and how its messages are numbered.
//!
//! A message is known by its index all the way: in its `MessageSid` or Genesys id on the way in, and in its id or text
//! where it comes out. Message `i` belongs to customer `i % CUSTOMERS`.

use std::fs;
use std::path::Path;

use messaging_bridge_crds::{
    BridgeName, OnUnresolved, QueueLimits, RELAY_CONFIG_VERSION, RelayConfig, RelayGenesys,
    RelayTwilio, WireProfile,
};

use crate::error::LoadError;

/// The account that signs.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// What it signs with.
pub(crate) const AUTH_TOKEN: &str = "load-auth-token";
/// What Genesys signs with.
pub(crate) const WEBHOOK_SECRET: &str = "load-webhook-secret";
/// The bridge's number.
pub(crate) const NUMBER: &str = "+15551230000";
/// The integration's id.
pub(crate) const INTEGRATION: &str = "11111111-2222-3333-4444-555555555555";
/// What Twilio signs, without the path.
pub(crate) const PUBLIC_URL: &str = "https://bridge.example.com";
/// Where Twilio posts.
pub(crate) const TWILIO_PATH: &str = "/twilio/inbound";
/// Where Genesys posts.
pub(crate) const GENESYS_PATH: &str = "/genesys/outbound";

/// Conversations. A multiple of the connections, so that each conversation stays on one and has an order.
pub(crate) const CUSTOMERS: usize = 1024;

/// The most that the schema lets a user allow: 16,000 requests a second, more than a relay makes.
const REQUESTS_PER_MINUTE: u32 = 1_000_000;
/// The same towards Twilio.
const MESSAGES_PER_SECOND: u32 = 10_000;

/// So large that no scenario meets it.
const QUEUE_BYTES: u64 = 16 << 30;
const QUEUE_MESSAGES: u64 = 16 << 20;

const GENESYS_SECRET: &str = "genesys";
const TWILIO_SECRET: &str = "twilio";

/// The customer of a message.
pub(crate) fn customer(index: usize) -> String {
    format!("+1415555{:04}", index % CUSTOMERS)
}

/// The Genesys id of a message: 32 digits that look random from the first on, as both platforms' ids do. Ids in
/// ascending order would be kinder to the store's indexes than any platform is.
pub(crate) fn message_id(index: usize) -> String {
    /// 2^64 divided by the golden ratio: its multiples are scattered evenly.
    const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;
    let scattered = (index as u64).wrapping_mul(SCATTER);
    format!("{scattered:016x}{index:016x}")
}

/// The `MessageSid` of a message.
pub(crate) fn message_sid(index: usize) -> String {
    format!("SM{}", message_id(index))
}

/// Which message has this `MessageSid`.
pub(crate) fn index_of_sid(sid: &str) -> Option<usize> {
    usize::from_str_radix(sid.strip_prefix("SM")?.get(16..)?, 16).ok()
}

/// The text of a message, of an ordinary length.
pub(crate) fn text(index: usize) -> String {
    format!(
        "About order #{index}: it left our warehouse this morning and arrives tomorrow, says the courier."
    )
}

/// Which message has this text.
pub(crate) fn index_of_text(text: &str) -> Option<usize> {
    let (_, rest) = text.split_once('#')?;
    rest.split_once(':')?.0.parse().ok()
}

/// The configuration, as the operator would render it.
pub(crate) fn relay_config() -> RelayConfig {
    RelayConfig {
        version: RELAY_CONFIG_VERSION,
        bridge: BridgeName {
            namespace: "load".to_owned(),
            name: "load".to_owned(),
        },
        genesys: RelayGenesys {
            api_host: "api.mypurecloud.com".to_owned(),
            login_host: "login.mypurecloud.com".to_owned(),
            integration_name: "load-sms".to_owned(),
            integration_id: Some(INTEGRATION.to_owned()),
            wire_profile: WireProfile::Current,
            requests_per_minute: Some(REQUESTS_PER_MINUTE),
            failure_notices: false,
            credentials: GENESYS_SECRET.to_owned(),
        },
        twilio: RelayTwilio {
            number: NUMBER.to_owned(),
            region: None,
            edge: None,
            validity_seconds: 4 * 60 * 60,
            on_unresolved: OnUnresolved::Fail,
            messages_per_second: Some(MESSAGES_PER_SECOND),
            credentials: TWILIO_SECRET.to_owned(),
        },
        public_url: PUBLIC_URL.to_owned(),
        queue: QueueLimits {
            max_bytes: QUEUE_BYTES,
            max_messages: QUEUE_MESSAGES,
        },
    }
}

/// The same without a word on Genesys' limit.
pub(crate) fn limited_config() -> RelayConfig {
    let mut config = relay_config();
    config.genesys.requests_per_minute = None;
    config
}

/// Writes the Secrets as Kubernetes would mount them.
pub(crate) fn write_secrets(directory: &Path) -> Result<(), LoadError> {
    write_client_secret(directory, "first")?;
    for (secret, key, value) in [
        (GENESYS_SECRET, "clientId", "load"),
        (GENESYS_SECRET, "webhookSecret", WEBHOOK_SECRET),
        (TWILIO_SECRET, "accountSid", ACCOUNT),
        (TWILIO_SECRET, "authToken", AUTH_TOKEN),
    ] {
        write(&directory.join(secret).join(key), value)?;
    }
    Ok(())
}

/// Writes the secret of the OAuth client; another value is a rotation.
pub(crate) fn write_client_secret(directory: &Path, value: &str) -> Result<(), LoadError> {
    write(&directory.join(GENESYS_SECRET).join("clientSecret"), value)
}

/// Writes a file, with its directory.
pub(crate) fn write(path: &Path, content: &str) -> Result<(), LoadError> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, content));
    written.map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_sid_and_by_text() {
        for index in [0, 7, 123_456] {
            assert_eq!(index_of_sid(&message_sid(index)), Some(index));
            assert_eq!(index_of_text(&text(index)), Some(index));
        }
        assert_eq!(index_of_sid("SM01"), None);
        assert_eq!(index_of_text("Hello"), None);
    }

    #[test]
    fn the_relay_reads_this_configuration() {
        let config = relay_config();
        let written = serde_json::to_string(&config);
        assert!(written.is_ok_and(|text| RelayConfig::parse(&text) == Ok(config)));
    }
}
