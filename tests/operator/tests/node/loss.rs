//! Nothing that was acknowledged is lost, texted twice or overtaken: not when the pod goes, not when the node does.

use std::time::Duration;

use messaging_bridge_cluster::Cluster;
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_sandbox::Log;

use crate::story::{RECOVERED, Story};
use crate::way;

const CUSTOMERS: u32 = 4;

/// Each customer writes and is answered, one after the other, for a while.
async fn load(story: &Story, rounds: u32, pause: Duration) {
    for round in 0..rounds {
        for which in 0..CUSTOMERS {
            story.customer_writes(which, &format!("text {round}")).await;
            story.agent_writes(which, &format!("reply {round}")).await;
        }
        tokio::time::sleep(pause).await;
    }
}

pub(crate) async fn a_relay_pod_deleted_under_load_loses_nothing() {
    let story = Story::ready("under-load").await;
    let (before, _) = story.identity().await;
    let pause = Duration::from_millis(700);
    tokio::join!(load(&story, 25, pause), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        story
            .kubectl(&["delete", "pod", crate::story::POD, "--wait=false"])
            .await;
    });
    story.until_ready().await;
    let after = story.identity().await.0;
    assert_ne!(before, after, "the pod was not deleted");
    // Twilio tries once more only; what it then gives up was never acknowledged.
    let half = usize::try_from(25 * CUSTOMERS).unwrap();
    let verdict = story.judged(half, RECOVERED, |_| ()).await;
    assert_eq!(
        verdict.repeats, 0,
        "a relay that is asked to end repeats nothing"
    );
    assert_eq!(verdict.told_as_failed, 0);
    story.end().await;
}

pub(crate) async fn a_node_restarted_with_a_backlog_loses_nothing() {
    if Cluster::given() {
        crate::left_out("the node is the cluster's own");
        return;
    }
    // The sandbox forgets all but its first tenant when its pod ends.
    let story = way::quick_start().await;
    story.until_ready().await;
    let platforms = &story.node.platforms;
    for switch in ["genesys-down", "twilio-down"] {
        platforms.switch(switch, true).await;
    }
    for round in 0..4 {
        for which in 0..CUSTOMERS {
            story
                .customer_writes(which, &format!("before the end {round}"))
                .await;
            story
                .agent_writes(which, &format!("reply before it {round}"))
                .await;
        }
    }
    let before = story.acknowledged(32).await;
    let sent_before = before.genesys_inbound.len() + before.twilio_sends.len();
    story.cluster().restart_node().await.unwrap();
    platforms.answers().await;
    story
        .until(ConditionType::RelayAvailable, Reason::Available)
        .await;
    // The new sandbox knows what comes out, the old one's log what went in.
    let verdict = story
        .judged(32, RECOVERED, |log: &mut Log| {
            log.webhooks.splice(0..0, before.webhooks.clone());
        })
        .await;
    assert_eq!(verdict.repeats, 0, "{verdict:?}");
    assert_eq!(verdict.told_as_failed, 0, "{verdict:?}");
    let log = platforms.log().await;
    assert!(
        log.genesys_inbound.len() + log.twilio_sends.len() >= 32,
        "{sent_before} went out before, while both platforms were down"
    );
    story.until_ready().await;
}
