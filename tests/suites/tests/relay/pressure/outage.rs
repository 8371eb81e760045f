//! One side down: its direction pauses behind a breaker, the other flows, memory stays flat, and all drains in order.

use std::collections::HashMap;
use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault};
use messaging_bridge_suites::process::reqwest_client;
use messaging_bridge_suites::signed::{post_twilio, sms, twilio_request, with};
use messaging_bridge_suites::{SOON, eventually, sent};

use super::{RELAY, customer, direction};

/// Conversations that wait.
const CUSTOMERS: usize = 60;
/// Messages of each.
const EACH: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_met_by_a_few_probes_and_everything_drains_in_order_after_it() {
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::GenesysMessage, Effect::Refused));
    for number in 0..EACH {
        for from in 0..CUSTOMERS {
            let text = format!("quokka {number}");
            tenant.sandbox.customer_sends(&customer(from), &text).await;
        }
    }
    let waiting = u64::try_from(CUSTOMERS * EACH).expect("a small number");
    eventually("the breaker is open and all wait", SOON, || async {
        let status = relay.status().await;
        let lane = direction(&status, "inbound");
        let open = lane["outageSince"].is_string() && lane["backlog"] == waiting;
        open.then_some(())
    })
    .await;
    let before = tenant.sandbox.request_mark();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let calls = tenant
        .sandbox
        .requests_since(before)
        .into_iter()
        .filter(|request| request.path.ends_with("/inbound/open/message"))
        .count();
    assert!(calls <= 5, "{calls} calls within some 20 s of the outage");
    tenant.sandbox.agent_sends(&customer(1), "quokka").await;
    assert_eq!(sent(&tenant, 1).await.len(), 1, "the other direction flows");
    tenant.sandbox.set_faults([]);
    relay.until_drained(Duration::from_mins(3)).await;
    let status = relay.status().await;
    assert!(direction(&status, "inbound")["outageSince"].is_null());
    assert_eq!(status["deadLetters"], 0);
    let mut orders: HashMap<String, Vec<String>> = HashMap::new();
    for seen in tenant.sandbox.log().genesys_inbound {
        orders.entry(seen.customer).or_default().push(seen.text);
    }
    assert_eq!(orders.len(), CUSTOMERS);
    for (from, texts) in orders {
        assert_eq!(texts, ["quokka 0", "quokka 1", "quokka 2"], "{from}");
    }
    relay.stop().await;
}

/// Of a send that Twilio answered with a 5xx nobody knows whether it was done: while Twilio is down, every head that is
/// tried ends in doubt, and the probes are listings.
#[tokio::test(flavor = "multi_thread")]
async fn when_twilio_answers_again_the_replies_in_doubt_go_out_soon_and_once() {
    const CUSTOMERS: usize = 30;
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    let down = |endpoint| {
        let unavailable = Effect::Status {
            status: 503,
            body: None,
        };
        Fault::new(endpoint, unavailable)
    };
    let both = [Endpoint::TwilioSend, Endpoint::TwilioList].map(down);
    tenant.sandbox.set_faults(both);
    for from in 0..CUSTOMERS {
        tenant.sandbox.agent_sends(&customer(from), "quokka").await;
    }
    eventually("the breaker is open and all wait", SOON, || async {
        let lane = direction(&relay.status().await, "outbound").clone();
        let open = lane["outageSince"].is_string() && lane["backlog"] == CUSTOMERS;
        open.then_some(())
    })
    .await;
    // The probes come at their longest interval now.
    tokio::time::sleep(Duration::from_secs(20)).await;
    tenant.sandbox.set_faults([]);
    sent(&tenant, CUSTOMERS).await;
    relay.until_drained(SOON).await;
    let mut texted: Vec<String> = tenant
        .sandbox
        .log()
        .twilio_sends
        .into_iter()
        .map(|send| send.to)
        .collect();
    texted.sort();
    texted.dedup();
    assert_eq!(texted.len(), CUSTOMERS, "each customer once");
    assert_eq!(tenant.sandbox.log().twilio_sends.len(), CUSTOMERS);
    let status = relay.status().await;
    assert!(direction(&status, "outbound")["outageSince"].is_null());
    assert_eq!(status["deadLetters"], 0);
    relay.stop().await;
}

/// Twenty conversations in which ever more waits: what waits is on disk, not in memory.
#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_what_waits() {
    let (tenant, relay) = messaging_bridge_suites::running(RELAY).await;
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::GenesysMessage, Effect::Refused));
    let client = reqwest_client();
    let mut resident = Vec::new();
    let text = format!("quokka {}", "x".repeat(1000));
    for thousand in 0..6 {
        let mut appends = tokio::task::JoinSet::new();
        let tenant = &tenant;
        for worker in 0..4 {
            let fields: Vec<_> = (0..250)
                .map(|n| {
                    let number = thousand * 1000 + worker * 250 + n;
                    let fields = sms(tenant, &format!("SM{number:032}"), &text);
                    with(fields, "From", &customer(number % 20))
                })
                .collect();
            let requests: Vec<_> = fields
                .iter()
                .map(|fields| twilio_request(&client, tenant, "/twilio/inbound", fields))
                .collect();
            appends.spawn(async move {
                for request in requests {
                    let answer = request.send().await.expect("the relay answers");
                    assert_eq!(answer.status(), 200);
                }
            });
        }
        while let Some(done) = appends.join_next().await {
            done.expect("no append failed");
        }
        resident.push(relay.resident_kib());
    }
    let status = relay.status().await;
    assert_eq!(direction(&status, "inbound")["backlog"], 6000);
    let grown = resident[5].saturating_sub(resident[1]);
    assert!(
        grown < 4096,
        "four megabytes of texts more waited: {resident:?}"
    );
    let answer = post_twilio(&tenant, "/twilio/inbound", &sms(&tenant, "SM9", "quokka")).await;
    assert_eq!(answer.status(), 200);
    relay.stop().await;
}
