//! What becomes of a reply: parts, receipts, and what callbacks say of them. Lost answers have a suite of their own.

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, FinalStatus, Options, Profile};
use messaging_bridge_suites::doubt::resolved;
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::signed::post_genesys;
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually, final_receipt, sent};
use serde_json::json;

use crate::RELAY;

async fn running() -> (Tenant, Relay, String) {
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    let customer = tenant.sandbox.options().customer.clone();
    (tenant, relay, customer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reply_arrives_in_parts_and_in_order_with_one_receipt() {
    let (tenant, relay, customer) = running().await;
    let words: Vec<String> = (0..700)
        .map(|number| format!("quokka{number:03}"))
        .collect();
    let id = tenant
        .sandbox
        .agent_sends(&customer, &words.join(" "))
        .await;
    let receipt = final_receipt(&tenant, &id).await;
    assert_eq!(receipt.status, "Delivered");
    let log = tenant.sandbox.log();
    let sent: Vec<&str> = log
        .twilio_sends
        .iter()
        .flat_map(|send| send.body.split(' '))
        .collect();
    assert_eq!(sent, words, "no word is lost, cut or out of order");
    assert!(log.twilio_sends.len() >= 5);
    assert!(
        log.twilio_sends
            .iter()
            .all(|send| send.body.encode_utf16().count() <= 1600)
    );
    let levels: Vec<&str> = log
        .genesys_receipts
        .iter()
        .map(|receipt| receipt.status.as_str())
        .collect();
    assert!(
        levels == ["Sent", "Delivered"] || levels == ["Delivered"],
        "{levels:?}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_carrier_reaches_the_agent_with_reason_and_sentence() {
    let (tenant, relay, customer) = running().await;
    let effect = Effect::FinalStatus {
        status: FinalStatus::Undelivered,
        error_code: Some(30003),
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, effect));
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    let receipt = final_receipt(&tenant, &id).await;
    assert_eq!(receipt.status, "Failed");
    assert_eq!(
        receipt.reasons[0].code.as_deref(),
        Some("InvalidDestination")
    );
    assert!(
        receipt.reasons[0].message.contains("30003"),
        "{}",
        receipt.reasons[0].message
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_twice_and_out_of_order_end_in_the_same_receipt() {
    let (tenant, relay, customer) = running().await;
    tenant.sandbox.set_faults([
        Fault::new(Endpoint::TwilioCallback, Effect::Reordered),
        Fault::new(Endpoint::TwilioCallback, Effect::Duplicated),
    ]);
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    relay.until_drained(SOON).await;
    let after: Vec<String> = tenant
        .sandbox
        .log()
        .genesys_receipts
        .into_iter()
        .map(|receipt| receipt.status)
        .collect();
    assert_eq!(
        after.last().map(String::as_str),
        Some("Delivered"),
        "{after:?}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_from_twilio_is_proven_by_its_callback_and_not_sent_twice() {
    let (tenant, relay, customer) = running().await;
    tenant.sandbox.set_faults(
        Fault::new(
            Endpoint::TwilioSend,
            Effect::LostAnswer { status: Some(500) },
        )
        .times(1),
    );
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    relay.until_drained(SOON).await;
    assert_eq!(tenant.sandbox.log().twilio_sends.len(), 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_without_callbacks_is_found_by_listing_and_not_sent_twice() {
    let (tenant, relay, customer) = running().await;
    tenant.sandbox.set_faults([
        Fault::new(Endpoint::TwilioSend, Effect::LostAnswer { status: None }).times(1),
        Fault::new(Endpoint::TwilioCallback, Effect::Held),
    ]);
    tenant.sandbox.agent_sends(&customer, "quokka one").await;
    tenant.sandbox.agent_sends(&customer, "quokka two").await;
    let bodies = sent(&tenant, 2).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies, ["quokka one", "quokka two"]);
    assert_eq!(relay.status().await["deadLetters"], 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_before_the_answer_completes_the_send() {
    let (tenant, relay, customer) = running().await;
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, Effect::BeforeAnswer));
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    relay.until_drained(SOON).await;
    assert_eq!(tenant.sandbox.log().twilio_sends.len(), 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_stops_the_rest_and_fails_the_message() {
    let (tenant, relay, customer) = running().await;
    let effect = Effect::FinalStatus {
        status: FinalStatus::Failed,
        error_code: Some(30005),
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, effect));
    let id = tenant
        .sandbox
        .agent_sends(&customer, &"quokka ".repeat(900))
        .await;
    let receipt = final_receipt(&tenant, &id).await;
    assert_eq!(receipt.status, "Failed");
    assert_eq!(
        receipt.reasons[0].code.as_deref(),
        Some("InvalidDestination")
    );
    relay.until_drained(SOON).await;
    assert_eq!(
        tenant.sandbox.log().twilio_sends.len(),
        1,
        "the other parts are not sent"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_genesys_answers_as_failed_is_seen() {
    let (tenant, relay, customer) = running().await;
    let integration = &tenant.sandbox.options().integration.id;
    // An id that no agent's message has: Genesys answers 200, and its body says Failed.
    let body = json!({
        "id": "nobody-wrote-this", "type": "Text", "text": "quokka", "direction": "Outbound",
        "channel": {"id": integration, "platform": "Open", "type": "Private",
            "to": {"id": customer, "idType": "Phone"}, "time": "2026-01-02T03:06:00.427Z"},
    });
    assert_eq!(post_genesys(&tenant, &body.to_string()).await, 200);
    let status = eventually("the refusal is seen", SOON, || async {
        let status = relay.status().await;
        (status["genesys"]["receiptsRefused"].as_u64() > Some(0)).then_some(status)
    })
    .await;
    let last = status["genesys"]["lastError"]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(
        last.contains("UnknownMessage") || last.contains("No such"),
        "{status}"
    );
    let metrics = relay.metrics().await;
    assert!(
        metrics
            .contains("messaging_bridge_relay_receipts_total{status=\"Sent\",outcome=\"refused\"}")
            || metrics.contains(
                "messaging_bridge_relay_receipts_total{status=\"Delivered\",outcome=\"refused\"}"
            ),
        "{metrics}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_guides_profile_no_receipt_is_tried_and_none_counts_as_refused() {
    let options = Options {
        profile: Profile::Guide,
        ..fast()
    };
    let tenant = Tenant::new(options, Spec::default()).await;
    let relay = Relay::start(RELAY, &tenant).await;
    resolved(&relay).await;
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    sent(&tenant, 1).await;
    eventually("the carrier's last word is told", SOON, || async {
        let callbacks = tenant.sandbox.log().callbacks;
        callbacks
            .iter()
            .any(|tried| tried.message_status == "delivered" && tried.status == Some(200))
            .then_some(())
    })
    .await;
    relay.until_drained(SOON).await;
    let status = relay.status().await;
    assert!(status["genesys"]["receiptsRefused"].is_null(), "{status}");
    assert!(status["genesys"]["lastError"].is_null(), "{status}");
    assert_eq!(tenant.sandbox.log().genesys_receipts.len(), 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_also_told_in_the_conversation_where_the_user_wants_it_so() {
    let spec = Spec {
        genesys: "    failureNotices: true\n".into(),
        ..Spec::default()
    };
    let tenant = Tenant::new(fast(), spec).await;
    let relay = Relay::start(RELAY, &tenant).await;
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.customer_sends(&customer, "STOP").await;
    relay.until_drained(SOON).await;
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Failed");
    let notice = eventually("it is told", SOON, || async {
        let inbound = tenant.sandbox.log().genesys_inbound;
        inbound
            .into_iter()
            .find(|seen| seen.text.starts_with("[Message not delivered] "))
    })
    .await;
    assert_eq!(notice.customer, customer);
    assert_eq!(notice.attributes["messagingBridgeNotice"], "failed");
    assert_eq!(notice.attributes["messagingBridgeFailedMessage"], id);
    assert!(!notice.text.contains("quokka"));
    tenant.sandbox.set_faults([]);
    let other = tenant
        .sandbox
        .agent_sends("+15557650000", "quokka two")
        .await;
    assert_eq!(final_receipt(&tenant, &other).await.status, "Delivered");
    relay.until_drained(SOON).await;
    let inbound = tenant.sandbox.log().genesys_inbound;
    assert_eq!(inbound.len(), 2, "STOP, and one notice");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_never_overtakes_the_answer_to_its_messages_webhook() {
    let (tenant, relay, customer) = running().await;
    // Refused at once by Twilio, or by the relay itself.
    let effect = Effect::Status {
        status: 400,
        body: Some(json!({"code": 21211, "message": "no", "status": 400})),
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioSend, effect));
    let mut ids = Vec::new();
    for number in 0..10 {
        let customer = format!("{}{number}", &customer[..customer.len() - 1]);
        ids.push(tenant.sandbox.agent_sends(&customer, "quokka").await);
    }
    for id in ids {
        let receipt = final_receipt(&tenant, &id).await;
        let log = tenant.sandbox.log();
        let answered = log
            .webhooks
            .iter()
            .find(|attempt| attempt.message_id == id && attempt.status == Some(200))
            .expect("it was answered");
        assert!(receipt.at >= answered.at, "{id}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receipt_delays_no_other_but_those_of_its_own_message() {
    let (tenant, relay, customer) = running().await;
    let slow = Effect::Latency { millis: 13_000 };
    let once = Fault::new(Endpoint::GenesysReceipt, slow).times(1);
    tenant.sandbox.set_faults(once);
    let first = tenant.sandbox.agent_sends(&customer, "quokka").await;
    eventually("its receipt is under way", SOON, || async {
        (tenant.sandbox.faults().rules[0].count == Some(0)).then_some(())
    })
    .await;
    let another = tenant.sandbox.agent_sends(&customer, "quokka too").await;
    final_receipt(&tenant, &another).await;
    let levels = || {
        let log = tenant.sandbox.log();
        let own = log.genesys_receipts.into_iter();
        own.filter(|receipt| receipt.message_id == first)
            .map(|receipt| receipt.status)
            .collect::<Vec<_>>()
    };
    assert_eq!(levels(), Vec::<String>::new());
    final_receipt(&tenant, &first).await;
    let levels = levels();
    assert!(
        levels == ["Sent", "Delivered"] || levels == ["Delivered"],
        "{levels:?}"
    );
    relay.stop().await;
}
