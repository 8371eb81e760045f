//! A message each way, through the real relay process and both simulated platforms.

use messaging_bridge_sandbox::{Options, Profile};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually};

use crate::RELAY;

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_text_reaches_the_desk() {
    let tenant = Tenant::fast().await;
    let relay = Relay::start(RELAY, &tenant).await;
    let customer = tenant.sandbox.options().customer.clone();

    let sid = tenant
        .sandbox
        .customer_sends(&customer, "quokka: hello")
        .await;
    let seen = eventually("the text is on the desk", SOON, || async {
        tenant.sandbox.log().genesys_inbound.first().cloned()
    })
    .await;
    assert_eq!(seen.message_id.as_deref(), Some(sid.as_str()));
    assert_eq!(
        (seen.customer.as_str(), seen.text.as_str()),
        (customer.as_str(), "quokka: hello")
    );
    assert_eq!(seen.nickname.as_deref(), Some("+1 555-765-4321"));
    assert_eq!(seen.attributes["twilioTo"], tenant.sandbox.options().number);
    assert!(tenant.sandbox.log().rejected.is_empty());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_reply_reaches_the_phone_and_the_agent_sees_it_delivered() {
    let tenant = Tenant::fast().await;
    let relay = Relay::start(RELAY, &tenant).await;
    let customer = tenant.sandbox.options().customer.clone();

    let id = tenant
        .sandbox
        .agent_sends(&customer, "quokka: how can I help?")
        .await;
    let send = eventually("the reply is on the phone", SOON, || async {
        tenant.sandbox.log().twilio_sends.first().cloned()
    })
    .await;
    assert_eq!(
        (send.to.as_str(), send.body.as_str()),
        (customer.as_str(), "quokka: how can I help?")
    );
    assert!(
        send.status_callback
            .is_some_and(|url| url.starts_with("https://bridge.example.com/acme/twilio/status/"))
    );
    assert!(
        send.validity
            .is_some_and(|seconds| (14_000..=14_400).contains(&seconds)),
        "{:?}",
        send.validity
    );

    let receipts = eventually("the agent sees that it was delivered", SOON, || async {
        let receipts = tenant.sandbox.log().genesys_receipts;
        receipts
            .iter()
            .any(|receipt| receipt.is_final)
            .then_some(receipts)
    })
    .await;
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.message_id == id && receipt.accepted)
    );
    assert_eq!(
        receipts.last().map(|receipt| receipt.status.as_str()),
        Some("Delivered")
    );

    let log = tenant.sandbox.log();
    assert!(
        log.rejected.is_empty(),
        "the strict platforms refused: {:?}",
        log.rejected
    );
    assert!(relay.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_profile_carries_a_text_both_ways() {
    let options = Options {
        profile: Profile::Guide,
        ..fast()
    };
    let tenant = Tenant::new(options, Spec::default()).await;
    let relay = Relay::start(RELAY, &tenant).await;
    let customer = tenant.sandbox.options().customer.clone();

    tenant
        .sandbox
        .customer_sends(&customer, "quokka: hello")
        .await;
    let seen = eventually("the text is on the desk", SOON, || async {
        tenant.sandbox.log().genesys_inbound.first().cloned()
    })
    .await;
    assert_eq!(
        (seen.customer.as_str(), seen.text.as_str()),
        (customer.as_str(), "quokka: hello")
    );

    tenant.sandbox.agent_sends(&customer, "quokka: reply").await;
    let send = eventually("the reply is on the phone", SOON, || async {
        tenant.sandbox.log().twilio_sends.first().cloned()
    })
    .await;
    assert_eq!(
        (send.to.as_str(), send.body.as_str()),
        (customer.as_str(), "quokka: reply")
    );
    let log = tenant.sandbox.log();
    assert!(
        log.rejected.is_empty(),
        "the strict platforms refused: {:?}",
        log.rejected
    );
    relay.stop().await;
}
