//! Statuses that never came are asked for, and recorded as if their callback had come.

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, FinalStatus};
use messaging_bridge_suites::healing::{a_while, start};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{SOON, eventually, final_receipt};

use crate::RELAY;
/// The rounds begin 1, 4, 16, 48 and 96 seconds after a send.
const SOON_ASKED: [(&str, &str); 2] = [("MB_HEAL_EVERY_MS", "300"), ("MB_ASK_AFTER_MS", "1000")];

async fn without_callbacks(faults: Vec<Fault>) -> (Tenant, Relay, String) {
    let tenant = Tenant::fast().await;
    // No callback comes; the carrier goes on.
    let mut rules = vec![
        Fault::new(Endpoint::TwilioCallback, Effect::Held),
        Fault::new(Endpoint::TwilioCallback, Effect::Reordered),
    ];
    rules.extend(faults);
    tenant
        .sandbox
        .set_faults(messaging_bridge_sandbox::Faults { rules });
    let relay = start(RELAY, &tenant, &SOON_ASKED).await;
    eventually("the integration is resolved", SOON, || async {
        relay.status().await["integrationId"]
            .is_string()
            .then_some(())
    })
    .await;
    let customer = tenant.sandbox.options().customer.clone();
    (tenant, relay, customer)
}

fn fetches(tenant: &Tenant) -> usize {
    let requests = tenant.sandbox.requests_since(0).into_iter();
    let fetch = |path: &str| path.contains("/Messages/") && !path.ends_with("/Media.json");
    requests.filter(|request| fetch(&request.path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_callbacks_never_came_is_asked_for_and_told() {
    let (tenant, relay, customer) = without_callbacks(Vec::new()).await;
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    let asked = fetches(&tenant);
    a_while().await;
    assert_eq!(
        fetches(&tenant),
        asked,
        "what is final is not asked for again"
    );
    let status = relay.status().await;
    assert!(status["statuses"]["asked"].as_u64() >= Some(1), "{status}");
    assert_eq!(status["statuses"]["raised"], 1, "{status}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_whose_callback_never_came_is_told_with_its_reason() {
    let failure = Effect::FinalStatus {
        status: FinalStatus::Undelivered,
        error_code: Some(30003),
    };
    let (tenant, relay, customer) =
        without_callbacks(vec![Fault::new(Endpoint::TwilioCallback, failure)]).await;
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    let receipt = final_receipt(&tenant, &id).await;
    assert_eq!(receipt.status, "Failed");
    assert!(!receipt.reasons.is_empty());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_never_confirms_is_asked_at_growing_distances() {
    let silent = Effect::FinalStatus {
        status: FinalStatus::Sent,
        error_code: None,
    };
    let (tenant, relay, customer) =
        without_callbacks(vec![Fault::new(Endpoint::TwilioCallback, silent)]).await;
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    eventually("it was asked for twice", SOON, || async {
        (fetches(&tenant) == 2).then_some(())
    })
    .await;
    a_while().await;
    assert_eq!(fetches(&tenant), 2, "the third round is far away");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_cannot_be_read_now_is_asked_for_later() {
    let down = Effect::Status {
        status: 500,
        body: None,
    };
    let down = Fault::new(Endpoint::TwilioFetch, down).times(2);
    let (tenant, relay, customer) = without_callbacks(vec![down]).await;
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    relay.stop().await;
}
