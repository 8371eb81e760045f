//! SIGKILL under load on hostile platforms, inside every named step and at random moments: nothing acknowledged is
//! lost, nothing is texted twice, order is kept, and only a lost answer is repeated.
//!
//! `MB_KILLS` says how often at random (100 otherwise; `make soak` takes hundreds), in rounds of a hundred.

use messaging_bridge_relay::steps::STEPS;
use messaging_bridge_suites::crash::{Moment, Outcome, Plan, run};
use messaging_bridge_suites::load::Rhythm;
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{hostile, keep, number_from_environment};

use crate::RELAY;

/// Every step is met by so many kills.
const KILLS_A_STEP: usize = 2;

/// A tenant of its own, and a verdict, for so many kills at most: both grow with the number of messages.
const A_ROUND: usize = 100;

fn plan(moment: Moment, kills: usize) -> Plan<'static> {
    Plan {
        binary: RELAY,
        moment,
        kills,
        failpoints: Some("hurry-write-back=return"),
        platforms: hostile::now_and_then(),
        rhythm: Rhythm {
            customers: 24,
            pause: 100..500,
            turns: None,
        },
    }
}

/// Every promise was kept, and nothing was logged that must not be.
fn assert_kept(outcome: &Outcome, what: &str) {
    let verdict = &outcome.verdict;
    keep(what, &format!("killed: {:?}\n{verdict}", outcome.killed));
    if !verdict.is_clean()
        && let Some(place) = std::env::var_os("CI_OUTPUT_DIR")
    {
        let file = std::path::Path::new(&place).join(format!("{what}.log"));
        std::fs::write(file, &outcome.log).expect("the log can be written");
    }
    assert!(
        verdict.is_clean(),
        "broken promises ({what}, killed {:?}):\n{}",
        outcome.killed,
        verdict.broken.join("\n")
    );
    assert!(
        outcome.leaks.is_empty(),
        "logged what it must not:\n{}",
        outcome.leaks.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_in_every_step_under_load_keeps_its_promises() {
    let tenant = Tenant::fast().await;
    let plan = plan(Moment::Steps(STEPS.to_vec()), KILLS_A_STEP);
    let outcome = run(&tenant, &plan).await;
    assert_kept(&outcome, "kills-in-steps");
    for step in STEPS {
        let kills = outcome.killed.get(step).copied().unwrap_or_default();
        assert!(kills > 0, "no kill inside {step:?}: {:?}", outcome.killed);
    }
    assert!(
        outcome.verdict.acknowledged > 500,
        "the load was too light to prove anything: {}",
        outcome.verdict
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_at_random_under_load_keeps_its_promises() {
    let mut left = number_from_environment("MB_KILLS").unwrap_or(A_ROUND);
    for round in 1.. {
        let kills = left.min(A_ROUND);
        left -= kills;
        let tenant = Tenant::fast().await;
        let outcome = run(&tenant, &plan(Moment::Random, kills)).await;
        assert_kept(&outcome, &format!("kills-at-random-{round}"));
        assert!(
            outcome.verdict.acknowledged > kills * 5,
            "the load was too light to prove anything: {}",
            outcome.verdict
        );
        if left == 0 {
            return;
        }
    }
}
