//! Waits until the API server knows `MessagingBridge`: the operator may be installed before its definitions.
//!
//! It asks discovery, which needs no right. It never gives up where waiting can help, and says in the log and in
//! `/readyz` what it waits for; where it cannot (no access at all) it fails, so that the pod's restarts are seen.

use std::time::Duration;

use kube::{Client, Resource as _};
use messaging_bridge_crds::MessagingBridge;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// Every so many looks one line is logged: once a minute.
const SAID_EVERY: u32 = 12;

/// What is waited for, as people read it.
pub const DEFINITION: &str = "the CustomResourceDefinition messagingbridges.messagingbridge.io";

/// Why waiting cannot help.
#[derive(Debug, thiserror::Error)]
#[error("the API server refuses to say which resources it knows: {0}")]
pub struct DiscoveryRefused(#[source] kube::Error);

/// Returns when the definition is there.
pub async fn until_established(client: &Client) -> Result<(), DiscoveryRefused> {
    let mut looks = 0_u32;
    loop {
        let trouble = match look(client).await {
            Ok(true) => return Ok(()),
            Ok(false) => "it is not installed".to_owned(),
            Err(error) if is_refusal(&error) => return Err(DiscoveryRefused(error)),
            Err(error) => error.to_string(),
        };
        if looks.is_multiple_of(SAID_EVERY) {
            tracing::warn!(
                trouble,
                "waiting for {DEFINITION}: install it with the chart (crds.install=true) or apply it"
            );
        }
        looks += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(client: &Client) -> Result<bool, kube::Error> {
    let version = MessagingBridge::api_version(&());
    match client.list_api_group_resources(&version).await {
        Ok(known) => Ok(known
            .resources
            .iter()
            .any(|resource| resource.kind == MessagingBridge::kind(&()))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}
