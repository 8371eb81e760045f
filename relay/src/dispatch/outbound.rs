//! From Genesys to the customer: one try of one part of a lane's head.
//!
//! At most once: an attempt mark is committed before each POST, every definite answer clears it, and what stays
//! marked (a lost answer, a crash) is settled by `settle` and never blindly sent again. Nothing here waits in place: a
//! lane whose head must wait is left with a time, and roused by a callback.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::GenesysMessageId;
use messaging_bridge_clients::twilio::{MessageSid, NewMessage};
use messaging_bridge_clients::{ApiError, BlockedCause};
use tokio::time::Instant;

use super::context::{Context, rest_after_store_error, rest_of};
use super::decide::{self, Circumstances, Ending, LEAST_VALIDITY, Step};
use super::direction::{Run, Worker};
use super::ended::Ended;
use super::gate::Cause;
use super::lanes::Rest;
use super::search::Searches;
use super::traffic::Traffic;
use crate::admin::vitals::Call;
use crate::deliver::split::{LONGEST_BODY, split};
use crate::message::{Message, OutboundText};
use crate::outbox::{Direction, Head, LaneKey, Mark, PartSent, Rank, SendId};

/// A POST is over after so long, whatever became of it; the client gives up earlier.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// Delivers to Twilio.
pub struct OutboundWorker {
    pub(super) context: Arc<Context>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) searches: Searches,
}

/// A head with its text cut into parts.
pub(super) struct Work<'w> {
    pub(super) lane: &'w LaneKey,
    pub(super) head: &'w Head,
    pub(super) text: &'w OutboundText,
    pub(super) part: u32,
    pub(super) parts: u32,
    pub(super) body: &'w str,
}

impl Work<'_> {
    pub(super) fn is_last(&self) -> bool {
        self.part + 1 == self.parts
    }
}

impl Worker for OutboundWorker {
    async fn run(self: Arc<Self>, lane: LaneKey) -> Run {
        self.context.callbacks.forget(&lane);
        let head = match self.context.head(&lane).await {
            Ok(head) => head,
            Err(rest) => {
                self.searches.of(&lane, None);
                return rest.into();
            }
        };
        let text = match Message::from_stored(&head.payload) {
            Ok(Message::OutboundText(text)) => text,
            Ok(Message::InboundText(_) | Message::FailureNotice(_)) => {
                return self
                    .bury(&lane, &head, decide::unreadable(&"it goes the other way"))
                    .await
                    .into();
            }
            Err(error) => {
                return self
                    .bury(&lane, &head, decide::unreadable(&error))
                    .await
                    .into();
            }
        };
        let bodies = split(&text.text, LONGEST_BODY);
        let Some(body) = bodies.get(head.next_part as usize) else {
            return rest_of(
                self.context
                    .insist(|| self.context.outbox.complete(head.seq))
                    .await,
            )
            .into();
        };
        let parts = u32::try_from(bodies.len()).unwrap_or(u32::MAX);
        let work = Work {
            lane: &lane,
            head: &head,
            text: &text,
            part: head.next_part,
            parts,
            body,
        };
        if let Some(doubt) = &head.doubt {
            return self.settle(&work, doubt).await;
        }
        self.searches.of(&lane, None);
        self.send(&work).await
    }

    async fn sweep(&self) {
        let context = &self.context;
        let Some(now) = context.clock.sure() else {
            return;
        };
        let times = (now - context.life(Direction::Outbound), now - UNDER_WAY);
        let expired = decide::too_old(Direction::Outbound);
        let unresolved = decide::unresolved("it could not be looked up while it was worth sending");
        let (expired, unresolved) = (context.dated(expired), context.dated(unresolved));
        loop {
            let (late, doubtful) = (expired.clone(), unresolved.clone());
            match context.outbox.expire_outbound(times, late, doubtful).await {
                Ok(ended) if ended.is_empty() => return,
                Ok(ended) => {
                    for message in &ended {
                        let why = if message.marked {
                            &unresolved
                        } else {
                            &expired
                        };
                        self.traffic.ended(message.seq);
                        let age = context.age(message.accepted);
                        context.vitals.ended(&Ended::expired(message, age, why));
                    }
                    context.bell.notify_one();
                }
                Err(error) => {
                    tracing::warn!(%error, "could not look for messages that are too old");
                    return;
                }
            }
        }
    }
}

impl OutboundWorker {
    /// Why a part is not sent any more, if so.
    fn too_late(&self, work: &Work<'_>) -> Option<Ending> {
        if work.head.part_failed {
            let (part, parts) = (work.part + 1, work.parts);
            return Some(Ending {
                word: "part-failed",
                sentence: format!(
                    "An earlier part failed, so part {part} of {parts} was not sent."
                ),
                receipt: None,
            });
        }
        decide::expired(&self.circumstances(work))
    }

    pub(super) fn circumstances(&self, work: &Work<'_>) -> Circumstances {
        let age = self.context.age(work.head.accepted);
        let life = self.context.life(Direction::Outbound);
        Circumstances::of(work.head, Direction::Outbound, age, life)
    }

    /// Marks the part, and posts it.
    async fn send(&self, work: &Work<'_>) -> Run {
        if let Some(ending) = self.too_late(work) {
            return self.bury(work.lane, work.head, ending).await.into();
        }
        let context = &self.context;
        let send = context.chance.send_id();
        let marked = context.clock.now();
        let attempt = Mark {
            seq: work.head.seq,
            send: send.clone(),
            part: work.part,
            parts: work.parts,
            genesys_id: work.text.id.clone(),
            customer: work.text.customer.clone(),
            at: marked,
        };
        match context.outbox.mark(attempt).await {
            Ok(true) => {}
            Ok(false) => return Rest::More.into(),
            Err(error) => return rest_after_store_error(&error).into(),
        }
        // A disk that was slow to take the mark may have used up what was left.
        if let Some(ending) = self.too_late(work) {
            if self.unmark(work, send).await.is_none() {
                return Rest::Empty.into();
            }
            return self.bury(work.lane, work.head, ending).await.into();
        }
        Run {
            called: true,
            ..self.post(work, send, marked).await
        }
    }

    async fn post(&self, work: &Work<'_>, send: SendId, marked: Timestamp) -> Run {
        let context = &self.context;
        let age = context.age(work.head.accepted);
        let message = NewMessage {
            to: work.text.customer.expose().to_owned(),
            from: work.head.sender.clone(),
            body: work.body.to_owned(),
            status_callback: context.public_url.twilio_status(&send),
            validity: context.validity.saturating_sub(age).max(LEAST_VALIDITY),
        };
        let began = Instant::now();
        fail::fail_point!("send");
        let result = context
            .twilio
            .send_message(&message)
            .await
            .map_err(|error| error.without(&[&message.body, &message.to]));
        fail::fail_point!("answer");
        let call = Call {
            direction: Direction::Outbound,
            id: work.text.id.as_ref().map(GenesysMessageId::as_str),
            took: began.elapsed(),
            tries: work.head.tries + 1,
        };
        context.vitals.delivered(&call, result.as_ref().err());
        match result {
            Ok(taken) => {
                self.traffic.succeeded(work.head.seq, began);
                let rest = self.sent(work, &send, taken.sid).await;
                if work.is_last() || rest == Rest::Empty {
                    rest.into()
                } else {
                    self.between_parts(work.lane, &send).await.into()
                }
            }
            Err(error) => self.failed(work, send, marked, &error).await,
        }
    }

    /// The next part waits until this one has left Twilio, but not for long.
    async fn between_parts(&self, lane: &LaneKey, send: &SendId) -> Rest {
        let context = &self.context;
        context.callbacks.await_rank(lane, send, Rank::Sent);
        match context.outbox.send_state(send).await {
            Ok(Some(state)) if state.rank >= Rank::Sent => Rest::More,
            Ok(_) => Rest::Until(Instant::now() + context.waits.between_parts),
            Err(error) => rest_after_store_error(&error),
        }
    }

    /// Twilio has the part.
    pub(super) async fn sent(&self, work: &Work<'_>, send: &SendId, sid: MessageSid) -> Rest {
        let context = &self.context;
        tracing::debug!(%sid, lane = %work.lane, part = work.part + 1, parts = work.parts, "taken by Twilio");
        let taken = PartSent {
            seq: work.head.seq,
            send: send.clone(),
            sid: sid.clone(),
            last: work.is_last(),
        };
        let recorded = context
            .insist(|| context.outbox.part_sent(taken.clone()))
            .await;
        let Some(proved) = recorded else {
            return Rest::Empty;
        };
        if proved.as_ref().is_some_and(|proved| proved.complete) {
            let age = context.age(work.head.accepted);
            let ended = Ended::delivered(work.lane, work.head, age);
            context.vitals.ended(&ended.with_sid(sid.as_str()));
        }
        // Without it a callback was faster, and what waits now is not known here.
        rest_of(Some(proved.is_none_or(|proved| proved.more)))
    }

    async fn failed(
        &self,
        work: &Work<'_>,
        send: SendId,
        marked: Timestamp,
        error: &ApiError,
    ) -> Run {
        let context = &self.context;
        let wall = context.clock.now();
        self.traffic
            .met(work.head.seq, &error.kind, Instant::now(), wall);
        let mut now = self.traffic.failed(work.head.seq, self.circumstances(work));
        now.fraction = context.chance.fraction();
        tracing::warn!(%error, lane = %work.lane, kind = error.kind.as_str(), tries = work.head.tries + 1, "Twilio did not confirm a message");
        let step = decide::after_failure(error, &now);
        if step != Step::Settle {
            // A definite answer: nothing was sent.
            if self.unmark(work, send.clone()).await.is_none() {
                return Rest::Empty.into();
            }
        }
        match step {
            Step::Settle => self.begin_search(work, &send, marked).into(),
            Step::Block(cause) => self.block(Some(work.head), cause).into(),
            Step::Bury(ending) => self.bury(work.lane, work.head, ending).await.into(),
            Step::Retry {
                wait,
                strike,
                everybody,
            } => {
                let wait = self.traffic.bounded(wait);
                let kind = error.kind.as_str();
                let rest = context.put_back(work.head, work.lane, wait, strike, kind);
                let rest = rest.await;
                Run {
                    hold: everybody.then_some(wait),
                    ..rest.into()
                }
            }
        }
    }

    /// The attempt sent nothing. `None` when the outbox is closed.
    async fn unmark(&self, work: &Work<'_>, send: SendId) -> Option<()> {
        let context = &self.context;
        context
            .insist(|| context.outbox.unmark(work.head.seq, send.clone()))
            .await
    }

    /// `refused` is the message that was refused for it; a look-up that was refused says nothing about its message.
    pub(super) fn block(&self, refused: Option<&Head>, cause: BlockedCause) -> Rest {
        let cause = Cause::Platform(cause);
        let message = refused.map(|head| head.seq);
        self.traffic
            .block(message, cause, Instant::now(), self.context.clock.now());
        Rest::More
    }

    pub(super) async fn bury(&self, lane: &LaneKey, head: &Head, ending: Ending) -> Rest {
        self.context.bury(&self.traffic, lane, head, ending).await
    }
}
