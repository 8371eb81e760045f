//! Random stories: gaps that are filled, and rounds of asking for statuses. See [`super::model`].

use std::time::Duration;

use jiff::Timestamp;

use super::model::Story;
use super::reference::{Reference, Row};
use super::rig::{self, at, to_genesys};
use super::step::{CUSTOMERS, Step};
use crate::outbox::{
    AskedUpTo, DedupKey, Filled, Found, Gap, LaneKey, Listed, Place, Rank, Seq, Unfinished,
};

/// Sends asked about in one go.
const LIMIT: usize = 2;

impl Story {
    pub(super) async fn heal(&mut self, step: &Step, now: Timestamp) {
        match step {
            Step::Fill {
                customer,
                listed,
                redacted,
                since,
                until,
            } => {
                let next = self.rig.outbox.next_seq().await.unwrap();
                assert_eq!(next, self.reference.next_seq());
                let place = since.map_or(Place::Last, |back| Place::ByTime {
                    since: Seq((next.0 - i64::from(back)).max(1)),
                    until: moved(now, *until),
                });
                let gap = gap(CUSTOMERS[*customer], listed, *redacted, place, now);
                let filled = self.rig.outbox.fill(gap.clone()).await.unwrap();
                assert_eq!(filled, self.reference.fill(&gap));
            }
            Step::Ask { round, age } => self.ask(*round, *age, now).await,
            _ => {}
        }
    }

    async fn ask(&mut self, round: u32, age: i64, now: Timestamp) {
        let marked = (at(0), moved(now, -age));
        let limit = u32::try_from(LIMIT).unwrap();
        let found = self
            .rig
            .outbox
            .unfinished(round, marked, limit)
            .await
            .unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|send| send.send.as_str().to_owned())
            .collect();
        assert_eq!(names, self.reference.unfinished(round, marked));
        let up_to = match found.last() {
            Some(last) => AskedUpTo::Send(last.clone()),
            None => AskedUpTo::Time(marked.1),
        };
        self.reference.asked(round, &up_to);
        self.rig.outbox.asked(round, up_to).await.unwrap();
    }
}

fn moved(time: Timestamp, seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time - by } else { time + by }
}

/// A list of these keys, each a second after the one before.
fn gap(customer: &str, keys: &[u8], redacted: u8, place: Place, now: Timestamp) -> Gap {
    let mut names: Vec<u8> = Vec::new();
    for key in keys {
        if !names.contains(key) {
            names.push(*key);
        }
    }
    let listed = names.iter().zip(0i64..).map(|(key, index)| Listed {
        key: DedupKey {
            text: format!("twilio/i{key}"),
            life: rig::KEY_LIFE,
        },
        time: moved(now, index - 20),
        is: if *key == redacted {
            Found::Redacted
        } else {
            Found::Missing(format!("i{key}").into_bytes())
        },
    });
    Gap {
        lane: to_genesys(customer),
        listed: listed.collect(),
        place,
        found: now,
    }
}

impl Reference {
    pub(super) fn next_seq(&self) -> Seq {
        Seq(i64::try_from(self.appended).unwrap() + 1)
    }

    /// One listed message after the other, each where it belongs.
    fn fill(&mut self, gap: &Gap) -> Filled {
        let mut filled = Filled::default();
        let before = self.waiting.clone();
        for (index, listed) in gap.listed.iter().enumerate() {
            let key = listed.key.text.clone();
            match &listed.is {
                Found::Redacted if !self.keys.contains_key(&key) => {
                    filled.redacted +=
                        u64::from(self.claim_for_ever(&format!("redacted/{key}"), gap.found));
                }
                Found::Missing(_) if self.claim_for_ever(&key, gap.found) => {
                    self.appended += 1;
                    let last = i64::try_from(self.appended).unwrap();
                    let position = place(&before, gap, index).unwrap_or(last);
                    let name = key.trim_start_matches("twilio/");
                    self.insert_missed(name, &gap.lane, position, (listed.time, gap.found));
                    filled.stored += 1;
                }
                Found::Known | Found::Redacted | Found::Missing(_) => {}
            }
        }
        filled
    }

    fn insert_missed(
        &mut self,
        name: &str,
        lane: &LaneKey,
        position: i64,
        (time, found): (Timestamp, Timestamp),
    ) {
        let place = (true, position, self.appended);
        self.waiting
            .push(Row::untried(name, lane, place, (found, time)));
        let last = self.times.entry(lane.clone()).or_insert(time);
        *last = time.max(*last);
    }

    fn claim_for_ever(&mut self, key: &str, now: Timestamp) -> bool {
        let free = !self.keys.contains_key(key);
        if free {
            self.keys.insert(key.to_owned(), now + rig::KEY_LIFE);
        }
        free
    }

    fn unfinished(&self, round: u32, (from, until): (Timestamp, Timestamp)) -> Vec<String> {
        let asked = self.asked.get(&round).cloned();
        let mut sends: Vec<_> = self
            .sends
            .iter()
            .filter(|(_, send)| send.has_sid && send.rank < Rank::Delivered)
            .filter(|(_, send)| (from..=until).contains(&send.marked))
            .map(|(id, send)| (send.marked, id.clone()))
            .filter(|place| asked.as_ref().is_none_or(|asked| place > asked))
            .collect();
        sends.sort();
        sends.into_iter().map(|(_, id)| id).take(LIMIT).collect()
    }

    fn asked(&mut self, round: u32, up_to: &AskedUpTo) {
        let place = match up_to {
            AskedUpTo::Send(Unfinished { send, marked, .. }) => (*marked, send.as_str().to_owned()),
            AskedUpTo::Time(time) => (*time + Duration::from_millis(1), String::new()),
        };
        self.asked.insert(round, place);
    }
}

/// The position of a missed message; `None` for the tail.
fn place(waiting: &[Row], gap: &Gap, index: usize) -> Option<i64> {
    let Place::ByTime { since, until } = gap.place else {
        return None;
    };
    let lane = || waiting.iter().filter(|row| row.lane == gap.lane);
    let ahead = lane()
        .filter(|row| row.place.1 >= since.0 && is_listed_before(row, gap, index))
        .map(|row| row.place.1)
        .max();
    let first_behind = lane()
        .filter(|row| row.place.1 < since.0 && belongs_behind(row, gap, index, until))
        .map(|row| row.place.1)
        .min();
    Some(ahead.unwrap_or(first_behind.unwrap_or(since.0) - 1))
}

fn is_listed_before(row: &Row, gap: &Gap, index: usize) -> bool {
    let key = format!("twilio/{}", row.name);
    gap.listed[..index]
        .iter()
        .any(|listed| listed.key.text == key)
}

/// A waiting row is behind a listed message if it is listed later, or is not listed and has a time beyond the list.
fn belongs_behind(row: &Row, gap: &Gap, index: usize, until: Timestamp) -> bool {
    let key = format!("twilio/{}", row.name);
    match gap.listed.iter().position(|listed| listed.key.text == key) {
        Some(place) => place > index,
        None => row.time >= until,
    }
}
