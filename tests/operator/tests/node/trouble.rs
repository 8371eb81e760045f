//! What breaks around a running relay: it goes on, the conditions say what is wrong, and it recovers by itself.

use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::tenant::apply;
use messaging_bridge_sandbox::Options;
use serde_json::json;

use crate::story::{POD, RECOVERED, Story};

pub(crate) async fn the_relay_goes_on_while_genesys_takes_no_message() {
    let story = Story::ready("genesys-down").await;
    let before = story.identity().await;
    let down = story.genesys_is_down_for(2).await;
    for text in ["one", "two", "three"] {
        story.customer_writes(0, text).await;
        story.customer_writes(1, text).await;
    }
    story.acknowledged(6).await;
    // The way back does not depend on it.
    story.agent_writes(2, "a reply meanwhile").await;
    let number = story.tenant.number.clone();
    story
        .node
        .platforms
        .until("the reply is texted", crate::story::DELIVERED, |log| {
            let sends = &log.twilio_sends;
            let found = sends.iter().find(|send| send.from == number);
            found.map(drop).ok_or_else(|| format!("{sends:?}"))
        })
        .await;
    story
        .until_status("the backlog is told", |status| {
            status.backlog >= Some(6) && status.oldest_pending_time.is_some()
        })
        .await;
    // A backlog is no reason to call the bridge broken.
    story.until_ready().await;
    story.genesys_is_back(down).await;
    story.judged(7, RECOVERED, |_| ()).await;
    assert_eq!(story.identity().await, before, "the pod was touched");
    story.end().await;
}

pub(crate) async fn the_relay_goes_on_when_a_secret_is_deleted() {
    let story = Story::ready("secret-gone").await;
    let before = story.identity().await;
    story.kubectl(&["delete", "secret", "genesys"]).await;
    let message = story
        .until(ConditionType::CredentialsValid, Reason::SecretMissing)
        .await;
    assert!(message.contains("genesys"), "{message}");
    story
        .until(ConditionType::Ready, Reason::SecretMissing)
        .await;
    story
        .until(ConditionType::RelayAvailable, Reason::Available)
        .await;
    story.texts_go_both_ways("without its Secret").await;
    assert_eq!(story.identity().await, before, "the pod was touched");
    // A pod that starts now waits for it, and says so.
    story.kubectl(&["delete", "pod", POD, "--wait=false"]).await;
    let message = story
        .until(ConditionType::RelayAvailable, Reason::NotReady)
        .await;
    assert!(message.contains("genesys"), "{message}");
    let right = story.tenant.genesys(&Options::default().client_secret);
    apply(story.cluster(), &[right]).await;
    story.until_ready().await;
    story.customer_writes(0, "with it again").await;
    story.delivered(3).await;
    story.end().await;
}

pub(crate) async fn the_relay_goes_on_when_the_integration_is_deleted() {
    let mut story = Story::ready("integration-gone").await;
    let before = story.identity().await;
    let platforms = &story.node.platforms;
    platforms.delete_integration(&story.integration).await;
    story.tenant.reconcile(story.cluster(), "1").await;
    let message = story
        .until(ConditionType::IntegrationResolved, Reason::NotFound)
        .await;
    assert!(message.contains("integration-gone"), "{message}");
    story
        .until(ConditionType::RelayAvailable, Reason::Available)
        .await;
    story.customer_writes(0, "to nobody").await;
    story.acknowledged(1).await;
    let message = story
        .until(ConditionType::Delivering, Reason::Blocked)
        .await;
    assert!(message.contains("Genesys"), "{message}");
    assert_eq!(story.identity().await, before, "the pod was touched");
    // Another of the same name takes its place: what waits goes there, though its id is another.
    let settings = json!({"name": "integration-gone", "publicUrl": story.tenant.public_url});
    story.integration = platforms.create_integration(&settings).await;
    story.tenant.reconcile(story.cluster(), "2").await;
    story
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;
    story.judged(1, RECOVERED, |_| ()).await;
    story.until_ready().await;
    let what = "something is delivered";
    story
        .until_status(what, |status| {
            let delivering = status.condition(ConditionType::Delivering);
            delivering.is_some_and(|found| found.status == "True")
        })
        .await;
    story.end().await;
}
