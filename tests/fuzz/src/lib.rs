//! One function for each parser of bytes that a stranger chose. None may panic, whatever the bytes; beyond that each
//! checks what must hold of what was read.
//!
//! The same functions are run three ways: by libFuzzer (`fuzz/`, in `make soak`), over the seeds that are kept in
//! `fuzz/seeds`, and over random changes of those seeds (both in `make test`).

#![expect(
    clippy::missing_panics_doc,
    reason = "to panic is how a target says that it found something"
)]

mod answers;
mod configuration;
mod webhooks;

pub use answers::platform_answer;
pub use configuration::{genesys_secret, manifest, public_url, relay_config, twilio_secret};
pub use webhooks::{
    genesys_current, genesys_guide, genesys_signature, handshake, stored_message, twilio_inbound,
    twilio_signature, twilio_status,
};

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the function, of the file in `fuzz/fuzz_targets`, and of the folder in `fuzz/seeds`.
    pub name: &'static str,
    /// What it does with some bytes.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 14] = [
    target("twilio_inbound", twilio_inbound),
    target("twilio_status", twilio_status),
    target("twilio_signature", twilio_signature),
    target("genesys_current", genesys_current),
    target("genesys_guide", genesys_guide),
    target("genesys_signature", genesys_signature),
    target("handshake", handshake),
    target("platform_answer", platform_answer),
    target("manifest", manifest),
    target("relay_config", relay_config),
    target("public_url", public_url),
    target("genesys_secret", genesys_secret),
    target("twilio_secret", twilio_secret),
    target("stored_message", stored_message),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}
