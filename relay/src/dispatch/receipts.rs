//! Receipts to Genesys: outside the lanes, a few at once, within the budget's share.
//!
//! A receipt is never worth a message: what Genesys refuses for good is dropped and counted, and what it does not take
//! within a day is given up. It is chosen only when the budget grants a call, so that a `Delivered` which came
//! meanwhile goes instead of the `Sent` that waited. Of one message, one receipt is under way at a time: a higher level
//! never arrives before a lower one.

mod patience;
mod telling;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::genesys::GenesysMessageId;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use self::patience::Patience;
use self::telling::{Outcome, Teller};
use super::budget::Class;
use super::context::Context;
use super::direction::until;
use super::{Wake, retry};
use crate::outbox::{OutboxError, WaitingReceipt};

/// While the integration's id is not known, nothing can be told. It is looked for again this often.
const UNRESOLVED_WAIT: Duration = Duration::from_secs(5);
/// After an error of the store.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// What the loop of the receipts is started with.
pub struct ReceiptLoop {
    /// What it works with.
    pub context: Arc<Context>,
    /// Tells dispatch what was appended.
    pub wake: Wake,
    /// Rises when something changed that a block may rest on.
    pub changes: watch::Receiver<u64>,
    /// True when the relay stops.
    pub stop: watch::Receiver<bool>,
}

impl ReceiptLoop {
    /// Runs until told to stop, then waits for the receipts that are under way.
    pub async fn run(self) {
        let Self {
            context,
            wake,
            mut changes,
            mut stop,
        } = self;
        let bell = Arc::clone(&context.bell);
        let mut receipts = Receipts {
            teller: Arc::new(Teller { context, wake }),
            patience: Patience::default(),
            calls: JoinSet::new(),
            under_way: HashMap::new(),
        };
        while !*stop.borrow() {
            let look_at = match receipts.start_one().await {
                Ok(look_at) => look_at,
                Err(OutboxError::Closed) => break,
                Err(error) => {
                    tracing::warn!(%error, "could not look for receipts");
                    Some(Instant::now() + STORE_WAIT)
                }
            };
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                Some(ended) = receipts.calls.join_next_with_id() => receipts.ended(ended),
                Ok(()) = changes.changed() => receipts.patience.changed(),
                () = bell.notified() => {}
                () = until(look_at) => {}
            }
        }
        while receipts.calls.join_next().await.is_some() {}
    }
}

/// The receipts under way, and how Genesys took the last ones.
struct Receipts {
    teller: Arc<Teller>,
    patience: Patience,
    calls: JoinSet<Outcome>,
    under_way: HashMap<Id, GenesysMessageId>,
}

impl Receipts {
    /// Starts the next receipt once the budget grants it. Says when to look for another one; `None`: when the bell rings,
    /// or one that is under way has ended.
    async fn start_one(&mut self) -> Result<Option<Instant>, OutboxError> {
        let context = Arc::clone(&self.teller.context);
        if let Err(later) = self.patience.allows(Instant::now()) {
            return Ok(Some(later));
        }
        if self.calls.len() >= self.patience.at_once() {
            return Ok(None);
        }
        let Some(due) = context.outbox.receipt_due(self.messages()).await? else {
            return Ok(None);
        };
        if context.integration_now().is_none() {
            return Ok(Some(Instant::now() + UNRESOLVED_WAIT));
        }
        let early = retry::until(due, context.clock.now());
        if !early.is_zero() {
            return Ok(Some(Instant::now() + early));
        }
        let granted = context.budget.acquire(Class::Receipt);
        if context.genesys.takes_receipts() && context.unless_stopping(granted).await.is_none() {
            return Ok(None);
        }
        let now = context.clock.now();
        if let Some(waiting) = context.outbox.next_receipt(now, self.messages()).await? {
            self.start(waiting);
        }
        Ok(Some(Instant::now()))
    }

    /// Of which messages a receipt is under way.
    fn messages(&self) -> Vec<GenesysMessageId> {
        self.under_way.values().cloned().collect()
    }

    fn start(&mut self, waiting: WaitingReceipt) {
        let message = waiting.receipt.genesys_id.clone();
        let teller = Arc::clone(&self.teller);
        let call = self.calls.spawn(async move { teller.tell(&waiting).await });
        self.under_way.insert(call.id(), message);
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "the try of a receipt ended unexpectedly");
            (error.id(), Outcome::Unanswered)
        });
        self.under_way.remove(&id);
        self.patience.met(outcome, Instant::now());
    }
}
