//! Random stories: whatever is called in whatever order, a backend says the same as the [`Reference`].
//!
//! After every call all that can be asked is compared: the head of each lane, counts, dead letters, receipts. A story
//! that shows a difference is shortened to its shortest form.
//!
//! Not part of the stories: the byte budget, purging, messages without an id, and clocks that go back.

use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{GenesysMessageId, ReasonCode};
use proptest::prelude::*;
use proptest::sample::Index;

use super::reference::Reference;
use super::rig::{
    self, Rig, at, inbound, outbound, reason, refusal, refused, to_genesys, to_twilio, unresolved,
};
use super::step::{CUSTOMERS, Step, step};
use crate::message::CustomerId;
use crate::outbox::{
    Appended, Burial, DeadReason, DedupKey, Deferral, Direction, Head, LaneKey, LetterSelection,
    Mark, NewRow, Order, PartSent, Rank, ReceiptLevel, SendId, Seq, Stats, StatusReport,
};

/// Keys of customers' messages are free again within a story.
const SHORT_LIFE: i64 = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_says_the_same_as_the_reference(story in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Story::new(rig::sqlite()).play(&story));
    }
}

/// A backend and its reference, side by side.
pub(super) struct Story {
    pub(super) rig: Rig,
    pub(super) reference: Reference,
    lanes: Vec<LaneKey>,
    /// Every send ever marked, known still or not.
    sends: Vec<String>,
    last_sent: Option<PartSent>,
}

/// Messages with an odd key have two parts.
fn parts_of(name: &str) -> u32 {
    let odd = name.bytes().last().is_some_and(|digit| digit % 2 == 1);
    if odd { 2 } else { 1 }
}

impl Story {
    fn new(rig: Rig) -> Self {
        let lanes = CUSTOMERS
            .iter()
            .flat_map(|customer| [to_genesys(customer), to_twilio(customer)])
            .collect();
        Self {
            rig,
            reference: Reference::default(),
            lanes,
            sends: Vec::new(),
            last_sent: None,
        }
    }

    async fn play(mut self, story: &[Step]) {
        for step in story {
            self.take(step).await;
            self.compare().await;
        }
    }

    async fn take(&mut self, step: &Step) {
        let now = self.rig.now();
        match step {
            Step::Receive { customer, key } => {
                self.receive(CUSTOMERS[*customer], &format!("i{key}"), now)
                    .await;
            }
            Step::Answer {
                customer,
                key,
                claimed,
            } => {
                let order = Order::Claimed(claimed.map(at));
                self.answer(CUSTOMERS[*customer], &format!("o{key}"), order, now)
                    .await;
            }
            Step::Refuse { key } => self.refuse(&format!("r{key}"), now).await,
            Step::Hear { send, rank } if !self.sends.is_empty() => {
                self.hear(send.get(&self.sends).clone(), *rank).await;
            }
            Step::Hear { .. } => {}
            Step::SentLate => {
                if let Some(sent) = self.last_sent.clone() {
                    self.sent(sent).await;
                }
            }
            Step::Expire { age } => {
                let before = now - Duration::from_secs(age.unsigned_abs());
                let ended = self
                    .rig
                    .outbox
                    .expire_outbound((before, Timestamp::MAX), rig::expired(now), unresolved(now))
                    .await
                    .unwrap();
                assert_eq!(ended.len() as u64, self.reference.expire(before, now));
            }
            Step::Replay { one } => self.replay(one.as_ref(), now).await,
            Step::Purge { one } => self.purge(one).await,
            Step::Forget { customer } => self.forget(CUSTOMERS[*customer]).await,
            Step::Tell => self.tell().await,
            Step::PutBack { wait } => {
                self.put_back(now + Duration::from_secs(wait.unsigned_abs()))
                    .await;
            }
            Step::Wait { seconds } => self.rig.wait(*seconds),
            Step::Fill { .. } | Step::Ask { .. } => self.heal(step, now).await,
            Step::Defer { lane, .. } | Step::Complete { lane } | Step::Bury { lane, .. } => {
                let lane = lane.get(&self.lanes).clone();
                self.with_head(step, &lane, now).await;
            }
            Step::Mark { customer }
            | Step::Unmark { customer }
            | Step::NotSent { customer }
            | Step::Sent { customer } => {
                self.with_head(step, &to_twilio(CUSTOMERS[*customer]), now)
                    .await;
            }
        }
    }

    async fn receive(&mut self, customer: &str, name: &str, now: Timestamp) {
        let life = Duration::from_secs(SHORT_LIFE.unsigned_abs());
        let row = NewRow {
            key: DedupKey {
                text: format!("twilio/{name}"),
                life,
            },
            ..inbound(customer, name, now)
        };
        self.append(row, name, now + life).await;
    }

    async fn answer(&mut self, customer: &str, name: &str, order: Order, now: Timestamp) {
        let row = NewRow {
            order,
            ..outbound(customer, name, now)
        };
        self.append(row, name, now + rig::KEY_LIFE).await;
    }

    async fn append(&mut self, row: NewRow, name: &str, free_at: Timestamp) {
        let (lane, order, accepted) = (row.lane.clone(), row.order, row.accepted);
        let is_new = self.reference.claim(&row.key.text, accepted, free_at);
        let appended = self.rig.outbox.append(row).await.unwrap();
        assert_eq!(appended != Appended::Duplicate, is_new, "{name}");
        if is_new {
            self.reference.append(name, &lane, order, accepted);
        }
    }

    async fn refuse(&mut self, name: &str, now: Timestamp) {
        let is_new = self.reference.claim(name, now, now + rig::KEY_LIFE);
        let appended = self.rig.outbox.refuse(refusal(name, now)).await.unwrap();
        assert_eq!(appended != Appended::Duplicate, is_new, "{name}");
        if is_new {
            self.reference.refuse(name, now);
        }
    }

    async fn with_head(&mut self, step: &Step, lane: &LaneKey, now: Timestamp) {
        let Some(head) = self.rig.head(lane).await else {
            return;
        };
        match (step, head.doubt.as_ref().map(|doubt| &doubt.send)) {
            (
                Step::Defer {
                    wait,
                    tried,
                    strike,
                    ..
                },
                _,
            ) => {
                let until = now + Duration::from_secs(wait.unsigned_abs());
                let (tried, strike) = (*tried, *strike);
                let deferral = Deferral {
                    until,
                    tried,
                    strike,
                };
                self.defer(head.seq, lane, deferral).await;
            }
            (Step::Complete { .. }, _) => {
                let more = self.rig.outbox.complete(head.seq).await.unwrap();
                assert_eq!(more, self.reference.complete(lane));
            }
            (Step::Bury { inferred, .. }, _) => {
                let reason = if *inferred {
                    unresolved(now)
                } else {
                    refused(now)
                };
                self.bury(&head, lane, reason, now).await;
            }
            (Step::Mark { .. }, None) => self.mark(&head, lane, now).await,
            (Step::NotSent { .. }, Some(send)) => self.not_sent(head.seq, send, lane).await,
            (Step::Unmark { .. }, Some(send)) => {
                self.rig
                    .outbox
                    .unmark(head.seq, send.clone())
                    .await
                    .unwrap();
                self.reference.unmark(lane, send.as_str());
            }
            (Step::Sent { .. }, Some(send)) => {
                let name = String::from_utf8(head.payload.clone()).unwrap();
                let last = head.next_part + 1 == parts_of(&name);
                self.sent(PartSent {
                    seq: head.seq,
                    send: send.clone(),
                    sid: rig::sid(send.as_str()),
                    last,
                })
                .await;
            }
            _ => {}
        }
    }

    async fn not_sent(&mut self, seq: Seq, send: &SendId, lane: &LaneKey) {
        let known = self.rig.outbox.not_sent(seq, send.clone()).await;
        assert!(known.unwrap());
        self.reference.not_sent(lane);
    }

    async fn defer(&mut self, seq: Seq, lane: &LaneKey, deferral: Deferral) {
        self.rig.outbox.defer(seq, deferral).await.unwrap();
        self.reference.with_head(lane, |row| {
            (row.place.0, row.not_before) = (false, deferral.until);
            row.tries += u32::from(deferral.tried);
            row.strikes += u32::from(deferral.strike);
        });
    }

    async fn bury(&mut self, head: &Head, lane: &LaneKey, reason: DeadReason, now: Timestamp) {
        let level = reason.receipt.as_ref().map(|(level, _)| *level).unwrap();
        let outbox = &self.rig.outbox;
        let other_part = outbox.dead_letter(head.seq, head.next_part + 1, reason.clone());
        assert_eq!(other_part.await.unwrap(), Burial::GoneOn);
        let buried = outbox.dead_letter(head.seq, head.next_part, reason).await;
        let more = self.reference.bury(lane, level, now);
        assert_eq!(buried.unwrap(), Burial::Buried { more });
    }

    async fn mark(&mut self, head: &Head, lane: &LaneKey, now: Timestamp) {
        let name = String::from_utf8(head.payload.clone()).unwrap();
        let send = format!("s{}", self.sends.len());
        let mark = Mark {
            seq: head.seq,
            send: SendId::new(send.clone()),
            part: head.next_part,
            parts: parts_of(&name),
            genesys_id: Some(GenesysMessageId::new(name.clone())),
            customer: CustomerId::new(lane.customer()),
            at: now,
        };
        assert!(self.rig.outbox.mark(mark).await.unwrap());
        self.reference.mark(lane, &send, parts_of(&name), now);
        self.sends.push(send);
    }

    async fn sent(&mut self, sent: PartSent) {
        self.rig.outbox.part_sent(sent.clone()).await.unwrap();
        self.reference.answer(sent.send.as_str(), sent.last);
        self.last_sent = Some(sent);
    }

    async fn hear(&mut self, send: String, rank: Rank) {
        let report = StatusReport {
            send: SendId::new(send.clone()),
            sid: rig::sid(&send),
            rank,
            reason: (rank == Rank::Failed).then(|| reason(ReasonCode::GeneralError)),
        };
        let standing = self.rig.outbox.raise(report).await.unwrap();
        let expected = self.reference.hear(&send, rank);
        let proved = standing
            .as_ref()
            .and_then(|standing| standing.proved.clone());
        assert_eq!(
            standing.map(|standing| (standing.rank, standing.receipt_waits)),
            expected
        );
        assert_eq!(proved.map(|proved| proved.complete), self.reference.proved);
    }

    async fn replay(&mut self, one: Option<&Index>, now: Timestamp) {
        let letters = self.rig.outbox.dead_letters(1000).await.unwrap();
        let chosen = one
            .filter(|_| !letters.is_empty())
            .map(|one| one.index(letters.len()));
        let selection = chosen.map_or(LetterSelection::All, |index| {
            LetterSelection::One(letters[index].id)
        });
        let mut lanes = self.rig.outbox.replay(selection).await.unwrap().lanes;
        lanes.sort();
        assert_eq!(lanes, self.reference.replay(chosen, now));
    }

    async fn purge(&mut self, one: &Index) {
        let letters = self.rig.outbox.dead_letters(1000).await.unwrap();
        if letters.is_empty() {
            return;
        }
        let index = one.index(letters.len());
        let selection = LetterSelection::One(letters[index].id);
        let purged = self.rig.outbox.purge_dead_letters(selection).await.unwrap();
        assert_eq!(purged, 1);
        self.reference.dead.remove(index);
    }

    async fn forget(&mut self, customer: &str) {
        let forgotten = self
            .rig
            .outbox
            .forget(&CustomerId::new(customer))
            .await
            .unwrap();
        assert_eq!(forgotten, self.reference.forget(customer));
    }

    async fn tell(&mut self) {
        let Some(waiting) = self.rig.next_receipt().await else {
            return;
        };
        self.rig
            .outbox
            .receipt_done(&waiting.receipt)
            .await
            .unwrap();
        self.reference.told(waiting.receipt.genesys_id.as_str());
    }

    async fn put_back(&mut self, until: Timestamp) {
        let Some(waiting) = self.rig.next_receipt().await else {
            return;
        };
        self.rig
            .outbox
            .receipt_defer(&waiting.receipt, until)
            .await
            .unwrap();
        self.reference
            .put_back(waiting.receipt.genesys_id.as_str(), until);
    }

    async fn compare(&self) {
        for lane in &self.lanes {
            self.compare_head(lane).await;
        }
        self.compare_stats().await;
        self.compare_receipts().await;
        let letters = self.rig.outbox.dead_letters(1000).await.unwrap();
        let seen: Vec<_> = letters
            .iter()
            .map(|letter| (letter.direction, letter.accepted))
            .collect();
        let expected: Vec<_> = self
            .reference
            .dead
            .iter()
            .map(|row| (row.lane.direction(), row.accepted))
            .collect();
        assert_eq!(seen, expected);
        for send in &self.sends {
            let seen = self
                .rig
                .outbox
                .send_state(&SendId::new(send.clone()))
                .await
                .unwrap();
            let expected = self
                .reference
                .sends
                .get(send)
                .map(|send| (send.has_sid, send.rank));
            assert_eq!(
                seen.map(|state| (state.sid.is_some(), state.rank)),
                expected,
                "{send}"
            );
        }
    }

    async fn compare_head(&self, lane: &LaneKey) {
        let (head, expected) = (self.rig.head(lane).await, self.reference.head(lane));
        let Some((head, row)) = head.as_ref().zip(expected) else {
            assert_eq!(
                head.is_some(),
                expected.is_some(),
                "whether {lane} has a head"
            );
            return;
        };
        assert_eq!(
            String::from_utf8_lossy(&head.payload),
            row.name,
            "the head of {lane}"
        );
        assert_eq!((head.accepted, head.time), (row.accepted, row.time));
        assert_eq!(
            (head.tries, head.strikes, head.next_part),
            (row.tries, row.strikes, row.next_part)
        );
        assert_eq!(
            head.doubt
                .as_ref()
                .map(|doubt| (doubt.send.as_str(), doubt.first.as_str())),
            row.mark.as_deref().zip(row.doubt.as_deref())
        );
        assert_eq!(head.not_before, row.not_before);
    }

    async fn compare_stats(&self) {
        let waiting = |direction| {
            self.reference
                .waiting
                .iter()
                .filter(move |row| row.lane.direction() == direction)
        };
        let oldest = |direction| waiting(direction).map(|row| row.accepted).min();
        let expected = Stats {
            inbound: waiting(Direction::Inbound).count() as u64,
            outbound: waiting(Direction::Outbound).count() as u64,
            in_doubt: waiting(Direction::Outbound)
                .filter(|row| row.mark.is_some())
                .count() as u64,
            receipts: self.reference.receipts_waiting().count() as u64,
            dead_letters: self.reference.dead.len() as u64,
            bytes: self
                .reference
                .waiting
                .iter()
                .map(|row| row.name.len() as u64)
                .sum(),
            oldest_inbound: oldest(Direction::Inbound),
            oldest_outbound: oldest(Direction::Outbound),
        };
        assert_eq!(self.rig.outbox.stats().await.unwrap(), expected);
    }

    async fn compare_receipts(&self) {
        let now = self.rig.now() + rig::A_MOMENT;
        let due = self
            .reference
            .receipts_waiting()
            .map(|(_, receipt)| receipt.not_before)
            .min();
        assert_eq!(self.rig.outbox.receipt_due(Vec::new()).await.unwrap(), due);
        let ready = || {
            self.reference
                .receipts_waiting()
                .filter(|(_, receipt)| receipt.not_before <= now)
        };
        let Some(next) = self.rig.next_receipt().await else {
            assert_eq!(ready().count(), 0);
            return;
        };
        let receipt = &self.reference.receipts[next.receipt.genesys_id.as_str()];
        assert_eq!(
            (next.receipt.level, next.tries),
            (receipt.wanted, receipt.tries)
        );
        assert!(receipt.wanted > receipt.told && receipt.wanted > ReceiptLevel::None);
        assert_eq!(
            ready().map(|(_, receipt)| receipt.urgency()).min(),
            Some(receipt.urgency())
        );
    }
}
