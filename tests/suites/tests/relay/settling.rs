//! Sends whose answer was lost: each way in which they are settled as sent or as not sent.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, FinalStatus, Untruth};
use messaging_bridge_suites::doubt::{
    PATIENT, bodies, faults, listings, lost, not_done, posts, resolved, running, untrue,
};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::{Spec, Tenant};
use messaging_bridge_suites::{SOON, eventually, final_receipt, sent};
use rstest::rstest;
use serde_json::Value;

use crate::RELAY;

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_proves_a_send_at_once_without_any_listing() {
    let spec = Spec {
        waits: PATIENT,
        ..Spec::default()
    };
    let (tenant, relay, customer) = running(RELAY, spec).await;
    let lost = Fault::new(Endpoint::TwilioSend, Effect::LostAnswer { status: None });
    tenant.sandbox.set_faults(lost);
    let mut ids = Vec::new();
    for number in 0..3 {
        let text = format!("quokka {number}");
        ids.push(tenant.sandbox.agent_sends(&customer, &text).await);
    }
    for id in ids {
        assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    }
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka 0", "quokka 1", "quokka 2"]);
    assert_eq!(listings(&tenant), 0, "a callback needs no listing");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_in_doubt_holds_no_worker() {
    let spec = Spec {
        waits: PATIENT,
        ..Spec::default()
    };
    let (tenant, relay, _) = running(RELAY, spec).await;
    // More than there are workers, all of them in doubt for longer than the test.
    let doubtful = |number| format!("+155576540{number:02}");
    let rules = (0..20).map(|number| Fault {
        count: Some(1),
        ..not_done().for_customer(doubtful(number))
    });
    tenant.sandbox.set_faults(faults(rules));
    for number in 0..20 {
        tenant
            .sandbox
            .agent_sends(&doubtful(number), "quokka lost")
            .await;
    }
    let id = tenant
        .sandbox
        .agent_sends("+15557650000", "quokka free")
        .await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    assert_eq!(bodies(&tenant), ["quokka free"]);
    eventually("the status says how many are in doubt", SOON, || async {
        (relay.status().await["lanes"][1]["inDoubt"] == 20).then_some(())
    })
    .await;
    assert_eq!(relay.status().await["lanes"][0].get("inDoubt"), None);
    relay.kill().await;
}

#[rstest]
#[case("as it is", None)]
#[case("in any order", Some(Untruth::Unordered))]
#[case("without the sender", Some(Untruth::Senderless))]
#[tokio::test(flavor = "multi_thread")]
async fn a_listed_message_proves_a_send(#[case] list: &str, #[case] untruth: Option<Untruth>) {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    for number in 0..5 {
        let text = format!("quokka before {number}");
        tenant.sandbox.agent_sends(&customer, &text).await;
    }
    sent(&tenant, 5).await;
    relay.until_drained(SOON).await;
    let rules = lost().into_iter().chain(untruth.map(untrue));
    tenant.sandbox.set_faults(faults(rules));
    tenant.sandbox.agent_sends(&customer, "quokka one").await;
    tenant.sandbox.agent_sends(&customer, "quokka two").await;
    sent(&tenant, 7).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant)[5..], ["quokka one", "quokka two"], "{list}");
    assert_eq!(relay.status().await["deadLetters"], 0, "{list}");
    assert_eq!(
        listings(&tenant),
        1,
        "{list}: once it is found, it is found"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_listed_late_and_altered_at_first_proves_a_send() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    let late = [(Untruth::Missing, 1_800), (Untruth::Altered, 2_000)].map(|(how, limit)| {
        let effect = Effect::Untrue {
            how,
            younger_than: Some(limit),
        };
        Fault::new(Endpoint::TwilioList, effect)
    });
    tenant
        .sandbox
        .set_faults(faults(lost().into_iter().chain(late)));
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    sent(&tenant, 1).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka"]);
    assert_eq!(relay.status().await["deadLetters"], 0);
    assert!(listings(&tenant) > 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_words_again_are_not_proven_by_the_message_before_them() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    tenant.sandbox.agent_sends(&customer, "quokka ok").await;
    sent(&tenant, 1).await;
    relay.until_drained(SOON).await;
    tenant.sandbox.set_faults(not_done());
    let id = tenant.sandbox.agent_sends(&customer, "quokka ok").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    assert_eq!(bodies(&tenant), ["quokka ok", "quokka ok"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_in_doubt_and_then_refused_leaves_those_behind_it_clear() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    tenant.sandbox.set_faults(not_done());
    let id = tenant.sandbox.agent_sends(&customer, "quokka one").await;
    eventually("its first try is lost", SOON, async || {
        (posts(&tenant) == 1).then_some(())
    })
    .await;
    let opted_out = Effect::Status {
        status: 400,
        body: Some(serde_json::json!({"code": 21610, "message": "opted out", "status": 400})),
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioSend, opted_out).times(1));
    eventually("its second try is refused", SOON, async || {
        (relay.status().await["deadLetters"] == 1).then_some(())
    })
    .await;
    for (before, text) in ["quokka two", "quokka three"].into_iter().enumerate() {
        tenant.sandbox.set_faults(faults(lost()));
        tenant.sandbox.agent_sends(&customer, text).await;
        sent(&tenant, before + 1).await;
        relay.until_drained(SOON).await;
    }
    assert_eq!(bodies(&tenant), ["quokka two", "quokka three"]);
    assert_eq!(
        relay.status().await["deadLetters"],
        1,
        "only {id} was given up"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_three_listings_do_not_show_is_tried_again_with_another_id() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    tenant.sandbox.set_faults(not_done());
    let id = tenant.sandbox.agent_sends(&customer, "quokka one").await;
    tenant.sandbox.agent_sends(&customer, "quokka two").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    sent(&tenant, 2).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka one", "quokka two"]);
    assert_eq!(relay.status().await["deadLetters"], 0);
    assert_eq!(listings(&tenant), 3, "no more than it takes");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_was_settled_as_not_sent_is_still_proven_by_its_callback() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    // The list never shows it, and the second try is refused for as long as the callback of the first is held back.
    let busy = Fault::new(
        Endpoint::TwilioSend,
        Effect::RateLimited { retry_after: 60 },
    );
    let rules = lost().into_iter().chain([
        untrue(Untruth::Missing),
        busy.for_customer(customer.clone()),
    ]);
    // The first rule's count is spent by the first try; the second meets the limit.
    let mut rules: Vec<Fault> = rules.collect();
    let limit = rules.pop().expect("it was just put there");
    tenant.sandbox.set_faults(faults(rules.clone()));
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    sent(&tenant, 1).await;
    rules[0].count = Some(0);
    rules.push(limit);
    tenant.sandbox.set_faults(faults(rules.clone()));
    eventually("it is tried again", SOON, async || {
        (posts(&tenant) > 1).then_some(())
    })
    .await;
    // The request is seen before it is refused.
    tokio::time::sleep(Duration::from_millis(500)).await;
    tenant.sandbox.set_faults([]);
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    relay.until_drained(SOON).await;
    assert_eq!(
        bodies(&tenant),
        ["quokka"],
        "the callback of the first came in time"
    );
    relay.stop().await;
}

#[rstest]
#[case("asks for patience", Effect::RateLimited { retry_after: 2 })]
#[case("breaks down", Effect::Status { status: 503, body: None })]
#[case("hangs up", Effect::Refused)]
#[tokio::test(flavor = "multi_thread")]
async fn while_listing_fails_nothing_is_settled_and_nothing_sent(
    #[case] twilio: &str,
    #[case] effect: Effect,
) {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    let no_list = Fault::new(Endpoint::TwilioList, effect).times(2);
    tenant
        .sandbox
        .set_faults(faults(lost().into_iter().chain([no_list])));
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    sent(&tenant, 1).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka"], "{twilio}");
    assert_eq!(listings(&tenant), 3, "{twilio}");
    assert_eq!(relay.status().await["deadLetters"], 0, "{twilio}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_listing_pauses_the_direction_and_a_changed_secret_resumes_it() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    let refused = Fault::new(
        Endpoint::TwilioList,
        Effect::Status {
            status: 401,
            body: None,
        },
    );
    tenant
        .sandbox
        .set_faults(faults(lost().into_iter().chain([refused])));
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    eventually("the direction is blocked", SOON, || async {
        let lanes = relay.status().await["lanes"].clone();
        let lanes = lanes.as_array().cloned().unwrap_or_default();
        let blocked = |lane: &&Value| lane["blocked"]["cause"] == "Credentials";
        lanes.iter().find(blocked).map(drop)
    })
    .await;
    assert_eq!(relay.status().await["deadLetters"], 0);
    tenant.sandbox.set_faults([]);
    let token = &tenant.sandbox.options().auth_token;
    tenant.write_secret(
        "twilio",
        "authToken",
        &format!("{token}\nanother-token-0123456789"),
    );
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka"]);
    relay.stop().await;
}

#[rstest]
#[case("before the request left", "send", &["quokka one", "quokka two"])]
#[case("behind the answer", "answer", &["quokka one", "quokka two"])]
#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_a_marked_head_is_settled_and_what_is_behind_it_is_sent(
    #[case] when: &str,
    #[case] step: &str,
    #[case] expected: &[&str],
) {
    let tenant = Tenant::fast().await;
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, Effect::Held));
    let mut relay = Relay::start_with(RELAY, &tenant, &[("MB_STEP", step)]).await;
    let customer = tenant.sandbox.options().customer.clone();
    resolved(&relay).await;
    for text in ["quokka one", "quokka two"] {
        tenant.sandbox.agent_sends(&customer, text).await;
    }
    assert!(relay.at_step(SOON).await, "{when}");
    relay.kill().await;
    let relay = Relay::start(RELAY, &tenant).await;
    sent(&tenant, expected.len()).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), expected, "{when}");
    assert_eq!(relay.status().await["deadLetters"], 0, "{when}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_in_doubt_is_settled_before_the_next_and_the_receipt_is_of_all() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    let lost = Fault::new(
        Endpoint::TwilioSend,
        Effect::LostAnswer { status: Some(503) },
    );
    tenant.sandbox.set_faults([not_done(), lost.times(2)]);
    let words: Vec<String> = (0..500).map(|n| format!("quokka{n:03}")).collect();
    let id = tenant
        .sandbox
        .agent_sends(&customer, &words.join(" "))
        .await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    let sent = bodies(&tenant);
    let seen: Vec<&str> = sent.iter().flat_map(|body| body.split(' ')).collect();
    assert_eq!(seen, words, "each part once, in order");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_concerns_everybody_fails_its_message_by_callback_and_pauses_the_next() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    let suspended = Effect::FinalStatus {
        status: FinalStatus::Failed,
        error_code: Some(30002),
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, suspended).times(1));
    let id = tenant.sandbox.agent_sends(&customer, "quokka one").await;
    let receipt = final_receipt(&tenant, &id).await;
    assert_eq!(receipt.status, "Failed");
    assert!(receipt.reasons[0].message.contains("30002"));
    tenant
        .sandbox
        .agent_sends("+15557650000", "quokka two")
        .await;
    let status = relay.status().await;
    let outbound = &status["lanes"][1];
    assert_eq!(outbound["blocked"]["cause"], "AccountSuspended", "{status}");
    assert_eq!(bodies(&tenant), ["quokka one"]);
    assert_eq!(status["deadLetters"], 0);
    let token = &tenant.sandbox.options().auth_token;
    tenant.write_secret(
        "twilio",
        "authToken",
        &format!("{token}\nanother-token-0123456789"),
    );
    sent(&tenant, 2).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka one", "quokka two"]);
    relay.stop().await;
}
