//! How a direction fares: its gate, and which conversations got through since a failing one was last tried.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::time::Instant;

use super::decide::Circumstances;
use super::gate::{Blocked, Cause, Gate};
use crate::outbox::LaneKey;

/// Shared by the direction's loop, which asks the gate, and its workers, which report.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    gate: Gate,
    successes: u64,
    /// Failing lanes, with the count of successes at their last try.
    failing: HashMap<LaneKey, u64>,
}

impl Traffic {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }

    /// Asks or tells the gate.
    pub fn gate<T>(&self, work: impl FnOnce(&mut Gate) -> T) -> T {
        work(&mut self.state().gate)
    }

    /// Why and since when the direction is blocked.
    pub fn blocked(&self) -> Option<Blocked> {
        self.state().gate.blocked()
    }

    /// A head of this lane got through.
    pub fn succeeded(&self, lane: &LaneKey) {
        let mut state = self.state();
        state.successes += 1;
        state.failing.remove(lane);
        state.gate.succeeded(lane);
    }

    /// Completes the circumstances of a failure, and remembers it.
    pub fn failed(&self, lane: &LaneKey, now: Circumstances) -> Circumstances {
        let mut state = self.state();
        let successes = state.successes;
        let at_last_try = state.failing.insert(lane.clone(), successes);
        let refusal = state.gate.judge(lane);
        Circumstances {
            others_got_through: at_last_try.is_some_and(|then| successes > then),
            refusal,
            ..now
        }
    }

    /// A head of this lane ended for reasons of its own.
    pub fn ended(&self, lane: &LaneKey, now: Instant) {
        let mut state = self.state();
        state.failing.remove(lane);
        state.gate.undecided(now);
    }

    /// A head of this lane was refused for a reason that concerns the whole direction.
    pub fn refused(&self, lane: &LaneKey, cause: Cause, now: Instant, wall: Timestamp) {
        let mut state = self.state();
        state.failing.remove(lane);
        state.gate.refused(lane, cause, now, wall);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::gate::Refusal;
    use crate::message::CustomerId;
    use crate::outbox::Direction;
    use std::time::Duration;

    fn lane(number: u8) -> LaneKey {
        LaneKey::new(
            Direction::Inbound,
            &CustomerId::new(format!("+1555000{number:04}")),
        )
    }

    const NOW: Circumstances = Circumstances {
        direction: Direction::Inbound,
        age: Duration::ZERO,
        tries: 0,
        strikes: 0,
        others_got_through: false,
        refusal: Refusal::Blocks,
        fraction: 0.5,
    };

    #[test]
    fn a_failure_counts_only_if_another_conversation_got_through_since_the_last_try() {
        let traffic = Traffic::default();
        traffic.succeeded(&lane(2));
        assert!(
            !traffic.failed(&lane(1), NOW).others_got_through,
            "the first try has no last try"
        );
        assert!(
            !traffic.failed(&lane(1), NOW).others_got_through,
            "nobody got through meanwhile"
        );
        traffic.succeeded(&lane(2));
        assert!(traffic.failed(&lane(1), NOW).others_got_through);
        assert!(!traffic.failed(&lane(1), NOW).others_got_through);
    }
}
