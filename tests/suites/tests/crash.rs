//! SIGKILL inside every named step, under load: nothing acknowledged is lost, nothing is texted twice, order is kept.

use messaging_bridge_relay::steps::STEPS;
use messaging_bridge_suites::crash::{CUSTOMERS, Plan, run};
use messaging_bridge_suites::tenant::Tenant;

const RELAY: &str = env!("CARGO_BIN_EXE_relay-under-test");

/// Four kills in each of eight steps: 32 kills, and every step is met by at least three.
const KILLS_A_STEP: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_in_every_step_under_load_keeps_its_promises() {
    let tenant = Tenant::fast().await;
    let plan = Plan {
        binary: RELAY,
        steps: &STEPS,
        kills: KILLS_A_STEP,
        faults: None,
    };
    let outcome = run(&tenant, &plan).await;
    let verdict = &outcome.verdict;
    let summary = format!(
        "killed in {:?}; {} acknowledged, {} repeats towards Genesys, {} told as failed\n",
        outcome.killed, verdict.acknowledged, verdict.repeats, verdict.told_as_failed
    );
    // Kept with the other outputs of a run; a run without such a place loses only the summary.
    if let Some(place) = std::env::var_os("CI_OUTPUT_DIR") {
        std::fs::write(std::path::Path::new(&place).join("crash.txt"), summary)
            .expect("the summary can be written");
    }
    assert!(
        verdict.is_clean(),
        "broken promises:\n{}",
        verdict.broken.join("\n")
    );
    assert!(
        verdict.acknowledged > 500,
        "the load was too light to prove anything: {}",
        verdict.acknowledged
    );
    // Only a send that a kill left in doubt may end so, one for each conversation.
    let in_doubt = KILLS_A_STEP * STEPS.len() * CUSTOMERS;
    assert!(
        verdict.told_as_failed <= in_doubt / 2,
        "{} replies were given up",
        verdict.told_as_failed
    );
    for step in STEPS {
        let kills = outcome.killed.get(step).copied().unwrap_or_default();
        assert!(
            kills >= 3,
            "only {kills} kills inside {step:?}: {:?}",
            outcome.killed
        );
    }
    assert!(
        outcome.leaks.is_empty(),
        "logged what it must not:\n{}",
        outcome.leaks.join("\n")
    );
}
