//! Customers and agents who write all the time, each conversation in its own order.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messaging_bridge_sandbox::Sandbox;
use rand::RngExt as _;
use tokio::task::JoinHandle;

use crate::BODY_MARK;
use crate::verdict::Sent;

/// How much is written.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// Customers who write at the same time.
    pub customers: usize,
    /// Milliseconds between two turns of one conversation.
    pub pause: Range<u64>,
    /// Turns of each conversation; without it, until the load is stopped.
    pub turns: Option<usize>,
}

impl Rhythm {
    /// A few customers who hardly stop to think.
    pub fn busy() -> Self {
        Self {
            customers: 6,
            pause: 20..60,
            turns: None,
        }
    }
}

/// A running load. Each turn of a conversation is a customer's text and an agent's reply.
pub struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Conversation>>,
}

struct Conversation {
    customer: String,
    by_customer: Vec<(String, String)>,
    by_agent: Vec<(String, String)>,
}

/// The number of a customer.
pub fn customer(number: usize) -> String {
    format!("+1555{:07}", 7_654_000 + number)
}

impl Load {
    /// Begins to write.
    pub fn start(sandbox: &Sandbox, rhythm: &Rhythm) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..rhythm.customers)
            .map(|number| {
                tokio::spawn(write(
                    sandbox.clone(),
                    number,
                    rhythm.clone(),
                    Arc::clone(&stop),
                ))
            })
            .collect();
        Self { stop, writers }
    }

    /// Ends it after the turns under way.
    pub async fn stop(self) -> Sent {
        self.stop.store(true, Ordering::SeqCst);
        self.finish().await
    }

    /// Waits until every turn was taken.
    ///
    /// # Panics
    ///
    /// When a writer has.
    pub async fn finish(self) -> Sent {
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

async fn write(
    sandbox: Sandbox,
    number: usize,
    rhythm: Rhythm,
    stop: Arc<AtomicBool>,
) -> Conversation {
    let customer = customer(number);
    let mut conversation = Conversation {
        customer: customer.clone(),
        by_customer: Vec::new(),
        by_agent: Vec::new(),
    };
    for turn in 0..rhythm.turns.unwrap_or(usize::MAX) {
        let pause = rand::rng().random_range(rhythm.pause.clone());
        tokio::time::sleep(Duration::from_millis(pause)).await;
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
    }
    conversation
}
