//! From nothing to a text both ways: by the README's own files, and through an Ingress.

use messaging_bridge_operator_suites::node::{self, Way};
use messaging_bridge_operator_suites::tenant::Tenant;
use serde_json::Value;

use crate::story::Story;

/// The tenant of the README's try-out.
pub(crate) async fn quick_start() -> Story {
    let node = node::shared().await;
    let tenant = node
        .platforms
        .ask(http::Method::GET, "/tenant", &Value::Null)
        .await;
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let mut acme = Tenant::new("tenant-acme", 0, &word(&tenant["publicUrl"]));
    acme.number = word(&tenant["twilio"]["number"]);
    Story::of(node, acme, word(&tenant["genesys"]["integrationId"]))
}

pub(crate) async fn the_quick_start_of_the_readme_works() {
    let story = quick_start().await;
    let table = &story.node.quick_start;
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let head = lines.iter().position(|line| line.first() == Some(&"NAME"));
    let head = head.unwrap_or_else(|| panic!("no table: {table}"));
    let columns = "NAME REGION NUMBER INTEGRATION READY REASON BACKLOG AGE";
    assert_eq!(lines[head].join(" "), columns, "{table}");
    let row = "acme us-east-1 +15551230000 acme-sms True Available";
    assert!(lines[head + 1].join(" ").starts_with(row), "{table}");
    story.texts_go_both_ways("as the README says").await;
    story
        .until_status("both webhooks' times are known", |status| {
            status.last_twilio_webhook_time.is_some() && status.last_genesys_webhook_time.is_some()
        })
        .await;
}

pub(crate) async fn texts_go_both_ways_through_an_ingress_that_keeps_the_prefix() {
    through("kept", Way::Kept).await;
}

pub(crate) async fn texts_go_both_ways_through_an_ingress_that_strips_the_prefix() {
    through("stripped", Way::Stripped).await;
}

async fn through(name: &str, way: Way) {
    let story = Story::unborn(name, way).await;
    story.tenant.apply(story.cluster()).await;
    story.until_ready().await;
    story.texts_go_both_ways("through the Ingress").await;
    // The receipts show that the status callbacks found their way too.
    let customer = story.tenant.customer(0);
    story
        .node
        .platforms
        .until(
            "the reply is known to be delivered",
            crate::story::DELIVERED,
            |log| {
                let sent = story.sent();
                let (id, _) = &sent.by_agents[&customer][0];
                let receipts: Vec<_> = log
                    .genesys_receipts
                    .iter()
                    .filter(|receipt| receipt.message_id == *id)
                    .collect();
                let delivered = receipts.iter().any(|receipt| receipt.status == "Delivered");
                if delivered {
                    Ok(())
                } else {
                    Err(format!("{receipts:?}"))
                }
            },
        )
        .await;
    story.end().await;
}
