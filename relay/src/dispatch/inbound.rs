//! From the customer to Genesys: one try of a lane's head.
//!
//! At least once: a repeat carries the same `messageId` and happens only when an answer was lost, or when the process
//! ended between the answer and its record.

use std::sync::Arc;

use messaging_bridge_clients::ApiError;
use messaging_bridge_clients::genesys::{InboundMessage, IntegrationId};
use tokio::time::Instant;

use super::budget::Class;
use super::context::{Context, rest_of};
use super::decide::{self, Circumstances, Ending, Step};
use super::direction::{Run, Worker};
use super::ended::Ended;
use super::gate::Cause;
use super::lanes::Rest;
use super::retry;
use super::traffic::Traffic;
use crate::admin::vitals::Call;
use crate::deliver::to_genesys;
use crate::message::Message;
use crate::outbox::{Direction, Head, LaneKey};

/// Delivers to Genesys.
pub struct InboundWorker {
    pub(super) context: Arc<Context>,
    pub(super) traffic: Arc<Traffic>,
}

impl Worker for InboundWorker {
    async fn run(self: Arc<Self>, lane: LaneKey) -> Run {
        let head = match self.context.head(&lane).await {
            Ok(head) => head,
            Err(rest) => return rest.into(),
        };
        let Some(integration) = self.context.integration_now() else {
            return self.block(None, Cause::Unresolved).into();
        };
        match Message::from_stored(&head.payload) {
            Ok(Message::InboundText(text)) => {
                let message = to_genesys::inbound_text(text, head.time);
                self.deliver(&lane, &head, message, &integration).await
            }
            Ok(Message::FailureNotice(notice)) => {
                let message = to_genesys::failure_notice(&notice, head.time);
                self.deliver(&lane, &head, message, &integration).await
            }
            Ok(Message::OutboundText(_)) => self
                .bury(&lane, &head, decide::unreadable(&"it goes the other way"))
                .await
                .into(),
            Err(error) => self
                .bury(&lane, &head, decide::unreadable(&error))
                .await
                .into(),
        }
    }

    /// Inbound messages wait as long as a block lasts; the byte budget bounds them.
    async fn sweep(&self) {}
}

impl InboundWorker {
    async fn deliver(
        &self,
        lane: &LaneKey,
        head: &Head,
        message: InboundMessage,
        integration: &IntegrationId,
    ) -> Run {
        let context = &self.context;
        if context
            .unless_stopping(context.budget.acquire(Class::Message))
            .await
            .is_none()
        {
            return Rest::Empty.into();
        }
        let began = Instant::now();
        let result = context
            .genesys
            .send_message(integration, &message)
            .await
            .map_err(|error| error.without(&[&message.text, &message.customer.id]));
        fail::fail_point!("answer");
        context
            .budget
            .answered(result.as_ref().err(), context.genesys.rate_limit());
        let call = Call {
            direction: Direction::Inbound,
            id: Some(&message.message_id),
            took: began.elapsed(),
            tries: head.tries + 1,
        };
        context.vitals.delivered(&call, result.as_ref().err());
        match result {
            Ok(()) => {
                self.traffic.succeeded(head.seq, began);
                let more = context.insist(|| context.outbox.complete(head.seq)).await;
                if more.is_some() {
                    let age = context.age(head.accepted);
                    context.vitals.ended(&Ended::delivered(lane, head, age));
                }
                rest_of(more).into()
            }
            Err(error) => self.failed(lane, head, &error).await,
        }
    }

    async fn failed(&self, lane: &LaneKey, head: &Head, error: &ApiError) -> Run {
        let age = self.context.age(head.accepted);
        let life = self.context.life(Direction::Inbound);
        let wall = self.context.clock.now();
        self.traffic
            .met(head.seq, &error.kind, Instant::now(), wall);
        let mut now = self.traffic.failed(
            head.seq,
            Circumstances::of(head, Direction::Inbound, age, life),
        );
        now.fraction = self.context.chance.fraction();
        tracing::warn!(%error, %lane, kind = error.kind.as_str(), tries = head.tries + 1, "Genesys did not take a message");
        let (wait, strike) = match decide::after_failure(error, &now) {
            Step::Block(cause) => return self.block(Some(head), Cause::Platform(cause)).into(),
            Step::Bury(ending) => return self.bury(lane, head, ending).await.into(),
            // The budget heard of it if everybody is to wait.
            Step::Retry { wait, strike, .. } => (wait, strike),
            // A repeat towards Genesys is safe: it carries the same id.
            Step::Settle => {
                let wait = retry::after(head.tries, now.fraction);
                (wait, now.others_got_through)
            }
        };
        if error.may_have_acted {
            self.context.vitals.repeated();
        }
        let wait = self.traffic.bounded(wait);
        let kind = error.kind.as_str();
        let rest = self.context.put_back(head, lane, wait, strike, kind);
        rest.await.into()
    }

    fn block(&self, head: Option<&Head>, cause: Cause) -> Rest {
        let message = head.map(|head| head.seq);
        self.traffic
            .block(message, cause, Instant::now(), self.context.clock.now());
        Rest::More
    }

    async fn bury(&self, lane: &LaneKey, head: &Head, ending: Ending) -> Rest {
        self.context.bury(&self.traffic, lane, head, ending).await
    }
}
