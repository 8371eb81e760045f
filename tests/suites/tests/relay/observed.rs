//! What somebody on call can see of a message: one line, the metrics, a trace. Never its text or its number.

use std::collections::BTreeSet;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault};
use messaging_bridge_suites::collector::{Collector, SpanSeen};
use messaging_bridge_suites::process::{Relay, leaks};
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{SOON, eventually, final_receipt};
use serde_json::Value;

use crate::RELAY;

async fn start(tenant: &Tenant, environment: &[(&str, &str)]) -> Relay {
    let relay = Relay::start_with(RELAY, tenant, environment).await;
    eventually("the integration is resolved", SOON, || async {
        relay.status().await["integrationId"]
            .is_string()
            .then_some(())
    })
    .await;
    relay
}

/// Waits until so many texts of customers reached Genesys.
async fn on_the_desk(tenant: &Tenant, count: usize) {
    eventually("the texts reach Genesys", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() >= count).then_some(())
    })
    .await;
}

/// The lines about the outcomes of messages.
fn outcomes(relay: &Relay) -> Vec<Value> {
    relay
        .log()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "message ended")
        .collect()
}

fn refusing(endpoint: Endpoint) -> Fault {
    let effect = Effect::Status {
        status: 503,
        body: None,
    };
    Fault::new(endpoint, effect)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_ends_in_one_line_with_all_that_is_known_of_it() {
    let tenant = Tenant::fast().await;
    let relay = start(&tenant, &[("MB_LOG_FORMAT", "json")]).await;
    let customer = tenant.sandbox.options().customer.clone();
    let sid = tenant.sandbox.customer_sends(&customer, "quokka").await;
    on_the_desk(&tenant, 1).await;
    let long = "quokka ".repeat(300);
    let id = tenant.sandbox.agent_sends(&customer, &long).await;
    final_receipt(&tenant, &id).await;
    tenant.sandbox.customer_sends(&customer, "STOP").await;
    on_the_desk(&tenant, 2).await;
    let refused = tenant.sandbox.agent_sends(&customer, "quokka").await;
    final_receipt(&tenant, &refused).await;
    let lines = outcomes(&relay);
    let of = |id: &str| {
        let mut found = lines.iter().filter(|line| line["id"] == id);
        let line = found.next().expect("there is a line");
        assert!(found.next().is_none(), "there is one line only");
        line
    };
    let inbound = of(&sid);
    assert_eq!(
        (&inbound["direction"], &inbound["outcome"]),
        (&"inbound".into(), &"delivered".into())
    );
    let outbound = of(&id);
    let last = tenant.sandbox.log().twilio_sends[1].sid.clone();
    assert_eq!(
        (&outbound["parts"], &outbound["sid"]),
        (&2.into(), &last.into())
    );
    let given_up = of(&refused);
    assert_eq!(
        (&given_up["outcome"], &given_up["level"]),
        (&"refused".into(), &"ERROR".into())
    );
    assert!(
        given_up["why"]
            .as_str()
            .is_some_and(|why| why.contains("21610")),
        "{given_up}"
    );
    for line in [inbound, outbound, given_up] {
        assert!(
            line["lane"].as_str().is_some_and(|lane| lane.contains('•')),
            "{line}"
        );
        assert!(line["tries"].is_u64() && line["age_ms"].is_u64(), "{line}");
    }
    assert_eq!(lines.len(), 4, "one line a message: {lines:?}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_answer_the_questions_of_somebody_on_call() {
    let tenant = Tenant::fast().await;
    let relay = start(&tenant, &[]).await;
    let customer = tenant.sandbox.options().customer.clone();
    tenant
        .sandbox
        .set_faults(refusing(Endpoint::GenesysMessage).times(1));
    tenant.sandbox.customer_sends(&customer, "STOP").await;
    on_the_desk(&tenant, 1).await;
    relay.until_drained(SOON).await;
    let refused = tenant.sandbox.agent_sends(&customer, "quokka").await;
    final_receipt(&tenant, &refused).await;
    relay.until_drained(SOON).await;
    let text = relay.metrics().await;
    for line in [
        "waiting{direction=\"inbound\"} 0",
        "oldest_seconds{direction=\"outbound\"} 0",
        "message_age_seconds_count{direction=\"inbound\",outcome=\"delivered\"} 1",
        "message_age_seconds_count{direction=\"outbound\",outcome=\"given_up\"} 1",
        "retries_total{direction=\"inbound\",kind=\"transient\"} 1",
        "messages_total{direction=\"outbound\",outcome=\"refused\"} 1",
        "dead_letters{direction=\"outbound\",reason=\"refused\"} 1",
        "genesys_allowance{what=\"allowed\"} 1000000",
        "genesys_allowance{what=\"used\"} ",
        "genesys_token_remaining_seconds 86",
        "genesys_token_age_seconds ",
        "blocked{direction=\"inbound\"} 0",
    ] {
        assert!(
            text.contains(&format!("messaging_bridge_relay_{line}")),
            "{line}\n{text}"
        );
    }
    assert!(!text.contains("trace_id"), "nobody asked for traces");
    relay.stop().await;
}

/// The spans of one trace by name.
fn named<'s>(spans: &'s [SpanSeen], trace: &str, name: &str) -> Vec<&'s SpanSeen> {
    let spans = spans
        .iter()
        .filter(|span| span.trace == trace && span.name == name);
    spans.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_one_messages_whole_way_across_a_restart() {
    let tenant = Tenant::fast().await;
    let collector = Collector::start().await;
    let traced = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    let relay = start(&tenant, &traced).await;
    tenant
        .sandbox
        .set_faults(refusing(Endpoint::GenesysMessage));
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.customer_sends(&customer, "quokka").await;
    eventually("it is tried", SOON, || async {
        collector
            .spans()
            .iter()
            .any(|span| span.name == "send")
            .then_some(())
    })
    .await;
    assert!(relay.stop().await.success());
    tenant.sandbox.set_faults([]);
    let relay = start(&tenant, &traced).await;
    on_the_desk(&tenant, 1).await;
    relay.until_drained(SOON).await;
    let metrics = relay.metrics().await;
    assert!(
        relay.stop().await.success(),
        "what is left is exported before the end"
    );
    let spans = collector.spans();
    let ways: BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(ways.len(), 1, "{spans:?}");
    let trace = spans[0].trace.as_str();
    let whole = named(&spans, trace, "message");
    assert_eq!(whole.len(), 1, "{spans:?}");
    assert_eq!((&whole[0].parent, &whole[0].error), (&None, &None));
    for name in ["webhook", "append", "send"] {
        let steps = named(&spans, trace, name);
        assert!(!steps.is_empty(), "{name}: {spans:?}");
        assert!(
            steps
                .iter()
                .all(|step| step.parent.as_ref() == Some(&whole[0].id)),
            "{spans:?}"
        );
    }
    let sends = named(&spans, trace, "send");
    assert!(
        sends.len() >= 2 && sends[0].error.as_deref() == Some("transient"),
        "{spans:?}"
    );
    assert_eq!(sends.last().and_then(|send| send.error.as_deref()), None);
    assert!(
        metrics.contains(&format!("trace_id=\"{trace}\"")),
        "exemplars name the trace:\n{metrics}"
    );
    let leaks = leaks(&collector.text(), &tenant.unspeakable());
    assert!(
        leaks.is_empty(),
        "exported what must not be:\n{}",
        leaks.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_delays_nobody_and_is_said_once() {
    let tenant = Tenant::fast().await;
    let relay = start(
        &tenant,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")],
    )
    .await;
    let customer = tenant.sandbox.options().customer.clone();
    for number in 0..5 {
        tenant
            .sandbox
            .customer_sends(&customer, &format!("quokka {number}"))
            .await;
    }
    let arrived = async |count: usize| {
        eventually("the texts arrive", SOON, || async {
            (tenant.sandbox.log().genesys_inbound.len() == count).then_some(())
        })
        .await;
    };
    arrived(5).await;
    eventually("it is said", SOON, || async {
        relay.log().contains("traces are not taken").then_some(())
    })
    .await;
    tenant.sandbox.customer_sends(&customer, "quokka").await;
    arrived(6).await;
    assert_eq!(relay.log().matches("traces are not taken").count(), 1);
    assert!(relay.stop().await.success());
}
