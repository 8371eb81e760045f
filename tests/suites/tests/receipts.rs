//! What becomes of a reply: parts, receipts, and sends whose answer was lost.

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, FinalStatus};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{SOON, eventually, final_receipt, sent};

const RELAY: &str = env!("CARGO_BIN_EXE_relay-under-test");

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
async fn a_send_that_nobody_can_prove_is_never_sent_again_and_the_agent_is_told() {
    let (tenant, relay, customer) = running().await;
    tenant.sandbox.set_faults(
        Fault::new(
            Endpoint::TwilioSend,
            Effect::Status {
                status: 500,
                body: None,
            },
        )
        .times(1),
    );
    let id = tenant.sandbox.agent_sends(&customer, "quokka one").await;
    let receipt = eventually("the agent is told", SOON, || async {
        tenant
            .sandbox
            .log()
            .genesys_receipts
            .into_iter()
            .find(|receipt| receipt.message_id == id)
    })
    .await;
    assert_eq!(
        (receipt.status.as_str(), receipt.is_final),
        ("Failed", false)
    );
    tenant.sandbox.agent_sends(&customer, "quokka two").await;
    eventually("the second is sent", SOON, || async {
        (!tenant.sandbox.log().twilio_sends.is_empty()).then_some(())
    })
    .await;
    relay.until_drained(SOON).await;
    let bodies: Vec<String> = tenant
        .sandbox
        .log()
        .twilio_sends
        .into_iter()
        .map(|send| send.body)
        .collect();
    assert_eq!(
        bodies,
        ["quokka two"],
        "the lane goes on, and the first is not sent again"
    );
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
