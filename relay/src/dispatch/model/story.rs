//! A story: its steps, the reference beside the relay, and the judgement at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::GenesysMessageId;
use messaging_bridge_clients::twilio::MessageSid;
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;
use url::Url;

use super::platforms::{Arrived, Fate, Platforms};
use super::relay::{NUMBER, Relay};
use crate::clock::{Clock as _, ManualClock, from_millis};
use crate::message::{CustomerId, InboundText, Message, OutboundText};
use crate::outbox::{DedupKey, Direction, LaneKey, NewRow, Order, Rank};

const CUSTOMERS: [&str; 3] = ["+15557654321", "+15557654322", "+15557654323"];

/// Time is moved in pieces, so that what a time brings about is done before the next. Shorter than a call's time-out by
/// far: a call that a busy machine has not answered yet must not run into it.
const PIECE: Duration = Duration::from_secs(3);

/// What happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A customer writes.
    Receive(usize),
    /// An agent answers.
    Answer(usize),
    /// What Twilio does with the next texts.
    Twilio(Vec<Fate>),
    /// What Genesys does with the next texts.
    Genesys(Vec<Fate>),
    /// Twilio reports something of a text that it took.
    Callback(Index, Rank),
    /// Everything is done that can be done now.
    Settle,
    /// Time passes.
    Wait(u64),
    /// The process ends where it stands, and starts again.
    Crash,
    /// A Secret is changed.
    Change,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let customer = 0..CUSTOMERS.len();
    let ranks = vec![Rank::Accepted, Rank::Sent, Rank::Delivered, Rank::Failed];
    let fates = || prop::collection::vec(fate(), 1..4);
    prop_oneof![
        4 => customer.clone().prop_map(Step::Receive),
        6 => customer.prop_map(Step::Answer),
        4 => fates().prop_map(Step::Twilio),
        3 => fates().prop_map(Step::Genesys),
        3 => (any::<Index>(), prop::sample::select(ranks)).prop_map(|(text, rank)| Step::Callback(text, rank)),
        4 => Just(Step::Settle),
        3 => (1u64..120).prop_map(Step::Wait),
        2 => Just(Step::Crash),
        1 => Just(Step::Change),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::TakenButLost),
        2 => Just(Fate::NotTakenAndLost),
        1 => Just(Fate::Taken),
        1 => Just(Fate::Refused),
        1 => (1u8..30).prop_map(Fate::Throttled),
        1 => Just(Fate::Blocked),
    ]
}

/// Real time for what is under way; the story's time stands still meanwhile.
pub(super) async fn a_moment() {
    let slept = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1)));
    slept.await.unwrap();
}

/// What was accepted, in order. Arrival names the dead letter, which holds nothing else of its message.
#[derive(Default)]
struct Reference {
    inbound: Vec<(usize, String, Timestamp)>,
    outbound: Vec<(usize, String, Timestamp)>,
}

pub(super) struct Story {
    place: TempDir,
    clock: ManualClock,
    platforms: Platforms,
    url: Url,
    relay: Option<Relay>,
    reference: Reference,
}

impl Story {
    pub(super) async fn begin() -> Self {
        let clock = ManualClock::new(from_millis(1_767_225_600_000));
        let (platforms, url) = Platforms::start(clock.clone()).await;
        let place = tempfile::tempdir().unwrap();
        let relay = Some(Relay::start(place.path(), &url, &clock).await);
        Self {
            place,
            clock,
            platforms,
            url,
            relay,
            reference: Reference::default(),
        }
    }

    /// Plays the steps, lets hours pass on friendly platforms, and returns the broken promises.
    pub(super) async fn play(mut self, steps: &[Step]) -> Vec<String> {
        for step in steps {
            self.take(step).await;
        }
        {
            let mut seen = self.platforms.seen();
            seen.twilio.clear();
            seen.genesys.clear();
        }
        for _ in 0..60 {
            self.wait(Duration::from_mins(1)).await;
            let stats = self.relay().outbox.stats().await.unwrap();
            if stats.inbound + stats.outbound + stats.receipts == 0 {
                break;
            }
        }
        self.judge().await
    }

    fn relay(&self) -> &Relay {
        self.relay.as_ref().unwrap()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Receive(customer) => self.receive(*customer).await,
            Step::Answer(customer) => self.answer(*customer).await,
            Step::Twilio(fates) => self.platforms.seen().twilio.extend(fates),
            Step::Genesys(fates) => self.platforms.seen().genesys.extend(fates),
            Step::Callback(text, rank) => {
                let taken = self.platforms.seen().texts.clone();
                if !taken.is_empty() {
                    let text = text.get(&taken);
                    let send = text.send.clone();
                    self.relay().hear(send, &text.sid, *rank).await;
                }
            }
            Step::Settle => self.settle().await,
            Step::Wait(seconds) => self.wait(Duration::from_secs(*seconds)).await,
            Step::Crash => {
                self.relay.take().unwrap().crash();
                // What had left reaches its platform, and nobody hears the answer.
                self.settle().await;
                self.platforms.seen().crashes += 1;
                let relay = Relay::start(self.place.path(), &self.url, &self.clock).await;
                self.relay = Some(relay);
            }
            Step::Change => self.relay().changed(),
        }
    }

    async fn receive(&mut self, customer: usize) {
        let sid = format!("SMin{}", self.reference.inbound.len());
        let text = InboundText {
            sid: MessageSid::new(sid.clone()),
            customer: CustomerId::new(CUSTOMERS[customer]),
            our_number: NUMBER.into(),
            text: sid.clone(),
            attributes: BTreeMap::new(),
        };
        let accepted = self
            .append(Message::InboundText(text), &sid, customer)
            .await;
        self.reference.inbound.push((customer, sid, accepted));
    }

    async fn answer(&mut self, customer: usize) {
        let id = format!("out{}", self.reference.outbound.len());
        let text = OutboundText {
            id: Some(GenesysMessageId::new(id.clone())),
            customer: CustomerId::new(CUSTOMERS[customer]),
            text: id.clone(),
        };
        let accepted = self
            .append(Message::OutboundText(text), &id, customer)
            .await;
        self.reference.outbound.push((customer, id, accepted));
    }

    async fn append(&mut self, message: Message, id: &str, customer: usize) -> Timestamp {
        // Every message has an arrival of its own.
        self.clock.advance_millis(1);
        let accepted = self.clock.now();
        let customer = CustomerId::new(CUSTOMERS[customer]);
        let (direction, order, genesys_id) = match &message {
            Message::InboundText(_) | Message::FailureNotice(_) => {
                (Direction::Inbound, Order::Arrival, None)
            }
            Message::OutboundText(text) => (
                Direction::Outbound,
                Order::Claimed(Some(accepted)),
                text.id.clone(),
            ),
        };
        let row = NewRow {
            lane: LaneKey::new(direction, &customer),
            key: DedupKey {
                text: id.to_owned(),
                life: Duration::from_hours(24),
            },
            order,
            accepted,
            payload: message.to_stored(),
            genesys_id,
        };
        self.relay().append(row).await;
        accepted
    }

    /// Waits in real time until nothing more happens.
    async fn settle(&self) {
        let (mut quiet, mut requests) = (0, u64::MAX);
        while quiet < 5 {
            a_moment().await;
            let now = self.platforms.seen().requests;
            quiet = if now == requests { quiet + 1 } else { 0 };
            requests = now;
        }
    }

    async fn wait(&self, whole: Duration) {
        let mut left = whole;
        while !left.is_zero() {
            self.settle().await;
            let piece = left.min(PIECE);
            left -= piece;
            let millis = i64::try_from(piece.as_millis()).unwrap();
            self.clock.advance_millis(millis);
            tokio::time::advance(piece).await;
        }
        self.settle().await;
    }

    async fn judge(self) -> Vec<String> {
        let mut broken = Vec::new();
        let letters = self.relay().outbox.dead_letters(1000).await.unwrap();
        let dead: BTreeSet<(Direction, Timestamp)> = letters
            .iter()
            .map(|letter| (letter.direction, letter.accepted))
            .collect();
        let stats = self.relay().outbox.stats().await.unwrap();
        if stats.inbound + stats.outbound > 0 {
            broken.push(format!("messages without an outcome: {stats:?}"));
        }
        let seen = self.platforms.seen();
        let Reference { inbound, outbound } = &self.reference;
        for (_, id, at) in inbound {
            let copies: Vec<&Arrived> = seen.arrived.iter().filter(|copy| copy.id == *id).collect();
            let is_dead = dead.contains(&(Direction::Inbound, *at));
            broken.extend(judge_inbound(id, &copies, is_dead, seen.crashes));
        }
        for (_, id, at) in outbound {
            let copies = seen.texts.iter().filter(|text| text.body == *id).count();
            let is_dead = dead.contains(&(Direction::Outbound, *at));
            if copies + usize::from(is_dead) != 1 {
                broken.push(format!("{id}: {copies} texts, dead letter: {is_dead}"));
            }
        }
        let arrived: Vec<&str> = seen.arrived.iter().map(|copy| copy.id.as_str()).collect();
        let texts: Vec<&str> = seen.texts.iter().map(|text| text.body.as_str()).collect();
        for (accepted, came) in [(inbound, arrived), (outbound, texts)] {
            for customer in 0..CUSTOMERS.len() {
                let places: Vec<usize> = accepted
                    .iter()
                    .filter(|(of, ..)| *of == customer)
                    .filter_map(|(_, id, _)| came.iter().position(|other| other == id))
                    .collect();
                if !places.is_sorted() {
                    broken.push(format!("customer {customer} out of order: {came:?}"));
                }
            }
        }
        broken
    }
}

/// At least once, or a dead letter; again, or both, only when nobody heard the answer: it was lost, or there was a crash.
fn judge_inbound(id: &str, copies: &[&Arrived], is_dead: bool, crashes: usize) -> Option<String> {
    let Some(last) = copies.last() else {
        return (!is_dead).then(|| format!("{id} is lost"));
    };
    let for_no_reason = copies
        .windows(2)
        .any(|pair| pair[0].answered && pair[0].crashes == pair[1].crashes);
    if for_no_reason {
        return Some(format!("{id} was repeated for no reason"));
    }
    let was_heard = last.answered && last.crashes == crashes;
    (is_dead && was_heard).then(|| format!("{id} was taken, and is a dead letter"))
}
