//! Disks that are full, read-only or fail once: the intake answers 503 and recovers by itself, and nothing that was
//! acknowledged is lost.

use std::time::Duration;

use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::signed::{post_twilio, sms};
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{SOON, eventually};
use rstest::rstest;

use super::{RELAY, customer};

/// Posts text after text until an answer has this status; returns which were accepted on the way.
async fn post_until(tenant: &Tenant, status: u16, from: usize) -> Vec<String> {
    let mut accepted = Vec::new();
    for number in from..from + 500 {
        let sid = format!("SM{number:032}");
        let fields = sms(tenant, &sid, "quokka");
        let answer = post_twilio(tenant, "/twilio/inbound", &fields).await;
        if answer.status() == 200 {
            accepted.push(sid);
        } else {
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()["retry-after"], "5");
        }
        if answer.status() == status {
            return accepted;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no answer was {status}");
}

/// The result codes of SQLite for each.
#[rstest]
#[case::an_io_error("10")]
#[case::a_failed_fsync("1034")]
#[case::a_full_disk("13")]
#[case::a_read_only_disk("8")]
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_for_a_while_costs_a_503_and_nothing_that_was_acknowledged(
    #[case] code: &str,
) {
    let tenant = Tenant::fast().await;
    let fault = format!("fault-disk=40*off->20*return({code})");
    let environment = [("FAILPOINTS", fault.as_str())];
    let relay = Relay::start_with(RELAY, &tenant, &environment).await;
    let mut accepted = post_until(&tenant, 503, 0).await;
    accepted.extend(post_until(&tenant, 200, 1000).await);
    accepted.extend(post_until(&tenant, 200, 2000).await);
    let id = tenant.sandbox.agent_sends(&customer(1), "quokka").await;
    eventually(
        "everything that was acknowledged is on the desk",
        SOON,
        || async {
            let seen = tenant.sandbox.log().genesys_inbound;
            let is_there = |sid: &String| {
                let mut seen = seen.iter();
                seen.any(|seen| seen.message_id.as_ref() == Some(sid))
            };
            accepted.iter().all(is_there).then_some(())
        },
    )
    .await;
    messaging_bridge_suites::final_receipt(&tenant, &id).await;
    assert_eq!(relay.status().await["deadLetters"], 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_fills_up_refuses_the_intake_drains_and_recovers_by_itself() {
    let tenant = Tenant::fast().await;
    let relay = Relay::start_on_volume(RELAY, &tenant, 96).await;
    assert_eq!(post_until(&tenant, 200, 0).await.len(), 1);
    // The volume is in the relay's own mount namespace.
    let inside = format!("/proc/{}/root{}", relay.pid(), tenant.data_dir().display());
    let ballast = std::path::Path::new(&inside).join("ballast");
    std::fs::write(&ballast, vec![7; 40 << 20]).expect("there is room for it");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let accepted = post_until(&tenant, 503, 1000).await;
    relay.until_drained(SOON).await;
    assert_eq!(
        tenant.sandbox.log().genesys_inbound.len(),
        1 + accepted.len()
    );
    std::fs::remove_file(&ballast).expect("it was written");
    post_until(&tenant, 200, 2000).await;
    relay.until_drained(SOON).await;
    relay.stop().await;
}
