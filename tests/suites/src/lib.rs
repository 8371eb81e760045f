//! What the suites that cross crates share: a tenant on disk, the relay as a real process, and the sandbox beside it.
//!
//! The relay is its own binary with the named steps compiled in; the platforms are the sandbox, over real HTTP. Every
//! line that a relay logs is kept, and scanned for numbers, bodies and secrets when the relay ends; so are its metrics, its
//! status, and what its commands say.

pub mod collector;
pub mod command;
pub mod crash;
pub mod doubt;
pub mod healing;
pub mod hostile;
pub mod load;
pub mod power;
pub mod process;
pub mod signed;
pub mod tenant;
pub mod verdict;

use std::future::Future;
use std::time::{Duration, Instant};

use messaging_bridge_sandbox::ReceiptSeen;

use crate::process::Relay;
use crate::tenant::Tenant;

/// How long the suites wait for what comes soon on fast platforms, at the most.
pub const SOON: Duration = Duration::from_mins(1);

/// A word that every message body of the suites holds, so that a body in a log is found.
pub const BODY_MARK: &str = "quokka";

/// Waits until `probe` answers `Some`, and fails the test with `what` after `patience`.
///
/// # Panics
///
/// When the patience ends.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    patience: Duration,
    mut probe: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(
            began.elapsed() < patience,
            "did not come true within {patience:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A tenant on fast platforms with a running relay that knows its integration.
pub async fn running(binary: &str) -> (Tenant, Relay) {
    let tenant = Tenant::fast().await;
    let relay = Relay::start(binary, &tenant).await;
    let resolved = async || {
        relay.status().await["integrationId"]
            .is_string()
            .then_some(())
    };
    eventually("the integration is resolved", SOON, resolved).await;
    (tenant, relay)
}

/// Waits for the receipt after which Genesys expects no other of this message.
pub async fn final_receipt(tenant: &Tenant, id: &str) -> ReceiptSeen {
    eventually("a final receipt", SOON, || async {
        let receipts = tenant.sandbox.log().genesys_receipts;
        receipts
            .into_iter()
            .find(|receipt| receipt.message_id == id && receipt.is_final)
    })
    .await
}

/// Waits until Twilio was sent so many messages, and returns their bodies in order.
pub async fn sent(tenant: &Tenant, count: usize) -> Vec<String> {
    eventually("the messages are sent", SOON, || async {
        let sends = tenant.sandbox.log().twilio_sends;
        (sends.len() >= count).then(|| sends.into_iter().map(|send| send.body).collect())
    })
    .await
}

/// The texts of customers that reached Genesys, in order.
pub fn texts_on_the_desk(tenant: &Tenant) -> Vec<String> {
    let seen = tenant.sandbox.log().genesys_inbound;
    seen.into_iter().map(|seen| seen.text).collect()
}

/// A number that the environment sets, for suites that run longer where there is time.
///
/// # Panics
///
/// When it is set and no number.
pub fn number_from_environment(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Prints what a suite measured, and keeps it with the other outputs of a run, if there is a place for them
/// (`CI_OUTPUT_DIR`).
///
/// # Panics
///
/// When the place cannot be written to.
#[expect(
    clippy::print_stdout,
    reason = "a figure of a suite belongs to its output"
)]
pub fn keep(name: &str, text: &str) {
    println!("{name}\n{text}");
    if let Some(place) = std::env::var_os("CI_OUTPUT_DIR") {
        let file = std::path::Path::new(&place).join(format!("{name}.txt"));
        std::fs::write(file, text).expect("the output can be written");
    }
}
