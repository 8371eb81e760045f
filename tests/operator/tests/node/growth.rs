//! What a StatefulSet cannot change: it is made anew, around the same volume, and where nothing else changed around the
//! same pod.

use serde_json::{Value, json};

use crate::story::{CLAIM, Story};

const UID: [&str; 5] = [
    "get",
    "statefulset",
    "acme-relay",
    "--ignore-not-found",
    "-o=jsonpath={.metadata.uid}",
];

async fn until_another_stateful_set(story: &Story, than: &str) {
    story
        .until_kubectl("another StatefulSet", &UID, |uid| {
            !uid.is_empty() && uid != than
        })
        .await;
}

pub(crate) async fn a_larger_queue_grows_the_claim_and_keeps_what_is_in_it() {
    let story = Story::ready("grows").await;
    let down = story.genesys_is_down_for(1).await;
    story.customer_writes(0, "in the small one").await;
    story.acknowledged(1).await;
    let stateful_set = story.kubectl(&UID).await;
    let volume = ["get", "pvc", CLAIM, "-o=jsonpath={.spec.volumeName}"];
    let before = story.kubectl(&volume).await;
    let patch = json!({"spec": {"queue": {"embedded": {"size": "2Gi"}}}});
    story.tenant.patch(story.cluster(), &patch).await;
    let size = [
        "get",
        "pvc",
        CLAIM,
        "-o=jsonpath={.spec.resources.requests.storage}",
    ];
    story
        .until_kubectl("the claim is larger", &size, |size| size == "2Gi")
        .await;
    until_another_stateful_set(&story, &stateful_set).await;
    // The relay learns the new limit of its queue, and starts with it once.
    story
        .until_kubectl("the change has rolled out", &ROLLED, |revisions| {
            let revisions: Vec<&str> = revisions.split_whitespace().collect();
            revisions.len() == 3 && revisions[0] == revisions[1] && revisions[2] == "1"
        })
        .await;
    assert_eq!(story.kubectl(&volume).await, before);
    story.until_ready().await;
    story.genesys_is_back(down).await;
    story.customer_writes(0, "in the large one").await;
    story.judged(2, crate::story::RECOVERED, |_| ()).await;
    story.end().await;
}

const ROLLED: [&str; 4] = [
    "get",
    "statefulset",
    "acme-relay",
    "-o=jsonpath={.status.currentRevision} {.status.updateRevision} {.status.readyReplicas}",
];

pub(crate) async fn a_stateful_set_that_cannot_be_corrected_is_made_anew_around_its_pod() {
    let story = Story::ready("anew").await;
    let before = story.identity().await;
    let json = story
        .kubectl(&["get", "statefulset", "acme-relay", "-o", "json"])
        .await;
    let mut edited: Value = serde_json::from_str(&json).unwrap();
    edited["spec"]["podManagementPolicy"] = json!("OrderedReady");
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generation",
    ] {
        edited["metadata"].as_object_mut().unwrap().remove(field);
    }
    // Nobody corrects it while it is exchanged by hand.
    let pause = "messagingbridge.io/paused=true";
    story
        .kubectl(&["annotate", "messagingbridge", "acme", pause])
        .await;
    story
        .kubectl(&["delete", "statefulset", "acme-relay", "--cascade=orphan"])
        .await;
    let edited = edited.to_string();
    story.cluster().apply(&edited).await.unwrap();
    let by_hand = story.kubectl(&UID).await;
    story
        .kubectl(&[
            "annotate",
            "messagingbridge",
            "acme",
            "messagingbridge.io/paused-",
        ])
        .await;
    until_another_stateful_set(&story, &by_hand).await;
    story.until_ready().await;
    assert_eq!(story.identity().await, before, "the pod was touched");
    story.texts_go_both_ways("around the same pod").await;
    story.end().await;
}
