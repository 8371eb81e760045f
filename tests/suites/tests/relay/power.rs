//! Power cuts under load: what was acknowledged is on the disk, whatever the disk had not yet synced.
//!
//! `MB_CUTS` says how often (30 otherwise; `make soak` takes more).

use messaging_bridge_suites::load::Rhythm;
use messaging_bridge_suites::power::{Outcome, Plan, run};
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{hostile, keep, number_from_environment};

use crate::RELAY;

fn plan(cuts: usize, failpoints: &str) -> Plan<'_> {
    Plan {
        binary: RELAY,
        cuts,
        failpoints,
        platforms: hostile::now_and_then(),
        rhythm: Rhythm {
            customers: 24,
            pause: 100..500,
            turns: None,
        },
    }
}

async fn outcome(cuts: usize, failpoints: &str) -> Outcome {
    run(&Tenant::fast().await, &plan(cuts, failpoints)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_whose_machine_loses_its_power_again_and_again_keeps_its_promises() {
    let cuts = number_from_environment("MB_CUTS").unwrap_or(30);
    let outcome = outcome(cuts, "hurry-write-back=return").await;
    let verdict = &outcome.verdict;
    let summary = format!(
        "{} cuts, {} syncs, {} changes not synced when the power went\n{verdict}",
        outcome.cuts, outcome.syncs, outcome.unsynced
    );
    keep("power-cuts", &summary);
    assert!(
        verdict.is_clean(),
        "broken promises:\n{}",
        verdict.broken.join("\n")
    );
    assert!(verdict.acknowledged > cuts * 10, "{summary}");
    assert!(
        outcome.syncs > cuts * 10 && outcome.unsynced > 0,
        "the library saw nothing: {summary}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_does_not_wait_for_the_disk_is_noticed() {
    let outcome = outcome(8, "fault-synchronous-off=return").await;
    let noticed = |words| {
        let broken = &outcome.verdict.broken;
        broken.iter().any(|broken| broken.contains(words))
    };
    assert!(
        noticed("acknowledged and lost") || noticed("database"),
        "8 power cuts and no loss: {:?}",
        outcome.verdict
    );
}
