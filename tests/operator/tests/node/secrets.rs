//! A Secret that changes reaches the relay while it runs, and the status says when.

use messaging_bridge_cluster::wait_for;
use messaging_bridge_crds::{MessagingBridgeStatus, SecretState};
use messaging_bridge_operator_suites::status;
use messaging_bridge_sandbox::Options;
use serde_json::json;

use crate::story::Story;

/// The webhook secret after the rotation.
const NEW: &str = "the-second-webhook-secret-0123456789";

/// Whether the status says this of the Genesys Secret.
fn says(status: &MessagingBridgeStatus, state: SecretState) -> bool {
    let secret = status
        .secrets
        .iter()
        .find(|secret| secret.name == "genesys");
    secret.is_some_and(|secret| secret.state == state)
}

/// Changes the Secret, and waits until the status says that the relay works with it: Waiting, then Loaded. The first
/// may be too short to be seen where the kubelet is quick.
async fn change(story: &Story, secrets: &str) -> bool {
    let patch = json!({"stringData": {"webhookSecret": secrets}}).to_string();
    story
        .kubectl(&["patch", "secret", "genesys", "-p", &patch])
        .await;
    let few_seconds = std::time::Duration::from_secs(10);
    let waiting = wait_for("the Secret is Waiting", few_seconds, || async {
        let seen = status(story.cluster(), &story.tenant.name, "acme").await?;
        if says(&seen, SecretState::Waiting) {
            return Ok(());
        }
        Err(format!("{:?}", seen.secrets))
    })
    .await;
    story
        .until_status("the Secret is Loaded", |status| {
            says(status, SecretState::Loaded)
        })
        .await;
    waiting.is_ok()
}

/// Both values in the Secret, then the platform changes over. Returns whether the status said that the relay waits for
/// the Secret.
pub(crate) async fn change_over(story: &Story) -> bool {
    let old = Options::default().integration.webhook_secret;
    let waiting = change(story, &format!("{old}\n{NEW}")).await;
    story
        .texts_go_both_ways("both secrets, the old in use")
        .await;
    let settings = json!({"webhookSecret": NEW});
    let platforms = &story.node.platforms;
    platforms
        .change_integration(&story.integration, &settings)
        .await;
    story.agent_writes(0, "both secrets, the new in use").await;
    story.delivered(3).await;
    waiting
}

pub(crate) async fn a_rotated_secret_reaches_the_relay_without_a_restart() {
    let story = Story::ready("rotated").await;
    let before = story.identity().await;
    change_over(&story).await;
    change(&story, NEW).await;
    story.agent_writes(0, "the new alone").await;
    story.delivered(4).await;
    assert_eq!(story.identity().await, before, "the pod was touched");
    story.end().await;
}
