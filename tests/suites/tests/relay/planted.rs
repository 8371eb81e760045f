//! Planted faults: each must turn the judgement of the crash suite red, or the suite proves nothing.

use messaging_bridge_sandbox::Faults;
use messaging_bridge_suites::crash::{Moment, Outcome, Plan, run};
use messaging_bridge_suites::load::Rhythm;
use messaging_bridge_suites::tenant::Tenant;

use crate::RELAY;

/// Rounds that a planted fault may take to be noticed: the moment of a kill is random.
const ROUNDS: usize = 4;

/// Runs rounds of kills with a fault until `noticed` says so.
async fn is_noticed(
    fault: &str,
    steps: &[&'static str],
    noticed: impl Fn(&Outcome) -> bool,
) -> bool {
    for _ in 0..ROUNDS {
        let tenant = Tenant::fast().await;
        let plan = Plan {
            binary: RELAY,
            moment: Moment::Steps(steps.to_vec()),
            kills: 3,
            failpoints: Some(fault),
            platforms: Faults::default(),
            rhythm: Rhythm::busy(),
        };
        if noticed(&run(&tenant, &plan).await) {
            return true;
        }
    }
    false
}

fn says(outcome: &Outcome, words: &str) -> bool {
    outcome
        .verdict
        .broken
        .iter()
        .any(|broken| broken.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn answering_before_the_commit_is_noticed_as_a_loss() {
    let noticed = is_noticed(
        "fault-answer-before-commit=return",
        &["send", "receipt"],
        |outcome| says(outcome, "acknowledged and lost"),
    );
    assert!(noticed.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_another_transaction_is_noticed_as_a_message_stored_twice() {
    let noticed = is_noticed(
        "fault-key-in-another-transaction=return",
        &["append"],
        |outcome| says(outcome, "stored twice") || says(outcome, "texted 2 times"),
    );
    assert!(noticed.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ignoring_the_order_of_a_lane_is_noticed() {
    let noticed = is_noticed(
        "fault-lane-order-ignored=return",
        &["send", "answer"],
        |outcome| says(outcome, "which was in earlier"),
    );
    assert!(noticed.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_in_a_log_is_noticed() {
    let noticed = is_noticed("fault-number-in-log=return", &["accept"], |outcome| {
        !outcome.leaks.is_empty()
    });
    assert!(noticed.await);
}
