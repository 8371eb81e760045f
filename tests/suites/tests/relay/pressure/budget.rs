//! Both platforms' limits: used, kept, and shared fairly.

use std::collections::HashMap;
use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, RateLimiter};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::{Pace, Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually, sent};
use rstest::rstest;

use super::{RELAY, customer};

const PATIENCE: Duration = Duration::from_mins(3);

/// A relay that knows nothing of the limit but what the answers state.
async fn limited(limiter: RateLimiter, per_minute: u32) -> (Tenant, Relay) {
    let mut options = fast();
    options.genesys_limit_per_minute = per_minute;
    options.genesys_limiter = limiter;
    options.genesys_window = Duration::from_secs(10);
    let spec = Spec {
        requests_per_minute: Pace::AsStated,
        ..Spec::default()
    };
    let tenant = Tenant::new(options, spec).await;
    let relay = Relay::start(RELAY, &tenant).await;
    (tenant, relay)
}

/// The longest run of 429s without a message or receipt between.
fn longest_run_of_429(tenant: &Tenant) -> usize {
    let log = tenant.sandbox.log();
    let refused = log.rejected.iter().filter(|refused| refused.status == 429);
    let mut calls: Vec<(jiff::Timestamp, bool)> = refused
        .map(|refused| (refused.at, true))
        .chain(log.genesys_inbound.iter().map(|seen| (seen.at, false)))
        .chain(log.genesys_receipts.iter().map(|seen| (seen.at, false)))
        .collect();
    calls.sort_unstable();
    calls
        .split(|(_, refused)| !refused)
        .map(<[_]>::len)
        .max()
        .unwrap_or(0)
}

/// The numbers of each customer's messages, as they came.
fn orders(tenant: &Tenant) -> HashMap<String, Vec<usize>> {
    let mut orders: HashMap<String, Vec<usize>> = HashMap::new();
    for seen in tenant.sandbox.log().genesys_inbound {
        let number = seen.text.rsplit(' ').next().and_then(|n| n.parse().ok());
        orders
            .entry(seen.customer)
            .or_default()
            .push(number.expect("the texts of this suite end with a number"));
    }
    orders
}

#[rstest]
#[case::fixed_window(RateLimiter::Fixed, 480)]
#[case::sliding_window(RateLimiter::Sliding, 480)]
#[case::leaky_bucket(RateLimiter::Leaky { burst: 4 }, 480)]
#[case::an_allowance_below_300(RateLimiter::Fixed, 120)]
#[tokio::test(flavor = "multi_thread")]
async fn a_deep_backlog_meets_no_second_429_in_a_row_and_arrives_in_order(
    #[case] limiter: RateLimiter,
    #[case] per_minute: u32,
) {
    let (tenant, relay) = limited(limiter, per_minute).await;
    let (customers, each) = (5, if per_minute < 300 { 8 } else { 24 });
    for number in 0..each {
        for from in 0..customers {
            let text = format!("quokka {number}");
            tenant.sandbox.customer_sends(&customer(from), &text).await;
        }
    }
    eventually("all are on the desk", PATIENCE, || async {
        (tenant.sandbox.log().genesys_inbound.len() >= customers * each).then_some(())
    })
    .await;
    assert!(
        longest_run_of_429(&tenant) <= 1,
        "{:?}",
        tenant.sandbox.log().rejected
    );
    let expected: Vec<usize> = (0..each).collect();
    for (from, order) in orders(&tenant) {
        assert_eq!(order, expected, "{from}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_noisy_customer_does_not_starve_the_others() {
    let (tenant, relay) = limited(RateLimiter::Fixed, 300).await;
    for number in 0..60 {
        let text = format!("quokka {number}");
        tenant.sandbox.customer_sends(&customer(0), &text).await;
    }
    eventually("the noisy one waits", SOON, || async {
        let status = relay.status().await;
        (status["lanes"][0]["backlog"].as_u64() >= Some(30)).then_some(())
    })
    .await;
    for quiet in 1..4 {
        tenant
            .sandbox
            .customer_sends(&customer(quiet), "quokka 0")
            .await;
    }
    eventually("the quiet ones are served", PATIENCE, || async {
        (orders(&tenant).len() == 4).then_some(())
    })
    .await;
    let noisy = orders(&tenant)[&customer(0)].len();
    assert!(
        noisy < 55,
        "the quiet ones waited for the noisy one: {noisy}"
    );
    relay.stop().await;
}

#[rstest]
#[case::bare(429, serde_json::json!({"message": "busy", "status": 429}))]
#[case::concurrency(429, serde_json::json!({"code": 20429, "message": "busy", "status": 429}))]
#[case::as_400(400, serde_json::json!({"code": 20429, "message": "busy", "status": 400}))]
#[case::queue_full(429, serde_json::json!({"code": 21611, "message": "full", "status": 429}))]
#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_throttles_was_not_sent_and_leaves_no_doubt_even_over_a_crash(
    #[case] status: u16,
    #[case] body: serde_json::Value,
) {
    let tenant = Tenant::fast().await;
    let relay = Relay::start(RELAY, &tenant).await;
    tenant
        .sandbox
        .set_faults(super::answers(Endpoint::TwilioSend, status, body));
    tenant.sandbox.agent_sends(&customer(1), "quokka").await;
    eventually("it was throttled", SOON, || async {
        let last = relay.status().await["twilio"]["lastError"].clone();
        last.is_object().then_some(())
    })
    .await;
    // Marks are cleared before the wait begins; the crash comes well after.
    tokio::time::sleep(Duration::from_millis(500)).await;
    relay.kill().await;
    // Whoever looked a send up now would find nothing to hear.
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::TwilioList, Effect::Refused));
    let relay = Relay::start(RELAY, &tenant).await;
    assert_eq!(sent(&tenant, 1).await, ["quokka"]);
    assert_eq!(relay.status().await["deadLetters"], 0);
    relay.stop().await;
}
