//! A relay under load that is killed again and again, each time inside a named step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messaging_bridge_relay::steps::HOLD;
use messaging_bridge_sandbox::Sandbox;
use rand::RngExt as _;
use tokio::task::JoinHandle;

use crate::BODY_MARK;
use crate::process::{Relay, leaks};
use crate::tenant::Tenant;
use crate::verdict::{Sent, Verdict, judge};

/// Customers who write at the same time.
pub const CUSTOMERS: usize = 6;
/// A relay that does not meet its step within this is killed all the same, but not counted.
const PATIENCE: Duration = Duration::from_secs(20);

/// A run.
#[derive(Debug, Clone)]
pub struct Plan<'p> {
    /// The relay's binary.
    pub binary: &'p str,
    /// Which steps to kill in, in turn.
    pub steps: &'p [&'p str],
    /// Kills for each step.
    pub kills: usize,
    /// Planted faults, as `FAILPOINTS` takes them.
    pub faults: Option<&'p str>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// From what the platforms saw.
    pub verdict: Verdict,
    /// Kills inside each step.
    pub killed: BTreeMap<String, usize>,
    /// Lines of any log that hold what must not be there.
    pub leaks: Vec<String>,
}

/// Runs the plan to its end, lets a last relay drain, and judges.
pub async fn run(tenant: &Tenant, plan: &Plan<'_>) -> Outcome {
    let load = Load::start(&tenant.sandbox);
    let mut killed: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for _ in 0..plan.kills {
        for step in plan.steps {
            let skip = rand::rng().random_range(0..12);
            let mut relay = start(tenant, plan, Some(&format!("{step}:{skip}"))).await;
            if relay.at_step(PATIENCE).await {
                *killed.entry((*step).to_owned()).or_default() += 1;
            }
            let inside = rand::rng().random_range(0.0..1.0);
            tokio::time::sleep(HOLD.mul_f64(inside)).await;
            found.extend(leaks(&relay.kill_unscanned().await, &tenant.unspeakable()));
        }
    }
    // The last one drains without the planted fault: what the fault did cannot be undone any more.
    let sound = Plan {
        faults: None,
        ..plan.clone()
    };
    let relay = start(tenant, &sound, None).await;
    let sent = load.stop().await;
    settle_webhooks(&tenant.sandbox).await;
    relay.until_drained(Duration::from_mins(2)).await;
    found.extend(leaks(&relay.kill_unscanned().await, &tenant.unspeakable()));
    Outcome {
        verdict: judge(&sent, &tenant.sandbox.log()),
        killed,
        leaks: found,
    }
}

async fn start(tenant: &Tenant, plan: &Plan<'_>, step: Option<&str>) -> Relay {
    let mut environment = Vec::new();
    environment.extend(step.map(|step| ("MB_STEP", step)));
    environment.extend(plan.faults.map(|faults| ("FAILPOINTS", faults)));
    environment.push(("MB_LOG_FORMAT", "json"));
    Relay::start_with(plan.binary, tenant, &environment).await
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

/// Customers and agents who write all the time.
pub struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Conversation>>,
}

struct Conversation {
    customer: String,
    by_customer: Vec<(String, String)>,
    by_agent: Vec<(String, String)>,
}

impl Load {
    /// Everybody begins to write.
    pub fn start(sandbox: &Sandbox) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..CUSTOMERS)
            .map(|number| tokio::spawn(write(sandbox.clone(), number, Arc::clone(&stop))))
            .collect();
        Self { stop, writers }
    }

    /// Everybody finishes; what they wrote.
    ///
    /// # Panics
    ///
    /// When one of them did.
    pub async fn stop(self) -> Sent {
        self.stop.store(true, Ordering::SeqCst);
        let mut sent = Sent::default();
        for writer in self.writers {
            let written = writer.await.expect("a writer does not panic");
            sent.by_customers
                .insert(written.customer.clone(), written.by_customer);
            sent.by_agents.insert(written.customer, written.by_agent);
        }
        sent
    }
}

async fn write(sandbox: Sandbox, number: usize, stop: Arc<AtomicBool>) -> Conversation {
    let customer = format!("+1555765400{number}");
    let mut conversation = Conversation {
        customer: customer.clone(),
        by_customer: Vec::new(),
        by_agent: Vec::new(),
    };
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let text = format!("{BODY_MARK} {number}-{turn}");
        let question = format!("{text} ?");
        let sid = sandbox.customer_sends(&customer, &question).await;
        conversation.by_customer.push((sid, question));
        let answer = format!("{text} !");
        let id = sandbox.agent_sends(&customer, &answer).await;
        conversation.by_agent.push((id, answer));
        let pause = rand::rng().random_range(20..60);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    conversation
}
