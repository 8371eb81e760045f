//! What the suites that cross crates share: a tenant on disk, the relay as a real process, and the sandbox beside it.
//!
//! The relay is its own binary with the named steps compiled in; the platforms are the sandbox, over real HTTP. Every
//! line that a relay logs is kept, and scanned for numbers, bodies and secrets when the relay ends; so are its metrics, its
//! status, and what its commands say.

pub mod collector;
pub mod command;
pub mod crash;
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
pub const SOON: Duration = Duration::from_secs(30);

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
