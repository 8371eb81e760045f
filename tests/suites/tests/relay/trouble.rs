//! What goes wrong between the platforms, and what the relay makes of it.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault};
use messaging_bridge_suites::doubt::bodies;
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::signed::{post_twilio, sms};
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually, final_receipt, texts_on_the_desk};
use rstest::rstest;
use serde_json::{Value, json};

use crate::RELAY;

async fn running() -> (Tenant, Relay, String) {
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    let customer = tenant.sandbox.options().customer.clone();
    (tenant, relay, customer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_opted_out_is_told_at_once_and_delays_nobody_else() {
    let (tenant, relay, customer) = running().await;
    tenant.sandbox.customer_sends(&customer, "STOP").await;
    relay.until_drained(SOON).await;
    let refused = tenant.sandbox.agent_sends(&customer, "quokka one").await;
    let other = tenant
        .sandbox
        .agent_sends("+15557650000", "quokka two")
        .await;
    let receipt = final_receipt(&tenant, &refused).await;
    assert_eq!(receipt.status, "Failed");
    assert_eq!(
        receipt.reasons[0].code.as_deref(),
        Some("RecipientOptedOut")
    );
    assert_eq!(final_receipt(&tenant, &other).await.status, "Delivered");
    assert_eq!(relay.status().await["deadLetters"], 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn genesys_asking_for_patience_is_obeyed_and_nothing_is_lost() {
    let (tenant, relay, customer) = running().await;
    relay.until_drained(SOON).await;
    let fault = Fault::new(
        Endpoint::GenesysMessage,
        Effect::RateLimited { retry_after: 3 },
    )
    .times(1);
    tenant.sandbox.set_faults(fault);
    let began = std::time::Instant::now();
    for text in ["quokka one", "quokka two"] {
        tenant.sandbox.customer_sends(&customer, text).await;
    }
    eventually("both are on the desk", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() == 2).then_some(())
    })
    .await;
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "came after {:?}",
        began.elapsed()
    );
    assert_eq!(texts_on_the_desk(&tenant), ["quokka one", "quokka two"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stuck_customer_delays_nobody_else() {
    let (tenant, relay, stuck) = running().await;
    let fault = Fault::new(
        Endpoint::GenesysMessage,
        Effect::Status {
            status: 500,
            body: None,
        },
    );
    tenant.sandbox.set_faults(fault.for_customer(stuck.clone()));
    for number in 0..5 {
        tenant
            .sandbox
            .customer_sends(&stuck, &format!("quokka stuck {number}"))
            .await;
        tenant
            .sandbox
            .customer_sends("+15557650000", &format!("quokka free {number}"))
            .await;
    }
    eventually("the free one is served", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() == 5).then_some(())
    })
    .await;
    tenant.sandbox.set_faults([]);
    relay.until_drained(SOON).await;
    let log = tenant.sandbox.log();
    let stuck: Vec<&str> = log
        .genesys_inbound
        .iter()
        .filter(|seen| seen.customer == stuck)
        .map(|seen| seen.text.trim_start_matches("quokka "))
        .collect();
    assert_eq!(
        stuck,
        ["stuck 0", "stuck 1", "stuck 2", "stuck 3", "stuck 4"]
    );
    relay.stop().await;
}

fn blocked<'s>(status: &'s Value, direction: &str) -> &'s Value {
    let lanes = status["lanes"]
        .as_array()
        .expect("the status lists both directions");
    let lane = lanes
        .iter()
        .find(|lane| lane["direction"] == direction)
        .expect("the status lists both directions");
    &lane["blocked"]
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_block_the_direction_name_the_fix_and_a_changed_secret_resumes_it() {
    let tenant = Tenant::fast().await;
    tenant.write_secret(
        "twilio",
        "authToken",
        &format!("{}\n", tenant.sandbox.options().auth_token),
    );
    tenant.write_secret("twilio", "apiKeySid", "SK00000000000000000000000000000009");
    tenant.write_secret("twilio", "apiKeySecret", "wrong-key-secret");
    let token = tenant.sandbox.options().auth_token.clone();
    tenant.write_secret("twilio", "authToken", "not-the-token-that-twilio-knows");
    let relay = Relay::start(RELAY, &tenant).await;
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    let status = eventually("the direction is blocked", SOON, || async {
        let status = relay.status().await;
        blocked(&status, "outbound").is_object().then_some(status)
    })
    .await;
    assert_eq!(blocked(&status, "outbound")["cause"], "Credentials");
    assert!(
        blocked(&status, "outbound")["fix"]
            .as_str()
            .is_some_and(|fix| fix.contains("Secret"))
    );
    assert!(
        blocked(&status, "inbound").is_null(),
        "the other direction flows"
    );
    assert_eq!(status["deadLetters"], 0);
    tenant.write_secret("twilio", "authToken", &token);
    relay.until_drained(SOON).await;
    assert_eq!(tenant.sandbox.log().twilio_sends.len(), 1);
    assert!(blocked(&relay.status().await, "outbound").is_null());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_integration_is_found_customers_are_accepted_and_genesys_is_answered_503() {
    let spec = Spec {
        integration_name: Some("acme-sns".into()),
        ..Spec::default()
    };
    let tenant = Tenant::new(fast(), spec).await;
    let relay = Relay::start(RELAY, &tenant).await;
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.customer_sends(&customer, "quokka").await;
    let status = eventually("the direction waits", SOON, || async {
        let status = relay.status().await;
        (blocked(&status, "inbound")["cause"] == "IntegrationUnresolved").then_some(status)
    })
    .await;
    assert_eq!(status["lanes"][0]["backlog"], 1);
    tenant.sandbox.agent_sends(&customer, "quokka").await;
    eventually("Genesys is answered 503", SOON, || async {
        let log = tenant.sandbox.log();
        log.webhooks
            .iter()
            .any(|attempt| attempt.status == Some(503))
            .then_some(())
    })
    .await;
    assert!(
        relay.log().contains("acme-sms"),
        "the log names the nearest integration:\n{}",
        relay.log()
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_webhook_secrets_refuses_nobody() {
    let (tenant, relay, customer) = running().await;
    let options = tenant.sandbox.options().clone();
    let before = relay.status().await["secrets"].clone();
    tenant.write_secret(
        "twilio",
        "authToken",
        &format!("next-token-0123456789\n{}", options.auth_token),
    );
    let both = format!(
        "next-webhook-secret-0123\n{}",
        options.integration.webhook_secret
    );
    tenant.write_secret("genesys", "webhookSecret", &both);
    eventually("the changed Secrets are loaded", SOON, || async {
        let now = relay.status().await["secrets"].clone();
        (now["twilio"] != before["twilio"] && now["genesys"] != before["genesys"]).then_some(())
    })
    .await;
    tenant.sandbox.customer_sends(&customer, "quokka").await;
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    assert_eq!(final_receipt(&tenant, &id).await.status, "Delivered");
    let log = tenant.sandbox.log();
    assert!(
        log.webhooks
            .iter()
            .all(|attempt| attempt.status == Some(200)),
        "{:?}",
        log.webhooks
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dying_tokens_cost_nothing_but_a_new_one() {
    let (tenant, relay, customer) = running().await;
    for number in 0..10 {
        // One that dies between two tries of a call would look like refused credentials.
        tenant.sandbox.kill_tokens();
        tenant
            .sandbox
            .customer_sends(&customer, &format!("quokka {number}"))
            .await;
        eventually("it is on the desk", SOON, || async {
            (tenant.sandbox.log().genesys_inbound.len() > number).then_some(())
        })
        .await;
    }
    relay.until_drained(SOON).await;
    let texts = texts_on_the_desk(&tenant);
    let expected: Vec<String> = (0..10).map(|number| format!("quokka {number}")).collect();
    assert_eq!(texts, expected);
    assert!(blocked(&relay.status().await, "inbound").is_null());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_the_load_loses_nothing_and_exits_with_0() {
    let (tenant, relay, customer) = running().await;
    tenant.sandbox.set_faults(Fault::new(
        Endpoint::TwilioSend,
        Effect::Latency { millis: 100 },
    ));
    for number in 0..20 {
        tenant
            .sandbox
            .customer_sends(&customer, &format!("quokka in {number}"))
            .await;
        tenant
            .sandbox
            .agent_sends(&customer, &format!("quokka out {number}"))
            .await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(relay.stop().await.success());
    let relay = Relay::start(RELAY, &tenant).await;
    relay.until_drained(SOON).await;
    let log = tenant.sandbox.log();
    let accepted: Vec<&str> = log
        .webhooks
        .iter()
        .filter(|attempt| attempt.status == Some(200))
        .map(|attempt| attempt.message_id.as_str())
        .collect();
    // What was not accepted is found in Twilio's list, and comes as well.
    let was_accepted = |id: &Option<String>| id.as_deref().is_some_and(|id| accepted.contains(&id));
    let arrived = log
        .genesys_inbound
        .iter()
        .filter(|seen| !seen.repeat && was_accepted(&seen.message_id))
        .count()
        + log.twilio_sends.len();
    assert_eq!(arrived, accepted.len());
    assert_eq!(
        relay.status().await["deadLetters"],
        0,
        "a stop leaves no send in doubt"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_bounded_labels_and_no_numbers() {
    let (tenant, relay, customer) = running().await;
    for number in 0..20 {
        tenant
            .sandbox
            .customer_sends(&format!("+155576500{number:02}"), "quokka")
            .await;
    }
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    final_receipt(&tenant, &id).await;
    relay.until_drained(SOON).await;
    let text = relay.metrics().await;
    assert!(
        text.contains(
            "messaging_bridge_relay_webhooks_total{hook=\"twilio_inbound\",verdict=\"accepted\"} 20"
        ),
        "{text}"
    );
    assert!(text.lines().count() < 200, "labels are bounded");
    assert!(!text.contains("+155") && !text.contains("5557"), "{text}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_from_genesys_is_repeated_with_the_same_id_and_time() {
    let (tenant, relay, customer) = running().await;
    let lost = Fault::new(
        Endpoint::GenesysMessage,
        Effect::LostAnswer { status: None },
    )
    .times(1);
    tenant.sandbox.set_faults(lost);
    tenant.sandbox.customer_sends(&customer, "quokka").await;
    let seen = eventually("the message is repeated", SOON, || async {
        let seen = tenant.sandbox.log().genesys_inbound;
        (seen.len() == 2).then_some(seen)
    })
    .await;
    assert!(seen[1].repeat);
    assert_eq!(seen[0].message_id, seen[1].message_id);
    assert_eq!(seen[0].time, seen[1].time);
    relay.until_drained(SOON).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_asking_for_patience_is_obeyed_and_nothing_is_lost() {
    let (tenant, relay, customer) = running().await;
    let fault = Fault::new(Endpoint::TwilioSend, Effect::RateLimited { retry_after: 2 }).times(1);
    tenant.sandbox.set_faults(fault);
    let began = std::time::Instant::now();
    for text in ["quokka one", "quokka two"] {
        tenant.sandbox.agent_sends(&customer, text).await;
    }
    eventually("both are sent", SOON, || async {
        (tenant.sandbox.log().twilio_sends.len() == 2).then_some(())
    })
    .await;
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "came after {:?}",
        began.elapsed()
    );
    assert_eq!(bodies(&tenant), ["quokka one", "quokka two"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_stalls_is_answered_503_and_what_is_committed_later_is_delivered_all_the_same()
{
    let tenant = Tenant::fast().await;
    let stall = [("FAILPOINTS", "append=1*sleep(5000)")];
    let relay = Relay::start_with(RELAY, &tenant, &stall).await;
    let fields = sms(&tenant, "SM00000000000000000000000000000001", "quokka");
    let answer = post_twilio(&tenant, "/twilio/inbound", &fields).await;
    assert_eq!(answer.status(), 503);
    eventually("it is delivered, and nobody else wrote", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() == 1).then_some(())
    })
    .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_when_each_platform_was_heard_and_what_failed_last() {
    let (tenant, relay, customer) = running().await;
    tenant.sandbox.customer_sends(&customer, "STOP").await;
    relay.until_drained(SOON).await;
    let id = tenant.sandbox.agent_sends(&customer, "quokka").await;
    final_receipt(&tenant, &id).await;
    let status = relay.status().await;
    for (platform, fact) in [
        ("twilio", "lastWebhookTime"),
        ("genesys", "lastWebhookTime"),
        ("genesys", "lastSuccessTime"),
    ] {
        assert!(
            status[platform][fact].is_string(),
            "{platform} {fact}: {status}"
        );
    }
    let failed = status["twilio"]["lastError"]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(failed.contains("21610"), "{status}");
    relay.stop().await;
}

#[rstest]
#[case("a right is missing", 403, "missing.permissions", "Permission")]
#[case("the integration is gone", 404, "not.found", "IntegrationGone")]
#[tokio::test(flavor = "multi_thread")]
async fn a_block_by_genesys_is_named_loses_nothing_and_ends_with_a_changed_secret(
    #[case] what: &str,
    #[case] status: u16,
    #[case] code: &str,
    #[case] cause: &str,
) {
    let (tenant, relay, customer) = running().await;
    let body =
        json!({"code": code, "message": "no", "status": status, "details": [], "errors": []});
    let effect = Effect::Status {
        status,
        body: Some(body),
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::GenesysMessage, effect));
    tenant.sandbox.customer_sends(&customer, "quokka").await;
    let seen = eventually(what, SOON, || async {
        let status = relay.status().await;
        blocked(&status, "inbound").is_object().then_some(status)
    })
    .await;
    assert_eq!(blocked(&seen, "inbound")["cause"], cause, "{what}");
    assert_eq!(seen["deadLetters"], 0, "{what}");
    tenant.sandbox.set_faults([]);
    let old = &tenant.sandbox.options().integration.webhook_secret;
    tenant.write_secret(
        "genesys",
        "webhookSecret",
        &format!("{old}\nanother-secret-0123456789"),
    );
    relay.until_drained(SOON).await;
    assert_eq!(tenant.sandbox.log().genesys_inbound.len(), 1, "{what}");
    relay.stop().await;
}
