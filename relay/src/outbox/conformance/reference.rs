//! The outbox as simply as it can be said: lists in memory, searched from end to end. It stores nothing, keeps no
//! budget and purges nothing; all else is as [`crate::outbox::Outbox`] promises.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::rig::ANN;
use crate::outbox::{Direction, Forgotten, LaneKey, Order, Rank, ReceiptLevel};

/// A waiting message, or one among the dead letters.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) lane: LaneKey,
    /// Attempted rows first (`false` sorts before `true`), then the position, then the order of append.
    pub(super) place: (bool, i64, usize),
    pub(super) accepted: Timestamp,
    pub(super) time: Timestamp,
    pub(super) not_before: Timestamp,
    pub(super) tries: u32,
    pub(super) strikes: u32,
    pub(super) next_part: u32,
    pub(super) mark: Option<String>,
    /// The first send of the part that may have been done.
    pub(super) doubt: Option<String>,
}

impl Row {
    /// One that nobody has tried yet; `times` are those of its arrival and of its message.
    pub(super) fn untried(
        name: &str,
        lane: &LaneKey,
        place: (bool, i64, usize),
        (accepted, time): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            name: name.to_owned(),
            lane: lane.clone(),
            place,
            accepted,
            time,
            not_before: Timestamp::UNIX_EPOCH,
            tries: 0,
            strikes: 0,
            next_part: 0,
            mark: None,
            doubt: None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Send {
    /// The first send of its part that was in doubt when this one was marked.
    pub(super) first: String,
    pub(super) name: String,
    pub(super) part: u32,
    pub(super) parts: u32,
    pub(super) has_sid: bool,
    pub(super) rank: Rank,
    pub(super) marked: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub(super) parts: u32,
    pub(super) wanted: ReceiptLevel,
    pub(super) told: ReceiptLevel,
    pub(super) not_before: Timestamp,
    pub(super) created: Timestamp,
    pub(super) tries: u32,
}

impl Receipt {
    fn new(parts: u32, created: Timestamp) -> Self {
        let (none, not_before) = (ReceiptLevel::None, Timestamp::UNIX_EPOCH);
        Self {
            parts,
            wanted: none,
            told: none,
            not_before,
            created,
            tries: 0,
        }
    }

    fn want(&mut self, level: ReceiptLevel, not_before: Timestamp) -> bool {
        let rises = level > self.wanted;
        if rises {
            let after_answer = self.created + std::time::Duration::from_millis(500);
            let not_before = not_before.max(after_answer);
            (self.wanted, self.not_before, self.tries) = (level, not_before, 0);
        }
        rises
    }

    /// What goes first: failures, then what waits longest.
    pub(super) fn urgency(&self) -> (bool, Timestamp, Timestamp) {
        let failed = matches!(
            self.wanted,
            ReceiptLevel::Failed | ReceiptLevel::FailedInferred
        );
        (!failed, self.not_before, self.created)
    }
}

#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) waiting: Vec<Row>,
    pub(super) dead: Vec<Row>,
    pub(super) sends: BTreeMap<String, Send>,
    pub(super) receipts: BTreeMap<String, Receipt>,
    /// When each key is free again.
    pub(super) keys: BTreeMap<String, Timestamp>,
    /// The last time given to each customer's texts.
    pub(super) times: BTreeMap<LaneKey, Timestamp>,
    /// Whose each message to Twilio is.
    customers: BTreeMap<String, String>,
    pub(super) appended: usize,
    /// Whether the last callback or answer proved a part of a waiting message, and whether that was its last.
    pub(super) proved: Option<bool>,
    /// How far each round of asking came: a time, and a send marked at that time.
    pub(super) asked: BTreeMap<u32, (Timestamp, String)>,
}

impl Reference {
    /// Takes a key; false when it is taken.
    pub(super) fn claim(&mut self, key: &str, now: Timestamp, free_at: Timestamp) -> bool {
        let free = self.keys.get(key).is_none_or(|until| *until <= now);
        if free {
            self.keys.insert(key.to_owned(), free_at);
        }
        free
    }

    pub(super) fn append(&mut self, name: &str, lane: &LaneKey, order: Order, now: Timestamp) {
        self.appended += 1;
        if lane.direction() == Direction::Outbound {
            let customer = lane.customer().to_owned();
            self.customers.insert(name.to_owned(), customer);
        }
        let (position, time) = match order {
            Order::Arrival => (
                i64::try_from(self.appended).unwrap(),
                self.next_time(lane, now),
            ),
            Order::Claimed(Some(time)) => (time.as_millisecond(), time),
            Order::Claimed(None) => (self.behind_all(lane, now), now),
        };
        let place = (true, position, self.appended);
        self.waiting
            .push(Row::untried(name, lane, place, (now, time)));
    }

    fn next_time(&mut self, lane: &LaneKey, now: Timestamp) -> Timestamp {
        let least = self
            .times
            .get(lane)
            .map(|last| *last + std::time::Duration::from_millis(1));
        let time = least.map_or(now, |least| least.max(now));
        self.times.insert(lane.clone(), time);
        time
    }

    fn behind_all(&self, lane: &LaneKey, now: Timestamp) -> i64 {
        let positions = self
            .waiting
            .iter()
            .filter(|row| row.lane == *lane)
            .map(|row| row.place.1);
        positions.chain([now.as_millisecond()]).max().unwrap()
    }

    pub(super) fn head(&self, lane: &LaneKey) -> Option<&Row> {
        self.waiting
            .iter()
            .filter(|row| row.lane == *lane)
            .min_by_key(|row| row.place)
    }

    fn take_head(&mut self, lane: &LaneKey) -> Row {
        let place = self.head(lane).unwrap().place;
        let index = self
            .waiting
            .iter()
            .position(|row| row.lane == *lane && row.place == place)
            .unwrap();
        self.waiting.remove(index)
    }

    /// Changes the head of a lane.
    pub(super) fn with_head(&mut self, lane: &LaneKey, change: impl FnOnce(&mut Row)) {
        let mut row = self.take_head(lane);
        change(&mut row);
        self.waiting.push(row);
    }

    /// Ends the head as delivered. Whether more waits.
    pub(super) fn complete(&mut self, lane: &LaneKey) -> bool {
        self.take_head(lane);
        self.head(lane).is_some()
    }

    /// Ends the head without delivery. Whether more waits.
    pub(super) fn bury(&mut self, lane: &LaneKey, level: ReceiptLevel, now: Timestamp) -> bool {
        let row = self.take_head(lane);
        self.bury_row(row, level, now);
        self.head(lane).is_some()
    }

    fn bury_row(&mut self, row: Row, level: ReceiptLevel, now: Timestamp) {
        let level = match row.doubt {
            Some(_) => ReceiptLevel::FailedInferred,
            None => level,
        };
        if row.lane.direction() == Direction::Outbound {
            self.receipts
                .entry(row.name.clone())
                .or_insert_with(|| Receipt::new(0, now))
                .want(level, now);
        }
        self.dead.push(row);
    }

    pub(super) fn refuse(&mut self, name: &str, now: Timestamp) {
        let receipt = self
            .receipts
            .entry(name.to_owned())
            .or_insert_with(|| Receipt::new(0, now));
        receipt.want(ReceiptLevel::Failed, now);
        self.customers.insert(name.to_owned(), ANN.to_owned());
    }

    /// Erases what is of one customer; keys and sends stay.
    pub(super) fn forget(&mut self, customer: &str) -> Forgotten {
        let is_theirs = |row: &&Row| row.lane.customer() == customer;
        let count = |rows: usize| rows as u64;
        let waiting = || self.waiting.iter().filter(is_theirs);
        let customers = &self.customers;
        let receipt_is_theirs =
            |name: &String| customers.get(name).is_some_and(|of| of == customer);
        let forgotten = Forgotten {
            waiting: count(waiting().count()),
            under_way: count(waiting().filter(|row| row.mark.is_some()).count()),
            dead_letters: count(self.dead.iter().filter(is_theirs).count()),
            receipts: count(
                self.receipts
                    .keys()
                    .filter(|name| receipt_is_theirs(name))
                    .count(),
            ),
            contact: self.times.keys().any(|lane| lane.customer() == customer),
        };
        self.receipts.retain(|name, _| !receipt_is_theirs(name));
        self.waiting.retain(|row| !is_theirs(&row));
        self.dead.retain(|row| !is_theirs(&row));
        self.times.retain(|lane, _| lane.customer() != customer);
        forgotten
    }

    pub(super) fn expire(&mut self, before: Timestamp, now: Timestamp) -> u64 {
        let (mut late, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|row| row.lane.direction() == Direction::Outbound && row.accepted < before);
        self.waiting = rest;
        late.sort_by_key(|row| (row.accepted, row.place.2));
        let ended = late.len() as u64;
        for row in late {
            let level = if row.mark.is_some() {
                ReceiptLevel::FailedInferred
            } else {
                ReceiptLevel::Failed
            };
            self.bury_row(row, level, now);
        }
        ended
    }

    pub(super) fn mark(&mut self, lane: &LaneKey, send: &str, parts: u32, now: Timestamp) {
        let (name, part) = self
            .head(lane)
            .map(|head| (head.name.clone(), head.next_part))
            .unwrap();
        self.with_head(lane, |row| {
            row.place.0 = false;
            row.mark = Some(send.to_owned());
            row.doubt.get_or_insert_with(|| send.to_owned());
        });
        let first = self.head(lane).and_then(|row| row.doubt.clone()).unwrap();
        let receipt = self
            .receipts
            .entry(name.clone())
            .or_insert_with(|| Receipt::new(0, now));
        if receipt.parts == 0 {
            receipt.parts = parts;
        }
        self.sends.insert(
            send.to_owned(),
            Send {
                first,
                name,
                part,
                parts,
                has_sid: false,
                rank: Rank::Pending,
                marked: now,
            },
        );
    }

    pub(super) fn unmark(&mut self, lane: &LaneKey, send: &str) {
        self.with_head(lane, |row| {
            row.mark = None;
            row.doubt.take_if(|first| first == send);
        });
        self.sends
            .retain(|id, known| id != send || known.has_sid || known.rank > Rank::Pending);
    }

    /// The attempt was settled as not sent, and may be proven all the same.
    pub(super) fn not_sent(&mut self, lane: &LaneKey) {
        self.with_head(lane, |row| {
            (row.mark, row.not_before) = (None, Timestamp::UNIX_EPOCH);
        });
    }

    pub(super) fn answer(&mut self, send: &str, last: bool) {
        if let Some(known) = self.sends.get_mut(send) {
            (known.has_sid, known.rank) = (true, known.rank.max(Rank::Accepted));
        }
        self.settle(send, last);
    }

    /// The part was sent: on to the next, or the end of its message, wherever it is.
    fn settle(&mut self, send: &str, last: bool) {
        self.proved = None;
        let Some(first) = self.sends.get(send).map(|send| send.first.clone()) else {
            return;
        };
        for (waits, rows) in [(true, &mut self.waiting), (false, &mut self.dead)] {
            let Some(index) = rows
                .iter()
                .position(|row| row.doubt.as_ref() == Some(&first))
            else {
                continue;
            };
            self.proved = waits.then_some(last);
            if last {
                rows.remove(index);
            } else {
                let row = &mut rows[index];
                (row.next_part, row.mark, row.doubt) = (row.next_part + 1, None, None);
                row.tries = 0;
                row.not_before = Timestamp::UNIX_EPOCH;
            }
        }
    }

    /// A callback. The highest rank of its send, and whether a receipt waits anew.
    pub(super) fn hear(&mut self, send: &str, rank: Rank) -> Option<(Rank, bool)> {
        self.proved = None;
        let known = self.sends.get_mut(send)?;
        let rises = rank > known.rank;
        (known.has_sid, known.rank) = (true, known.rank.max(rank));
        let known = known.clone();
        self.settle(send, known.part + 1 == known.parts);
        Some((known.rank, rises && self.renew_receipt(&known.name)))
    }

    /// The lowest state of all parts; failed with the first that failed.
    fn renew_receipt(&mut self, name: &str) -> bool {
        let Some(receipt) = self.receipts.get_mut(name) else {
            return false;
        };
        let mut parts: BTreeMap<u32, Rank> = BTreeMap::new();
        for send in self.sends.values().filter(|send| send.name == name) {
            let rank = parts.entry(send.part).or_insert(send.rank);
            let counts = |rank: Rank| (rank >= Rank::Sent && rank != Rank::Failed, rank);
            if counts(send.rank) > counts(*rank) {
                *rank = send.rank;
            }
        }
        let all_are_at_least = |least| {
            parts.len() >= receipt.parts as usize && parts.values().all(|rank| *rank >= least)
        };
        let level = if parts.values().any(|rank| *rank == Rank::Failed) {
            ReceiptLevel::Failed
        } else if all_are_at_least(Rank::Delivered) {
            ReceiptLevel::Delivered
        } else if all_are_at_least(Rank::Sent) {
            ReceiptLevel::Sent
        } else {
            ReceiptLevel::None
        };
        receipt.want(level, Timestamp::UNIX_EPOCH)
    }

    /// Appends the chosen dead letters again; `None` for all.
    pub(super) fn replay(&mut self, chosen: Option<usize>, now: Timestamp) -> Vec<LaneKey> {
        let mut letters = match chosen {
            Some(index) => vec![self.dead.remove(index)],
            None => std::mem::take(&mut self.dead),
        };
        letters.sort_by_key(|row| row.accepted);
        let mut lanes = Vec::new();
        for letter in letters {
            let order = match letter.lane.direction() {
                Direction::Inbound => Order::Arrival,
                Direction::Outbound => Order::Claimed(None),
            };
            self.append(&letter.name, &letter.lane, order, now);
            let row = self.waiting.last_mut().unwrap();
            (row.next_part, row.mark) = (letter.next_part, letter.mark.clone());
            row.doubt.clone_from(&letter.doubt);
            self.begin_receipt_anew(&letter, now);
            self.sends.retain(|_, send| {
                let tried_in_vain = !send.has_sid || send.rank == Rank::Failed;
                send.name != letter.name
                    || !tried_in_vain
                    || letter.doubt.as_ref() == Some(&send.first)
            });
            lanes.push(letter.lane);
        }
        lanes.sort();
        lanes.dedup();
        lanes
    }

    /// What is told from now on is of the parts that did not fail and of those to come.
    fn begin_receipt_anew(&mut self, letter: &Row, now: Timestamp) {
        let failed: BTreeSet<u32> = self
            .sends
            .values()
            .filter(|send| send.name == letter.name && send.rank == Rank::Failed)
            .map(|send| send.part)
            .collect();
        if let Some(receipt) = self.receipts.get_mut(&letter.name) {
            let left = receipt
                .parts
                .saturating_sub(u32::try_from(failed.len()).unwrap());
            *receipt = Receipt::new(left.max(receipt.parts.min(1)), now);
        }
    }

    /// The receipts that Genesys should hear of, due or not.
    pub(super) fn receipts_waiting(&self) -> impl Iterator<Item = (&String, &Receipt)> {
        self.receipts
            .iter()
            .filter(|(_, receipt)| receipt.wanted > receipt.told)
    }

    pub(super) fn told(&mut self, name: &str) {
        let receipt = self.receipts.get_mut(name).unwrap();
        (receipt.told, receipt.tries) = (receipt.wanted, 0);
    }

    pub(super) fn put_back(&mut self, name: &str, until: Timestamp) {
        let receipt = self.receipts.get_mut(name).unwrap();
        (receipt.tries, receipt.not_before) = (receipt.tries + 1, until);
    }
}
