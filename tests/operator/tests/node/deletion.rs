//! A bridge that goes leaves its volume and nothing else; a bridge of its name takes the volume up again.

use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::tenant::apply;
use serde_json::json;

use crate::story::{CLAIM, POD, RECOVERED, Story};

const CHILDREN: &str = "statefulsets,pods,services,networkpolicies,configmaps,serviceaccounts";

/// Deletes the bridge and waits until only its volume is left, which an Event names.
async fn delete(story: &Story, cascade: &str) {
    story
        .kubectl(&["delete", "messagingbridge", "acme", cascade])
        .await;
    let relays = "app.kubernetes.io/name=messaging-bridge-relay";
    let children = ["get", CHILDREN, "-l", relays, "-o", "name"];
    story
        .until_kubectl("nothing is left", &children, str::is_empty)
        .await;
    let claim = [
        "get",
        "pvc",
        CLAIM,
        "-o=jsonpath={.status.phase} {.metadata.labels.app\\.kubernetes\\.io/instance}",
    ];
    assert_eq!(story.kubectl(&claim).await, "Bound acme");
    let events = ["get", "events", "--field-selector=reason=VolumeKept"];
    story
        .until_kubectl("an Event names the volume", &events, |events| {
            events.contains(CLAIM)
        })
        .await;
}

async fn backlog(story: &Story) {
    for text in ["one", "two", "three"] {
        story.customer_writes(0, text).await;
        story.customer_writes(1, text).await;
    }
    story.acknowledged(6).await;
}

pub(crate) async fn a_deleted_bridge_leaves_its_volume_and_made_anew_goes_on_with_the_backlog() {
    let story = Story::ready("deleted").await;
    let down = story.genesys_is_down_for(2).await;
    backlog(&story).await;
    delete(&story, "--cascade=foreground").await;
    apply(story.cluster(), &[story.tenant.bridge()]).await;
    story.until_ready().await;
    story.genesys_is_back(down).await;
    let verdict = story.judged(6, RECOVERED, |_| ()).await;
    assert_eq!(verdict.repeats, 0, "{verdict:?}");
    // The usual way of deleting comes to the same.
    delete(&story, "--cascade=background").await;
    story.end().await;
}

pub(crate) async fn a_bridge_for_another_number_does_not_deliver_the_old_ones_messages() {
    let mut story = Story::ready("other-number").await;
    let down = story.genesys_is_down_for(2).await;
    backlog(&story).await;
    delete(&story, "--cascade=background").await;
    story.tenant = story.tenant.with_another_number();
    let settings = json!({"publicUrl": story.tenant.public_url});
    let platforms = &story.node.platforms;
    platforms.put_number(&story.tenant.number, &settings).await;
    apply(story.cluster(), &[story.tenant.bridge()]).await;
    story.until_ready().await;
    story.genesys_is_back(down).await;
    // They are kept aside, and counted.
    let list = [
        "exec",
        POD,
        "--",
        "messaging-bridge-relay",
        "dead-letters",
        "list",
    ];
    story
        .until_kubectl("six dead letters", &list, |list| {
            list.matches("foreign").count() >= 6
        })
        .await;
    story
        .until_status("the dead letters are counted", |status| {
            status.dead_letters == Some(6)
        })
        .await;
    story.customer_writes(2, "for the new number").await;
    let customer = story.tenant.customer(2);
    let integration = story.integration.clone();
    let arrived = platforms
        .until("the new one's text arrives", RECOVERED, |log| {
            let inbound = log.genesys_inbound.iter();
            let ours: Vec<String> = inbound
                .filter(|message| message.integration_id == integration)
                .map(|message| message.customer.clone())
                .collect();
            if ours.contains(&customer) {
                Ok(ours)
            } else {
                Err(format!("{ours:?}"))
            }
        })
        .await;
    assert_eq!(
        arrived,
        [customer.as_str()],
        "the old number's texts arrived"
    );
    story.until(ConditionType::Ready, Reason::Available).await;
    story.end().await;
}
