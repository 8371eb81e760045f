//! Which lane may be worked on next. A pure state machine: no clock, no tasks, no storage.
//!
//! Guarantees: a lane is worked on by one worker at a time; lanes that are ready take turns; a message that arrives
//! while its lane is worked on is not forgotten; a lane that waits for a time is not started before it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use crate::outbox::LaneKey;

/// How a worker leaves its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing waits in it.
    Empty,
    /// More waits; it takes its turn again.
    More,
    /// Its head is to be tried again at this time.
    Until(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Running(Woken),
    Waiting(Instant),
}

/// What happened to a lane while it was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Woken {
    /// Nothing.
    Not,
    /// A message was appended.
    ByMessage,
    /// What its head waits for has come.
    ByNews,
}

/// All lanes of one direction that have something to do.
#[derive(Debug, Default)]
pub struct Lanes {
    states: HashMap<LaneKey, State>,
    ready: VecDeque<LaneKey>,
    waiting: BTreeSet<(Instant, LaneKey)>,
}

impl Lanes {
    /// A message was appended to this lane.
    pub fn wake(&mut self, lane: LaneKey) {
        match self.states.get_mut(&lane) {
            None => self.make_ready(lane),
            Some(State::Running(woken)) => *woken = (*woken).max(Woken::ByMessage),
            // Its head decides when; what is behind it cannot overtake.
            Some(State::Ready | State::Waiting(_)) => {}
        }
    }

    /// What this lane's head may have waited for has come: it is not to wait for its time.
    pub fn rouse(&mut self, lane: LaneKey) {
        match self.states.get_mut(&lane) {
            None => self.make_ready(lane),
            Some(State::Running(woken)) => *woken = Woken::ByNews,
            Some(State::Ready) => {}
            Some(State::Waiting(at)) => {
                self.waiting.remove(&(*at, lane.clone()));
                self.make_ready(lane);
            }
        }
    }

    /// This lane's head is not to be tried before `at`.
    pub fn wake_at(&mut self, lane: LaneKey, at: Instant) {
        if !self.states.contains_key(&lane) {
            self.waiting.insert((at, lane.clone()));
            self.states.insert(lane, State::Waiting(at));
        }
    }

    /// Whether a lane could be started now.
    pub fn is_ready(&mut self, now: Instant) -> bool {
        self.ripen(now);
        !self.ready.is_empty()
    }

    /// The next lane to work on, if one is ready. It is running until [`Lanes::finished`].
    pub fn start(&mut self, now: Instant) -> Option<LaneKey> {
        self.ripen(now);
        let lane = self.ready.pop_front()?;
        self.states.insert(lane.clone(), State::Running(Woken::Not));
        Some(lane)
    }

    /// A worker left this lane.
    pub fn finished(&mut self, lane: LaneKey, rest: Rest) {
        let woken = match self.states.remove(&lane) {
            Some(State::Running(woken)) => woken,
            _ => Woken::Not,
        };
        match rest {
            Rest::Empty if woken == Woken::Not => {}
            Rest::Until(at) if woken < Woken::ByNews => self.wake_at(lane, at),
            Rest::Empty | Rest::More | Rest::Until(_) => self.make_ready(lane),
        }
    }

    /// When the next waiting lane becomes ready.
    pub fn next_ripe(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Whether no lane has anything to do.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    fn make_ready(&mut self, lane: LaneKey) {
        self.states.insert(lane.clone(), State::Ready);
        self.ready.push_back(lane);
    }

    fn ripen(&mut self, now: Instant) {
        while let Some((at, _)) = self.waiting.first() {
            if *at > now {
                break;
            }
            let (_, lane) = self.waiting.pop_first().expect("it was just looked at");
            self.make_ready(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CustomerId;
    use crate::outbox::Direction;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::time::Duration;

    fn lane(number: u8) -> LaneKey {
        LaneKey::new(
            Direction::Inbound,
            &CustomerId::new(format!("+1555000{number:04}")),
        )
    }

    #[test]
    fn a_lane_is_never_started_twice_at_once() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        lanes.wake(lane(1));
        assert_eq!(lanes.start(now), Some(lane(1)));
        lanes.wake(lane(1));
        assert_eq!(lanes.start(now), None);
    }

    #[test]
    fn what_arrives_while_a_lane_is_worked_on_is_not_forgotten() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        lanes.wake(lane(1));
        lanes.start(now);
        lanes.wake(lane(1));
        lanes.finished(lane(1), Rest::Empty);
        assert_eq!(lanes.start(now), Some(lane(1)));
    }

    #[test]
    fn ready_lanes_take_turns() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        lanes.wake(lane(1));
        lanes.wake(lane(2));
        let first = lanes.start(now).unwrap_or_else(|| lane(0));
        lanes.finished(first, Rest::More);
        assert_eq!(lanes.start(now), Some(lane(2)));
        assert_eq!(lanes.start(now), Some(lane(1)));
    }

    #[test]
    fn a_new_message_does_not_start_a_lane_whose_head_waits() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        lanes.wake(lane(1));
        lanes.start(now);
        lanes.finished(lane(1), Rest::Until(now + Duration::from_secs(5)));
        lanes.wake(lane(1));
        assert_eq!(lanes.start(now + Duration::from_secs(4)), None);
        assert_eq!(lanes.start(now + Duration::from_secs(5)), Some(lane(1)));
    }

    #[test]
    fn news_ends_the_wait_of_a_head_also_when_they_come_before_it_begins() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let later = now + Duration::from_mins(1);
        lanes.wake(lane(1));
        lanes.start(now);
        lanes.finished(lane(1), Rest::Until(later));
        lanes.rouse(lane(1));
        assert_eq!(lanes.start(now), Some(lane(1)), "it waited");
        lanes.rouse(lane(1));
        lanes.wake(lane(1));
        lanes.finished(lane(1), Rest::Until(later));
        assert_eq!(lanes.start(now), Some(lane(1)), "it was about to wait");
        lanes.finished(lane(1), Rest::Until(later));
        assert_eq!(lanes.start(now), None, "the same news count once");
        assert_eq!(lanes.next_ripe(), Some(later));
    }

    #[test]
    fn a_lane_with_nothing_to_do_is_forgotten() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        lanes.wake(lane(1));
        lanes.start(now);
        lanes.finished(lane(1), Rest::Empty);
        assert!(lanes.is_empty());
    }

    proptest! {
        /// Against a reference that only counts: every message of every lane is worked on, one at a time.
        #[test]
        fn every_message_is_worked_on_and_no_lane_by_two(steps in prop::collection::vec((0u8..4, 0u8..6), 1..200)) {
            let (mut lanes, now) = (Lanes::default(), Instant::now());
            let mut left = [0u32; 4];
            let mut running: HashSet<u8> = HashSet::new();
            let number = |key: &LaneKey| (0..4).find(|n| lane(*n) == *key).unwrap_or(9);
            for (which, action) in steps {
                match action {
                    0 | 1 => { left[which as usize] += 1; lanes.wake(lane(which)); }
                    2 => if let Some(started) = lanes.start(now) {
                        prop_assert!(running.insert(number(&started)));
                        prop_assert!(left[number(&started) as usize] > 0);
                    },
                    3 => if running.remove(&which) {
                        left[which as usize] -= 1;
                        lanes.finished(lane(which), if left[which as usize] > 0 { Rest::More } else { Rest::Empty });
                    },
                    4 => if running.remove(&which) { lanes.finished(lane(which), Rest::Until(now)); },
                    _ => if left[which as usize] > 0 && !running.contains(&which) { lanes.rouse(lane(which)); },
                }
            }
            for which in running { lanes.finished(lane(which), Rest::More); }
            while let Some(started) = lanes.start(now) {
                let which = number(&started) as usize;
                left[which] = left[which].saturating_sub(1);
                lanes.finished(started, if left[which] > 0 { Rest::More } else { Rest::Empty });
            }
            prop_assert_eq!(left, [0; 4]);
        }
    }
}
