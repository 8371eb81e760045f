//! *Blocked* in each of its causes: named, nothing lost, resumed; and what only looks like it.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault};
use messaging_bridge_suites::tenant::{Spec, Tenant};
use messaging_bridge_suites::{SOON, doubt, eventually, sent};
use rstest::rstest;
use serde_json::{Value, json};

use super::{RELAY, answers, customer, direction};

fn genesys(status: u16, code: &str) -> Fault {
    let body =
        json!({"code": code, "message": "no", "status": status, "details": [], "errors": []});
    answers(Endpoint::GenesysMessage, status, body)
}

fn twilio(status: u16, code: u32) -> Fault {
    let body = json!({"code": code, "message": "no", "status": status, "more_info": ""});
    answers(Endpoint::TwilioSend, status, body)
}

fn token(status: u16) -> Fault {
    let body = json!({"error": "invalid_client", "description": "no"});
    answers(Endpoint::GenesysToken, status, body)
}

/// How a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resumes {
    BySecret,
    ByProbe,
}
use Resumes::{ByProbe, BySecret};

#[rstest]
#[case::genesys_client_refused(token(401), "inbound", "Credentials", BySecret)]
#[case::genesys_401_after_one_refresh(
    genesys(401, "bad.credentials"),
    "inbound",
    "Credentials",
    BySecret
)]
#[case::genesys_permission(genesys(403, "missing.permissions"), "inbound", "Permission", ByProbe)]
#[case::genesys_integration(genesys(404, "not.found"), "inbound", "IntegrationGone", BySecret)]
#[case::twilio_credentials(twilio(401, 20003), "outbound", "Credentials", BySecret)]
#[case::twilio_suspended(twilio(403, 30002), "outbound", "AccountSuspended", ByProbe)]
#[case::twilio_sender(twilio(400, 21212), "outbound", "SenderRejected", BySecret)]
#[case::twilio_no_sender(twilio(400, 21703), "outbound", "NoUsableSender", BySecret)]
#[tokio::test(flavor = "multi_thread")]
async fn each_cause_names_its_fix_loses_nothing_and_resumes(
    #[case] fault: Fault,
    #[case] way: &str,
    #[case] cause: &str,
    #[case] resumes: Resumes,
) {
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    if fault.endpoint == Endpoint::GenesysToken {
        tenant.sandbox.kill_tokens();
    }
    tenant.sandbox.set_faults(fault);
    for number in 0..6 {
        let text = format!("quokka {number}");
        let whose = customer(number % 3);
        match way {
            "inbound" => tenant.sandbox.customer_sends(&whose, &text).await,
            _ => tenant.sandbox.agent_sends(&whose, &text).await,
        };
    }
    let status = eventually("the direction is blocked and all wait", SOON, || async {
        let status = relay.status().await;
        let lane = direction(&status, way);
        (lane["blocked"].is_object() && lane["backlog"] == 6).then_some(status)
    })
    .await;
    let blocked = &direction(&status, way)["blocked"];
    assert_eq!(blocked["cause"], cause);
    assert!(
        blocked["fix"].as_str().is_some_and(|fix| fix.len() > 20),
        "{blocked}"
    );
    let other = if way == "inbound" {
        "outbound"
    } else {
        "inbound"
    };
    assert!(
        direction(&status, other)["blocked"].is_null(),
        "the other direction flows"
    );
    tenant.sandbox.set_faults([]);
    let patience = match resumes {
        BySecret => {
            change_a_secret(&tenant);
            SOON
        }
        ByProbe => Duration::from_mins(3),
    };
    relay.until_drained(patience).await;
    let status = relay.status().await;
    assert_eq!(status["deadLetters"], 0);
    assert!(direction(&status, way)["blocked"].is_null());
    let log = tenant.sandbox.log();
    let arrived = log.genesys_inbound.len() + log.twilio_sends.len();
    assert_eq!(arrived, 6, "each arrived once");
    let said = relay.log();
    let count = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    assert!(count("is no longer held back") >= 1, "{said}");
    let platform = if way == "inbound" {
        "Genesys"
    } else {
        "Twilio"
    };
    assert_eq!(
        count(&format!("delivery to {platform} is blocked")),
        1,
        "{said}"
    );
    relay.stop().await;
}

/// Any change of a Secret has everything tried again.
fn change_a_secret(tenant: &Tenant) {
    let old = &tenant.sandbox.options().integration.webhook_secret;
    let both = format!("{old}\nanother-secret-0123456789");
    tenant.write_secret("genesys", "webhookSecret", &both);
}

#[rstest]
#[case::a_bad_recipient(400, json!({"code": 21211, "message": "no", "status": 400}))]
#[case::our_number_cannot_reach_them(400, json!({"code": 21606, "message": "no", "status": 400}))]
#[case::a_bare_403(403, json!({}))]
#[tokio::test(flavor = "multi_thread")]
async fn one_customers_permanent_failures_never_look_like_a_block(
    #[case] status: u16,
    #[case] body: Value,
) {
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    let fault = answers(Endpoint::TwilioSend, status, body).for_customer(customer(1));
    tenant.sandbox.set_faults(fault);
    for number in 0..10 {
        let text = format!("quokka {number}");
        tenant.sandbox.agent_sends(&customer(1), &text).await;
        tenant.sandbox.agent_sends(&customer(2), &text).await;
    }
    assert_eq!(sent(&tenant, 10).await.len(), 10);
    let status = eventually("each of the others is a dead letter", SOON, || async {
        let status = relay.status().await;
        assert!(
            direction(&status, "outbound")["blocked"].is_null(),
            "{status}"
        );
        assert!(
            direction(&status, "outbound")["outageSince"].is_null(),
            "{status}"
        );
        (status["deadLetters"] == 10).then_some(status)
    })
    .await;
    assert_eq!(direction(&status, "outbound")["backlog"], 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_clients_stand_line_by_line_and_a_refused_one_blocks_nothing() {
    let tenant = Tenant::fast().await;
    let options = tenant.sandbox.options().clone();
    let ids = format!(
        "00000000-0000-4000-8000-000000000000\n{}\n",
        options.client_id
    );
    tenant.write_secret("genesys", "clientId", &ids);
    let secrets = format!(
        "a-secret-of-a-client-that-is-gone\n{}\n",
        options.client_secret
    );
    tenant.write_secret("genesys", "clientSecret", &secrets);
    let relay = messaging_bridge_suites::process::Relay::start(RELAY, &tenant).await;
    tenant.sandbox.customer_sends(&customer(1), "quokka").await;
    eventually("it is on the desk", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() == 1).then_some(())
    })
    .await;
    let status = relay.status().await;
    assert!(
        direction(&status, "inbound")["blocked"].is_null(),
        "{status}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_no_block() {
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    let refused = Fault::new(Endpoint::GenesysMessage, Effect::Refused).times(3);
    tenant.sandbox.set_faults(refused);
    tenant.sandbox.customer_sends(&customer(1), "quokka").await;
    eventually("it is on the desk", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() == 1).then_some(())
    })
    .await;
    assert!(!relay.log().contains("is blocked"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_expire_during_a_block_are_told_and_seen_without_their_turn() {
    let spec = Spec {
        twilio: "    validity: 1m\n".into(),
        ..Spec::default()
    };
    let (tenant, relay, _) = doubt::running(RELAY, spec).await;
    tenant.sandbox.set_faults(twilio(401, 20003));
    let mut ids = Vec::new();
    for number in 0..4 {
        let whose = customer(number % 2);
        ids.push(tenant.sandbox.agent_sends(&whose, "quokka").await);
    }
    let told = eventually("all agents are told", Duration::from_mins(3), || async {
        let receipts = tenant.sandbox.log().genesys_receipts;
        let of_id = |id: &String| {
            let mut told = receipts.iter();
            told.find(|receipt| receipt.message_id == *id).cloned()
        };
        ids.iter().map(of_id).collect::<Option<Vec<_>>>()
    })
    .await;
    for receipt in told {
        assert_eq!(receipt.status, "Failed");
        assert_eq!(receipt.reasons[0].code.as_deref(), Some("MessageExpired"));
    }
    let metrics = relay.metrics().await;
    let ended = metrics
        .lines()
        .find(|line| line.contains("messages_total{") && line.contains("outcome=\"expired\""));
    assert!(ended.is_some_and(|line| line.ends_with(" 4")), "{metrics}");
    assert_eq!(relay.status().await["deadLetters"], 4);
    assert!(tenant.sandbox.log().twilio_sends.is_empty());
    let log = relay.kill_unscanned().await;
    let lines = log.lines().filter(|line| line.contains("message ended"));
    assert_eq!(lines.count(), 4, "{log}");
}
