//! Changes roll: of the bridge, and of the chart's values, which concern every relay.

use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_operator_suites::node;
use serde_json::json;

use crate::story::{Story, and_always};

pub(crate) async fn a_change_of_the_bridge_rolls_the_relay() {
    let story = Story::ready("rolls").await;
    let (before, _) = story.identity().await;
    let patch = json!({"spec": {"genesys": {"requestsPerMinute": 120}}});
    story.tenant.patch(story.cluster(), &patch).await;
    let another = [
        "get",
        "pod",
        crate::story::POD,
        "--ignore-not-found",
        "-o=jsonpath={.metadata.uid}",
    ];
    story
        .until_kubectl("another pod", &another, |uid| {
            !uid.is_empty() && uid != before
        })
        .await;
    story.until_ready().await;
    story.texts_go_both_ways("after the roll").await;
    story.end().await;
}

/// Also what the chart's other values break for every relay, since each change of them costs everybody a restart.
pub(crate) async fn a_bad_image_and_a_node_that_nobody_has_are_named_and_a_good_one_recovers() {
    let story = Story::ready("chart-values").await;
    let cluster = story.cluster();
    let broken = async {
        let bad = [
            "--set=relay.image.tag=does-not-exist",
            "--set=relay.image.pullPolicy=Never",
        ];
        node::helm(cluster, &bad).await;
        let message = story
            .until(ConditionType::RelayAvailable, Reason::ImagePullFailed)
            .await;
        assert!(message.contains("does-not-exist"), "{message}");
        node::helm(cluster, &["--set=relay.nodeSelector.disk=none-has-it"]).await;
        let message = story
            .until(ConditionType::RelayAvailable, Reason::Unschedulable)
            .await;
        assert!(message.contains("relay.nodeSelector"), "{message}");
    };
    and_always(broken, async || node::helm(cluster, &[]).await).await;
    story.until_ready().await;
    story.texts_go_both_ways("with the good one").await;
    story.end().await;
}
