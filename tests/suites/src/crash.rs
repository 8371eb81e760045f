//! A relay under load that is ended by force again and again: inside a named step, or at any moment at all.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_relay::steps::HOLD;
use messaging_bridge_sandbox::{Faults, Sandbox};
use rand::RngExt as _;

use crate::load::{Load, Rhythm};
use crate::process::{Relay, leaks};
use crate::tenant::Tenant;
use crate::verdict::{Kill, Verdict, judge_killed};

/// A relay that does not meet its step within this is killed all the same, but not counted.
const PATIENCE: Duration = Duration::from_secs(30);
/// Before a relay is killed in its step it passes it fewer than so many times. Some steps a relay meets only a few times
/// (what it missed, it heals at its start): when it was not met, another one is killed earlier.
const PASSES: [usize; 3] = [12, 3, 1];
/// How long the last relay may take to deliver what waits: a send in doubt is looked up for more than a minute, and a
/// lane may hold several.
const TO_DRAIN: Duration = Duration::from_mins(6);
/// A relay that is killed at random lives at most this long.
const LONGEST_LIFE: Duration = Duration::from_millis(1200);

/// When a relay is killed.
#[derive(Debug, Clone)]
pub enum Moment {
    /// Inside each of these steps, in turn.
    Steps(Vec<&'static str>),
    /// At any time, also while it starts.
    Random,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Plan<'p> {
    /// The relay's binary.
    pub binary: &'p str,
    /// When to kill.
    pub moment: Moment,
    /// Kills; for each step, if there are some.
    pub kills: usize,
    /// Planted faults and switches, as `FAILPOINTS` takes them.
    pub failpoints: Option<&'p str>,
    /// What the platforms do meanwhile.
    pub platforms: Faults,
    /// Who writes.
    pub rhythm: Rhythm,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// From what the platforms saw.
    pub verdict: Verdict,
    /// Kills inside each step; at random, under `start` and `run`.
    pub killed: BTreeMap<String, usize>,
    /// Lines of any log that hold what must not be there.
    pub leaks: Vec<String>,
    /// What every relay has logged, one after the other.
    pub log: String,
}

struct Run<'r> {
    tenant: &'r Tenant,
    plan: &'r Plan<'r>,
    kills: Vec<Kill>,
    killed: BTreeMap<String, usize>,
    leaks: Vec<String>,
    log: String,
}

/// Runs the plan to its end, lets a last relay drain, and judges.
pub async fn run(tenant: &Tenant, plan: &Plan<'_>) -> Outcome {
    tenant.sandbox.set_faults(plan.platforms.clone());
    let load = Load::start(&tenant.sandbox, &plan.rhythm);
    let mut run = Run {
        tenant,
        plan,
        kills: Vec::new(),
        killed: BTreeMap::new(),
        leaks: Vec::new(),
        log: String::new(),
    };
    for _ in 0..plan.kills {
        match &plan.moment {
            Moment::Steps(steps) => {
                for step in steps {
                    run.inside(step).await;
                }
            }
            Moment::Random => run.at_random().await,
        }
    }
    // The last one drains on gentle platforms and without the planted fault: what they did cannot be undone any more.
    tenant.sandbox.set_faults(Faults::default());
    let relay = Relay::start_with(plan.binary, tenant, &[("MB_LOG_FORMAT", "json")]).await;
    let sent = load.stop().await;
    drain(tenant, &relay).await;
    run.kill(relay).await;
    Outcome {
        verdict: judge_killed(&sent, &tenant.sandbox.log(), &run.kills),
        killed: run.killed,
        leaks: run.leaks,
        log: run.log,
    }
}

/// Waits until everything that was written has its end.
pub async fn drain(tenant: &Tenant, relay: &Relay) {
    drain_within(tenant, relay, TO_DRAIN).await;
}

/// The same with another patience.
pub async fn drain_within(tenant: &Tenant, relay: &Relay, patience: Duration) {
    settle_webhooks(&tenant.sandbox).await;
    relay.until_drained(patience).await;
    // The last sends' callbacks, and their receipts.
    settle_webhooks(&tenant.sandbox).await;
    relay.until_drained(patience).await;
}

impl Run<'_> {
    async fn inside(&mut self, step: &str) {
        for passes in PASSES {
            let skip = rand::rng().random_range(0..passes);
            if self.killed_at(step, skip).await {
                *self.killed.entry(step.to_owned()).or_default() += 1;
                return;
            }
        }
    }

    /// Kills a relay in its step, after it has passed it so often. False when it did not meet it.
    async fn killed_at(&mut self, step: &str, skip: usize) -> bool {
        let at = format!("{step}:{skip}");
        let mut environment = self.environment();
        environment.push(("MB_STEP", &at));
        let mut relay = Relay::start_with(self.plan.binary, self.tenant, &environment).await;
        let met = relay.at_step(PATIENCE).await;
        let inside = rand::rng().random_range(0.0..1.0);
        tokio::time::sleep(HOLD.mul_f64(inside)).await;
        self.kill(relay).await;
        met
    }

    async fn at_random(&mut self) {
        let environment = self.environment();
        // One in five ends while it starts, and recovers what the one before it left.
        let starting = rand::rng().random_range(0..5) == 0;
        let mut relay = Relay::launch(self.plan.binary, self.tenant, &environment);
        let share = rand::rng().random_range(0.0..1.0);
        let (word, life) = if starting {
            ("start", HOLD)
        } else {
            relay.until_ready().await;
            ("run", LONGEST_LIFE)
        };
        tokio::time::sleep(life.mul_f64(share)).await;
        *self.killed.entry(word.to_owned()).or_default() += 1;
        self.kill(relay).await;
    }

    fn environment(&self) -> Vec<(&'static str, &str)> {
        let planted = self.plan.failpoints.map(|faults| ("FAILPOINTS", faults));
        [("MB_LOG_FORMAT", "json")]
            .into_iter()
            .chain(planted)
            .collect()
    }

    async fn kill(&mut self, relay: Relay) {
        let before = Timestamp::now();
        let log = relay.kill_unscanned().await;
        self.kills.push((before, Timestamp::now()));
        self.leaks.extend(leaks(&log, &self.tenant.unspeakable()));
        self.log.push_str(&log);
    }
}

/// Waits until the platforms have given up or got through with every webhook: nothing new for a second.
pub async fn settle_webhooks(sandbox: &Sandbox) {
    let mut seen = usize::MAX;
    loop {
        let log = sandbox.log();
        let now = log.webhooks.len() + log.callbacks.len();
        if now == seen {
            return;
        }
        seen = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
