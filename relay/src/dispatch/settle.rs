//! Settles a send of which nobody can say whether it was done: an answer that was lost, or a crash behind the mark.
//!
//! A callback proves it at any time: the send's id stands in its URL, and the outbox ends the doubt when it comes. It is
//! waited for a while; then Twilio's list is read. A message in it that no other send has taken, to the same customer
//! and with the same body, is this one. When [`search`](super::search) is over without it, the send was not done, and
//! the part is tried again. What stays unclear (redacted, altered, several that match) is *unresolved*, and so is what
//! is still in doubt when it is no longer worth sending.
//!
//! One listing a run: between two the lane is left with a time, so that it holds no worker.

use jiff::Timestamp;
use messaging_bridge_clients::ErrorKind;
use messaging_bridge_clients::twilio::{Message, MessageFilter, MessageSid};
use tokio::time::Instant;

use super::decide;
use super::direction::Run;
use super::lanes::Rest;
use super::listing::{self, CLOCKS_DIFFER, Finding, LONGEST_WAY, Wanted};
use super::outbound::{OutboundWorker, Work};
use super::retry;
use super::search::{Search, Shown};
use crate::admin::vitals::Settled;
use crate::deliver::split::{LONGEST_BODY, split};
use crate::message::Message as Stored;
use crate::outbox::{Direction, Doubt, InDoubt, OutboxError, SendId};
use crate::settings::OnUnresolved;

/// Pages of Twilio's list that are read for one send, a hundred messages each.
const MOST_PAGES: u16 = 50;

/// Sends of ours with the messages that they turn out to be.
type Pairs = Vec<(SendId, MessageSid)>;

/// What a listing says of a doubt.
enum Verdict {
    /// It was sent.
    Sent(Pairs),
    /// It may have been.
    Unclear(&'static str),
    /// It is not there.
    Absent,
}

impl OutboundWorker {
    /// A send is in doubt from now on: its callback is waited for.
    pub(super) fn begin_search(&self, work: &Work<'_>, send: &SendId, marked: Timestamp) -> Rest {
        let context = &self.context;
        context.vitals.ambiguous();
        let patience = context.waits.callback;
        let left = patience.saturating_sub(context.age(marked));
        let search = Search::new(Instant::now() + left);
        self.searches.keep(work.lane, send, search);
        self.wait(work, search.not_before)
    }

    /// One step towards knowing what became of a send.
    pub(super) async fn settle(&self, work: &Work<'_>, doubt: &Doubt) -> Run {
        let Some(search) = self.searches.of(work.lane, Some(&doubt.send)) else {
            return self.begin_search(work, &doubt.send, doubt.marked).into();
        };
        let late = decide::expired(&self.circumstances(work)).is_some();
        if !late && Instant::now() < search.not_before {
            return self.wait(work, search.not_before).into();
        }
        let began = Instant::now();
        let filter = MessageFilter {
            // The sender is compared here: behind a Messaging Service it may not be filled in yet.
            to: Some(work.text.customer.expose().to_owned()),
            older_than_is_enough: Some(doubt.first_marked - CLOCKS_DIFFER),
            max_pages: MOST_PAGES,
            ..MessageFilter::default()
        };
        fail::fail_point!("look-up");
        let listed = self.context.twilio.list_messages(&filter).await;
        self.context.vitals.looked_up(listed.as_ref().err());
        match &listed {
            Ok(_) => self.traffic.looked_up(work.lane, Instant::now()),
            Err(error) => {
                let (now, wall) = (Instant::now(), self.context.clock.now());
                self.traffic.met(work.head.seq, &error.kind, now, wall);
            }
        }
        match listed {
            Ok(listed) if listed.complete => {
                match self.judge(work, doubt, &listed.messages).await {
                    Ok(verdict) => {
                        self.conclude(work, doubt, (search, began, late), verdict)
                            .await
                    }
                    Err(error) => super::context::rest_after_store_error(&error).into(),
                }
            }
            Ok(_) => {
                tracing::warn!(lane = %work.lane, "Twilio lists too many messages to find one that is in doubt");
                self.not_listed(work, doubt, (search, late), &ErrorKind::Transient)
                    .await
            }
            Err(error) => {
                tracing::warn!(%error, lane = %work.lane, "a send without an answer could not be looked up yet");
                self.not_listed(work, doubt, (search, late), &error.kind)
                    .await
            }
        }
    }

    /// The lane waits, but not beyond its head's life.
    fn wait(&self, work: &Work<'_>, until: Instant) -> Rest {
        let now = self.circumstances(work);
        let end = Instant::now() + now.life.saturating_sub(now.age);
        Rest::Until(until.min(end))
    }

    /// What a complete listing says, beside what other sends have taken or may take.
    async fn judge(
        &self,
        work: &Work<'_>,
        doubt: &Doubt,
        listed: &[Message],
    ) -> Result<Verdict, OutboxError> {
        let outbox = &self.context.outbox;
        let since = doubt.first_marked - CLOCKS_DIFFER - LONGEST_WAY;
        let others = outbox.others_in_doubt(work.lane, work.head.seq, since);
        let others: Vec<Option<String>> = others.await?.iter().map(body).collect();
        let known: Vec<String> = others.iter().flatten().cloned().collect();
        let wanted = Wanted {
            to: work.text.customer.expose(),
            from: &work.head.sender,
            body: work.body,
            others: &known,
            first_marked: doubt.first_marked,
            last_marked: doubt.marked,
        };
        let mut suspects = listing::suspects(listed, &wanted);
        let sids = suspects.iter().map(|suspect| suspect.sid.clone());
        let taken = outbox.adopted(sids.collect()).await?;
        suspects.retain(|suspect| !taken.contains(&suspect.sid));
        let found = match listing::finding(&suspects) {
            Finding::Found(found) => found,
            Finding::Unclear(why) => return Ok(Verdict::Unclear(why)),
            Finding::Absent => return Ok(Verdict::Absent),
        };
        let sends = outbox.unproven(&doubt.first).await?;
        if found.len() > sends.len() {
            return Ok(Verdict::Unclear("several listed messages match"));
        }
        // Another message of the lane that is in doubt may be the one that is listed: the same words twice.
        let is_rival = |other: &Option<String>| {
            other
                .as_deref()
                .is_none_or(|other| listing::is_same(other, work.body))
        };
        if others.iter().any(is_rival) {
            return Ok(Verdict::Unclear(
                "another message to this customer with the same words is in doubt as well",
            ));
        }
        Ok(Verdict::Sent(sends.into_iter().zip(found).collect()))
    }

    async fn conclude(
        &self,
        work: &Work<'_>,
        doubt: &Doubt,
        (mut search, began, late): (Search, Instant, bool),
        verdict: Verdict,
    ) -> Run {
        let why = match verdict {
            Verdict::Sent(pairs) => return self.was_sent(work, pairs).await.into(),
            Verdict::Unclear(why) => Some(why),
            Verdict::Absent => None,
        };
        if late {
            let why = why.unwrap_or("it was not settled while it was worth sending");
            return self.unresolved(work, why).await.into();
        }
        let shown = why.map_or(Shown::Nothing, |_| Shown::Suspects);
        if !search.listed(began, self.context.waits.listings, shown) {
            self.searches.keep(work.lane, &doubt.send, search);
            return self.wait(work, search.not_before).into();
        }
        match (why, self.context.on_unresolved) {
            (Some(why), OnUnresolved::Fail) => self.unresolved(work, why).await,
            (why, _) => self.was_not_sent(work, doubt, why).await,
        }
        .into()
    }

    async fn was_sent(&self, work: &Work<'_>, pairs: Pairs) -> Rest {
        self.traffic.ended(work.head.seq);
        self.context.vitals.settled(Settled::Listed);
        let mut rest = Rest::More;
        for (number, (send, sid)) in pairs.into_iter().enumerate() {
            let after = self.sent(work, &send, sid).await;
            if number == 0 || after == Rest::Empty {
                rest = after;
            }
        }
        rest
    }

    /// The part is tried again at once, with another send. What it may have been stays known.
    async fn was_not_sent(&self, work: &Work<'_>, doubt: &Doubt, unclear: Option<&str>) -> Rest {
        let context = &self.context;
        match unclear {
            None => {
                tracing::warn!(lane = %work.lane, "a send without an answer was not done; it is tried again");
            }
            Some(why) => {
                tracing::warn!(lane = %work.lane, why, "a send is unresolved; it is tried again as configured");
            }
        }
        match context
            .outbox
            .not_sent(work.head.seq, doubt.send.clone())
            .await
        {
            Ok(_) => {
                let how = unclear.map_or(Settled::NotSent, |_| Settled::Resent);
                context.vitals.settled(how);
                Rest::More
            }
            Err(error) => super::context::rest_after_store_error(&error),
        }
    }

    async fn not_listed(
        &self,
        work: &Work<'_>,
        doubt: &Doubt,
        (mut search, late): (Search, bool),
        kind: &ErrorKind,
    ) -> Run {
        if late {
            return self
                .unresolved(work, "Twilio's list could not be read")
                .await
                .into();
        }
        let failures = search.failed();
        self.searches.keep(work.lane, &doubt.send, search);
        let (wait, hold) = match kind {
            ErrorKind::Blocked(cause) => return self.block(None, *cause).into(),
            ErrorKind::Throttled { retry_after } => {
                let wait = retry::throttled(*retry_after);
                (wait, Some(wait))
            }
            _ => (retry::after(failures, self.context.chance.fraction()), None),
        };
        search.not_before = Instant::now() + wait;
        self.searches.keep(work.lane, &doubt.send, search);
        self.context
            .vitals
            .retried(Direction::Outbound, kind.as_str());
        Run {
            hold,
            ..self.wait(work, search.not_before).into()
        }
    }

    async fn unresolved(&self, work: &Work<'_>, why: &str) -> Rest {
        let why = format!("its answer was lost, and {why}");
        self.context.vitals.settled(Settled::Unresolved);
        self.bury(work.lane, work.head, decide::unresolved(&why))
            .await
    }
}

/// The text of another send in doubt, if it is still known.
fn body(other: &InDoubt) -> Option<String> {
    let Ok(Stored::OutboundText(text)) = Stored::from_stored(other.payload.as_deref()?) else {
        return None;
    };
    let parts = split(&text.text, LONGEST_BODY);
    parts
        .get(other.part as usize)
        .map(|part| (*part).to_owned())
}
