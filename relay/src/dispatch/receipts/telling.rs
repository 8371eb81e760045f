//! One try of one receipt: what is told to Genesys, and what follows from its answer.

use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::ErrorKind;
use messaging_bridge_clients::genesys::ReceiptAnswer;

use super::super::context::Context;
use super::super::{Wake, retry};
use crate::deliver::{notice, to_genesys};
use crate::outbox::{Appended, OutboxError, WaitingReceipt};

/// A receipt that Genesys did not take for so long is given up.
const LIFE: Duration = Duration::from_hours(24);

/// What a try says about Genesys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answered about this receipt, or was not asked.
    Answered,
    /// It did not answer.
    Unanswered,
    /// It refuses all receipts.
    Blocked,
}

/// Tells Genesys.
pub(super) struct Teller {
    pub(super) context: Arc<Context>,
    pub(super) wake: Wake,
}

impl Teller {
    /// Tries one receipt, for which the budget has granted a call.
    pub(super) async fn tell(&self, waiting: &WaitingReceipt) -> Outcome {
        let context = &self.context;
        let Some(integration) = context.integration_now() else {
            return Outcome::Answered;
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
                    ErrorKind::Throttled { .. } => Outcome::Answered,
                    ErrorKind::Blocked(_) => {
                        // The others would meet the same answer: they wait as well.
                        self.put_back(waiting, Duration::ZERO).await;
                        Outcome::Blocked
                    }
                    ErrorKind::Transient | ErrorKind::Ambiguous => {
                        let wait = retry::after(waiting.tries, context.chance.fraction());
                        self.put_back(waiting, wait).await;
                        Outcome::Unanswered
                    }
                }
            }
        }
    }

    /// Genesys has the receipt, or will never take it. Where failures are also told as messages, that message is stored
    /// first: a receipt is repeated rather than its message forgotten.
    async fn done(&self, waiting: &WaitingReceipt) -> Outcome {
        if let Err(error) = self.notice(waiting).await {
            tracing::warn!(%error, "the message that tells a failure could not be stored yet");
            let wait = retry::after(waiting.tries, self.context.chance.fraction());
            self.put_back(waiting, wait).await;
            return Outcome::Answered;
        }
        self.context
            .insist(|| self.context.outbox.receipt_done(&waiting.receipt))
            .await;
        Outcome::Answered
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
