//! Sends whose answer was lost and of which nobody can say whether they were done.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, Untruth};
use messaging_bridge_suites::doubt::{
    PATIENT, any_receipt, bodies, faults, lost, not_done, running, untrue,
};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::{Spec, Tenant};
use messaging_bridge_suites::{SOON, eventually, final_receipt, sent};
use rstest::rstest;

use crate::RELAY;

async fn is_unresolved(tenant: &Tenant, relay: &Relay, id: &str) {
    let receipt = any_receipt(tenant, id).await;
    assert_eq!(receipt.status, "Failed");
    assert!(
        !receipt.is_final,
        "what is only inferred yields to a callback"
    );
    assert_eq!(receipt.reasons[0].code.as_deref(), Some("GeneralError"));
    assert_eq!(relay.status().await["deadLetters"], 1);
}

#[rstest]
#[case("redacted", Untruth::Redacted)]
#[case("altered", Untruth::Altered)]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_compared_leaves_a_send_unresolved_and_the_lane_goes_on(
    #[case] body: &str,
    #[case] untruth: Untruth,
) {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    tenant
        .sandbox
        .set_faults(faults(lost().into_iter().chain([untrue(untruth)])));
    let id = tenant.sandbox.agent_sends(&customer, "quokka one").await;
    tenant.sandbox.agent_sends(&customer, "quokka two").await;
    is_unresolved(&tenant, &relay, &id).await;
    sent(&tenant, 2).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka one", "quokka two"], "{body}");
    tenant.sandbox.set_faults([]);
    let corrected = final_receipt(&tenant, &id).await;
    assert_eq!(corrected.status, "Delivered", "{body}: a callback corrects");
    assert_eq!(
        relay.status().await["deadLetters"],
        0,
        "{body}: and nobody shall replay it"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_listed_messages_that_match_leave_a_send_unresolved() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    tenant.sandbox.set_faults(lost());
    // Another program of the account sends the same words.
    let options = tenant.sandbox.options();
    let url = format!(
        "{}2010-04-01/Accounts/{}/Messages.json",
        tenant.sandbox.url(),
        options.account_sid
    );
    let foreign = [
        ("To", customer.as_str()),
        ("From", options.number.as_str()),
        ("Body", "quokka"),
    ];
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    sent(&tenant, 1).await;
    let answer = messaging_bridge_suites::process::reqwest_client()
        .post(url)
        .basic_auth(&options.account_sid, Some(&options.auth_token))
        .form(&foreign)
        .send()
        .await
        .expect("the sandbox answers");
    assert_eq!(answer.status(), 201);
    is_unresolved(&tenant, &relay, &id).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant).len(), 2, "the foreign one and ours, once");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unresolved_send_is_sent_again_where_the_user_wants_it_so() {
    let spec = Spec {
        twilio: "    onUnresolved: Resend\n".into(),
        ..Spec::default()
    };
    let (tenant, relay, customer) = running(RELAY, spec).await;
    tenant.sandbox.set_faults(faults(
        lost().into_iter().chain([untrue(Untruth::Redacted)]),
    ));
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    sent(&tenant, 2).await;
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka", "quokka"]);
    assert_eq!(relay.status().await["deadLetters"], 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_still_in_doubt_when_its_validity_ends_is_never_sent_again_and_the_lane_goes_on() {
    let spec = Spec {
        twilio: "    validity: 1m\n".into(),
        waits: PATIENT,
        ..Spec::default()
    };
    let (tenant, relay, customer) = running(RELAY, spec).await;
    let gone = Fault::new(Endpoint::TwilioList, Effect::Refused);
    tenant.sandbox.set_faults([not_done(), gone]);
    let id = tenant.sandbox.agent_sends(&customer, "quokka one").await;
    let told = eventually(
        "the agent is told when the minute is over",
        Duration::from_secs(150),
        || async {
            let receipts = tenant.sandbox.log().genesys_receipts;
            receipts
                .into_iter()
                .find(|receipt| receipt.message_id == id)
        },
    )
    .await;
    assert_eq!((told.status.as_str(), told.is_final), ("Failed", false));
    let second = tenant.sandbox.agent_sends(&customer, "quokka two").await;
    assert_eq!(final_receipt(&tenant, &second).await.status, "Delivered");
    assert_eq!(bodies(&tenant), ["quokka two"]);
    let validity = tenant.sandbox.log().twilio_sends[0].validity;
    assert!(
        validity.is_some_and(|seconds| (50..=60).contains(&seconds)),
        "{validity:?}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_an_unresolved_message_is_looked_up_before_it_is_sent() {
    let (tenant, relay, customer) = running(RELAY, Spec::default()).await;
    tenant.sandbox.set_faults(faults(
        lost().into_iter().chain([untrue(Untruth::Redacted)]),
    ));
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    is_unresolved(&tenant, &relay, &id).await;
    // The list tells the truth now; callbacks are still held back.
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, Effect::Held));
    let output = tokio::process::Command::new(RELAY)
        .args([
            "dead-letters",
            "replay",
            "--all",
            "--control",
            &tenant.control(),
        ])
        .args(["--data-dir", &tenant.data_dir().to_string_lossy()])
        .output()
        .await
        .expect("the relay's binary can be started");
    assert!(output.status.success(), "{output:?}");
    relay.until_drained(SOON).await;
    assert_eq!(bodies(&tenant), ["quokka"], "the list shows it");
    assert_eq!(relay.status().await["deadLetters"], 0);
    relay.stop().await;
}
