//! Three of ten requests and webhooks meet a fault, for thousands of messages each way: all promises hold.
//!
//! `MB_MESSAGES` says how many each way (500 otherwise; `make soak` takes 10,000).

use std::time::Duration;

use messaging_bridge_sandbox::Options;
use messaging_bridge_suites::load::{Load, Rhythm};
use messaging_bridge_suites::process::{Relay, reqwest_client};
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::verdict::{Verdict, judge_killed};
use messaging_bridge_suites::{crash, hostile, keep, number_from_environment};
use serde_json::Value;

use crate::RELAY;

/// Messages of one conversation each way: a send in doubt holds its lane up for more than a minute.
const TURNS: usize = 5;

/// The words of the dead letters and how many there are of each.
async fn dead_letters(tenant: &Tenant, direction: &str) -> Vec<String> {
    let url = format!("http://{}/dead-letters", tenant.control());
    let answer = reqwest_client().get(url).send().await;
    let listed: Value = answer
        .expect("the control listener answers")
        .json()
        .await
        .expect("the list is JSON");
    let letters = listed["dead_letters"].as_array().cloned();
    letters
        .expect("a list of dead letters")
        .iter()
        .filter(|letter| letter["direction"] == direction)
        .map(|letter| letter["reason"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn assert_kept(verdict: &Verdict) {
    assert!(
        verdict.is_clean(),
        "broken promises:\n{}",
        verdict.broken.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_of_faults_every_promise_holds() {
    let messages = number_from_environment("MB_MESSAGES").unwrap_or(500);
    let options = Options {
        genesys_limit_per_minute: 1_000_000,
        ..fast()
    };
    let tenant = Tenant::new(options, Spec::default()).await;
    tenant.sandbox.set_faults(hostile::storm());
    let relay = Relay::start_with(RELAY, &tenant, &[("MB_LOG_FORMAT", "json")]).await;
    let began = std::time::Instant::now();
    let rhythm = Rhythm {
        customers: messages.div_ceil(TURNS),
        pause: 1000..5000,
        turns: Some(TURNS),
    };
    let sent = Load::start(&tenant.sandbox, &rhythm).finish().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The storm goes on until everything has its end.
    // Receipts go one at a time, and three of ten are tried again.
    let patience = Duration::from_mins(5)
        + Duration::from_millis(200) * u32::try_from(messages).expect("no more");
    crash::drain_within(&tenant, &relay, patience).await;
    let (given_up, unsent) = (
        dead_letters(&tenant, "inbound").await,
        dead_letters(&tenant, "outbound").await,
    );
    assert!(
        given_up.is_empty(),
        "given up towards Genesys: {given_up:?}"
    );
    let log = tenant.sandbox.log();
    let verdict = judge_killed(&sent, &log, &[]);
    let summary = format!(
        "{messages} messages each way in {:.0} s\n{verdict}{:<36}{:>8}\n{:<36}{:>8}\n{:<36}{:>8}\n",
        began.elapsed().as_secs_f64(),
        "dead letters towards Twilio",
        unsent.len(),
        "receipts read by Genesys",
        log.genesys_receipts.len(),
        "status callbacks tried",
        log.callbacks.len(),
    );
    keep("storm", &summary);
    relay.kill().await;
    assert_kept(&verdict);
    assert!(
        verdict.acknowledged > messages * 19 / 10,
        "too little was acknowledged: {summary}"
    );
    assert_eq!(verdict.told_as_failed, unsent.len(), "{summary}");
}
