//! Receipts to Genesys: outside the lanes, one at a time, within the budget's share.
//!
//! A receipt is never worth a message: what Genesys refuses for good is dropped and counted, and what it does not take
//! within a day is given up. It is chosen only when the budget grants a call, so that a `Delivered` which came
//! meanwhile goes instead of the `Sent` that waited.

use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::ErrorKind;
use messaging_bridge_clients::genesys::ReceiptAnswer;
use tokio::sync::watch;
use tokio::time::Instant;

use super::breaker;
use super::budget::Class;
use super::context::Context;
use super::{Wake, retry};
use crate::deliver::{notice, to_genesys};
use crate::outbox::{Appended, OutboxError, WaitingReceipt};

/// A receipt that Genesys did not take for so long is given up.
const LIFE: Duration = Duration::from_hours(24);
/// While Genesys is blocked for receipts, one is tried this often.
const BLOCKED_WAIT: Duration = Duration::from_mins(1);

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

/// So many receipts in a row that Genesys did not answer are an outage, as with messages: then one is tried this often,
/// whatever waits.
const OUTAGE: u32 = breaker::FAILURES;
/// See [`OUTAGE`]; the others wait as well.
const OUTAGE_WAIT: Duration = breaker::LONGEST_INTERVAL;

/// What comes after a try.
enum Next {
    /// Look for another one.
    Again,
    /// Genesys did not answer.
    Unanswered,
    /// Genesys refuses all of them: wait, whatever else comes.
    Blocked,
    /// Wait until this time, or for the bell.
    At(Instant),
    /// Wait for the bell.
    Bell,
    /// The outbox is closed.
    End,
}

impl ReceiptLoop {
    /// Runs until told to stop.
    pub async fn run(mut self) {
        let mut unanswered = 0;
        while !*self.stop.borrow() {
            let next = match self.next_due().await {
                Ok(next) => next,
                Err(OutboxError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "could not look for receipts");
                    Next::At(Instant::now() + Duration::from_secs(1))
                }
            };
            let next = if matches!(next, Next::Again) {
                self.send_one().await
            } else {
                next
            };
            unanswered = match next {
                Next::Unanswered => unanswered + 1,
                Next::Again => 0,
                _ => unanswered,
            };
            match next {
                Next::Unanswered if unanswered >= OUTAGE => tokio::select! {
                    () = tokio::time::sleep(OUTAGE_WAIT) => {}
                    _ = self.stop.changed() => {}
                },
                Next::Blocked => tokio::select! {
                    () = tokio::time::sleep(BLOCKED_WAIT) => {}
                    _ = self.changes.changed() => {}
                    _ = self.stop.changed() => {}
                },
                Next::Again | Next::Unanswered => {}
                Next::End => return,
                Next::Bell => tokio::select! {
                    () = self.context.bell.notified() => {}
                    _ = self.stop.changed() => {}
                },
                Next::At(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.context.bell.notified() => {}
                    _ = self.stop.changed() => {}
                },
            }
        }
    }

    async fn next_due(&self) -> Result<Next, OutboxError> {
        let due = self.context.outbox.receipt_due().await?;
        let integration_known = self.context.integration.borrow().is_some();
        Ok(match due {
            None => Next::Bell,
            Some(_) if !integration_known => Next::At(Instant::now() + Duration::from_secs(5)),
            Some(due) => match retry::until(due, self.context.clock.now()) {
                Duration::ZERO => Next::Again,
                wait => Next::At(Instant::now() + wait),
            },
        })
    }

    async fn send_one(&self) -> Next {
        let granted = self.context.budget.acquire(Class::Receipt);
        if self.context.genesys.takes_receipts()
            && self.context.unless_stopping(granted).await.is_none()
        {
            return Next::End;
        }
        let now = self.context.clock.now();
        match self.context.outbox.next_receipt(now).await {
            Ok(Some(waiting)) => self.send(&waiting).await,
            Ok(None) => Next::Again,
            Err(OutboxError::Closed) => Next::End,
            Err(error) => {
                tracing::warn!(%error, "could not look for receipts");
                Next::At(Instant::now() + Duration::from_secs(1))
            }
        }
    }

    async fn send(&self, waiting: &WaitingReceipt) -> Next {
        let context = &self.context;
        let Some(integration) = context.integration_now() else {
            return Next::Again;
        };
        let receipt = to_genesys::receipt(waiting, context.clock.now());
        let Some(receipt) = receipt.filter(|_| context.genesys.takes_receipts()) else {
            return self.done(waiting).await;
        };
        fail::fail_point!("receipt");
        let result = context.genesys.send_receipt(&integration, &receipt).await;
        context
            .budget
            .answered(result.as_ref().err(), context.genesys.rate_limit());
        match result {
            Ok(ReceiptAnswer::Accepted) => {
                context.vitals.receipt(receipt.status, None);
                self.done(waiting).await
            }
            Ok(ReceiptAnswer::Refused { reason }) => {
                context.vitals.receipt_refused(receipt.status, &reason);
                tracing::warn!(
                    reason,
                    status = receipt.status.as_str(),
                    "Genesys took a receipt and says that it failed"
                );
                self.done(waiting).await
            }
            Err(error) => {
                context.vitals.receipt(receipt.status, Some(&error));
                tracing::warn!(%error, kind = error.kind.as_str(), "Genesys did not take a receipt");
                match &error.kind {
                    ErrorKind::Permanent => self.done(waiting).await,
                    _ if context.age(waiting.created) > LIFE => self.done(waiting).await,
                    // The budget heard of it, and lets nobody through for so long.
                    ErrorKind::Throttled { .. } => Next::Again,
                    ErrorKind::Blocked(_) => {
                        // The others would meet the same answer: they wait as well.
                        self.put_back(waiting, Duration::ZERO).await;
                        Next::Blocked
                    }
                    ErrorKind::Transient | ErrorKind::Ambiguous => {
                        let wait = retry::after(waiting.tries, context.chance.fraction());
                        self.put_back(waiting, wait).await;
                        Next::Unanswered
                    }
                }
            }
        }
    }

    /// Genesys has the receipt, or will never take it. Where failures are also told as messages, that message is stored
    /// first: a receipt is repeated rather than its message forgotten.
    async fn done(&self, waiting: &WaitingReceipt) -> Next {
        if let Err(error) = self.notice(waiting).await {
            tracing::warn!(%error, "the message that tells a failure could not be stored yet");
            let wait = retry::after(waiting.tries, self.context.chance.fraction());
            self.put_back(waiting, wait).await;
            return Next::Again;
        }
        match self
            .context
            .insist(|| self.context.outbox.receipt_done(&waiting.receipt))
            .await
        {
            Some(()) => Next::Again,
            None => Next::End,
        }
    }

    async fn notice(&self, waiting: &WaitingReceipt) -> Result<(), OutboxError> {
        let context = &self.context;
        if !context.failure_notices {
            return Ok(());
        }
        let Some(row) = notice::row(waiting, context.clock.now()) else {
            return Ok(());
        };
        let lane = row.lane.clone();
        if let Appended::Stored(_) = context.outbox.append(row).await? {
            self.wake.lane(lane);
        }
        Ok(())
    }

    async fn put_back(&self, waiting: &WaitingReceipt, wait: Duration) {
        let until = self.context.clock.now() + wait;
        if let Err(error) = self
            .context
            .outbox
            .receipt_defer(&waiting.receipt, until)
            .await
        {
            tracing::warn!(%error, "a receipt's retry time could not be stored");
        }
    }
}
