//! The breaker of a direction: an outage is met by a few probes a minute, whatever the number of lanes.
//!
//! It opens after several messages of different conversations failed in a row without any definite answer between: one
//! stuck customer never opens it. While it is open one head is tried at a time, another lane's each time, in growing
//! intervals; the first definite answer closes it, because then the platform answers. Nothing is counted against a
//! message. Pure, but for the times handed in.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::outbox::Seq;

/// So many failures in a row open it: on a bad line, where every other answer is lost, one run in a thousand...
pub(super) const FAILURES: u32 = 10;
/// ... of so many messages. A lane has one message under way, so that they are of as many conversations.
const MESSAGES: usize = 3;
/// The first probe comes so long after it opened, and then each after twice the time, up to the longest.
const FIRST_PROBE: Duration = Duration::from_secs(5);
/// The longest interval between two probes.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// The breaker.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    messages: HashSet<Seq>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    interval: Duration,
    probe_at: Instant,
}

impl Breaker {
    /// The platform did not answer, or answered that it is out of order.
    pub fn failed(&mut self, message: Seq, now: Instant, wall: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if let Some(open) = &mut self.open {
            // Of what was under way when it opened, nothing counts: the next probe has its time.
            if open.probe_at <= now {
                open.interval = (open.interval * 2).min(LONGEST_INTERVAL);
                open.probe_at = now + open.interval;
            }
            return;
        }
        self.messages.insert(message);
        if self.failures >= FAILURES && self.messages.len() >= MESSAGES {
            self.messages.clear();
            self.open = Some(Open {
                since: wall,
                interval: FIRST_PROBE,
                probe_at: now + FIRST_PROBE,
            });
        }
    }

    /// The platform gave a definite answer, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// When the next lane may be started, while it is open.
    pub fn probe_at(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.probe_at)
    }

    /// A probe was not decided: the next one has its time.
    pub fn undecided(&mut self, now: Instant) {
        if let Some(open) = &mut self.open
            && open.probe_at <= now
        {
            open.probe_at = now + open.interval;
        }
    }

    /// Since when it is open.
    pub fn open_since(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Timestamp = Timestamp::UNIX_EPOCH;

    fn fail(breaker: &mut Breaker, messages: impl IntoIterator<Item = i64>, now: Instant) {
        for message in messages {
            breaker.failed(Seq(message), now, WALL);
        }
    }

    #[test]
    fn several_conversations_that_fail_in_a_row_open_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        fail(&mut breaker, 1..=9, now);
        assert_eq!(breaker.open_since(), None);
        fail(&mut breaker, [10], now);
        assert_eq!(breaker.open_since(), Some(WALL));
        assert_eq!(breaker.probe_at(), Some(now + FIRST_PROBE));
    }

    #[test]
    fn one_or_two_stuck_customers_never_open_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        fail(&mut breaker, [1, 2].repeat(50), now);
        assert_eq!(breaker.open_since(), None);
    }

    #[test]
    fn a_definite_answer_between_begins_the_count_anew_and_closes_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        fail(&mut breaker, 1..=9, now);
        breaker.answered();
        fail(&mut breaker, 1..=9, now);
        assert_eq!(breaker.open_since(), None);
        fail(&mut breaker, [19], now);
        breaker.answered();
        assert_eq!((breaker.open_since(), breaker.probe_at()), (None, None));
    }

    #[test]
    fn an_hour_of_outage_costs_about_two_probes_a_minute() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        fail(&mut breaker, 1..=16, start);
        let mut probes = Vec::new();
        while let Some(at) = breaker
            .probe_at()
            .filter(|at| *at < start + Duration::from_hours(1))
        {
            probes.push(at.duration_since(start).as_secs());
            fail(&mut breaker, [1], at);
        }
        assert_eq!(probes[..5], [5, 15, 35, 65, 95]);
        assert!(probes.len() <= 125, "{}", probes.len());
    }

    #[test]
    fn a_probe_that_decided_nothing_has_used_up_its_interval() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        fail(&mut breaker, 1..=10, now);
        let at = now + FIRST_PROBE;
        breaker.undecided(at);
        assert_eq!(breaker.probe_at(), Some(at + FIRST_PROBE));
    }
}
