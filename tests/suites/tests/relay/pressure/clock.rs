//! A machine whose clock is wrong: the platforms' `Date` is believed, and nothing ends by a time that is in doubt.

use std::time::Duration;

use messaging_bridge_sandbox::{Endpoint, Options};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually, sent};
use rstest::rstest;

use super::{RELAY, answers, customer, direction};

#[rstest]
#[case::hours_behind(9)]
#[case::hours_ahead(-9)]
#[case::months_behind(24 * 60)]
#[tokio::test(flavor = "multi_thread")]
async fn messages_flow_both_ways_and_carry_the_platforms_time(#[case] hours: i64) {
    let offset = jiff::SignedDuration::from_hours(hours);
    let options = Options {
        date_offset: offset,
        ..fast()
    };
    let tenant = Tenant::new(options, Spec::default()).await;
    let relay = Relay::start(RELAY, &tenant).await;
    // The first answers tell the time.
    tenant
        .sandbox
        .customer_sends(&customer(1), "quokka 0")
        .await;
    tenant.sandbox.agent_sends(&customer(1), "quokka 0").await;
    sent(&tenant, 1).await;
    relay.until_drained(SOON).await;
    for number in 1..5 {
        let text = format!("quokka {number}");
        tenant.sandbox.customer_sends(&customer(1), &text).await;
        tenant.sandbox.agent_sends(&customer(1), &text).await;
    }
    sent(&tenant, 5).await;
    let seen = eventually("all are on the desk", SOON, || async {
        let seen = tenant.sandbox.log().genesys_inbound;
        (seen.len() == 5).then_some(seen)
    })
    .await;
    let times: Vec<jiff::Timestamp> = seen.iter().filter_map(|seen| seen.time).collect();
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    if hours > 0 {
        for seen in &seen[1..] {
            let platform = seen.at + offset;
            let off = seen.time.map(|time| platform.duration_since(time).abs());
            assert!(off < Some(jiff::SignedDuration::from_mins(2)), "{off:?}");
        }
    }
    assert_eq!(relay.status().await["deadLetters"], 0);
    relay.stop().await;
}

/// How long a reply has waited is known from the first send after a start on.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_start_a_send_tells_twilio_what_is_left_of_its_validity() {
    let spec = Spec {
        twilio: "    validity: 1m\n".into(),
        ..Spec::default()
    };
    let (tenant, relay, _) = messaging_bridge_suites::doubt::running(RELAY, spec).await;
    let refused =
        serde_json::json!({"code": 20003, "message": "no", "status": 401, "more_info": ""});
    let refused = answers(Endpoint::TwilioSend, 401, refused);
    tenant.sandbox.set_faults(refused);
    for from in 0..5 {
        tenant.sandbox.agent_sends(&customer(from), "quokka").await;
    }
    eventually("all wait", SOON, || async {
        (direction(&relay.status().await, "outbound")["backlog"] == 5).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    relay.kill().await;
    tenant.sandbox.set_faults([]);
    let relay = Relay::start(RELAY, &tenant).await;
    sent(&tenant, 5).await;
    for send in tenant.sandbox.log().twilio_sends {
        let left = send.validity.expect("each send says it");
        assert!(left <= 45, "{left} s");
    }
    relay.stop().await;
}
