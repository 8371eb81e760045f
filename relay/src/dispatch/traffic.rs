//! How a direction fares: its gate, and which conversations got through since a failing one was last tried.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::time::Instant;

use super::decide::Circumstances;
use super::gate::{Blocked, Cause, Gate};
use crate::outbox::Seq;

/// Shared by the direction's loop, which asks the gate, and its workers, which report.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    gate: Gate,
    successes: u64,
    /// Failing messages, with the count of successes at their last try.
    failing: HashMap<Seq, u64>,
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

    /// A call that began at `began` carried this message through.
    pub fn succeeded(&self, message: Seq, began: Instant) {
        let mut state = self.state();
        state.successes += 1;
        state.gate.succeeded(began);
        state.forget(message);
    }

    /// Completes the circumstances of a failure, and remembers it.
    pub fn failed(&self, message: Seq, now: Circumstances) -> Circumstances {
        let mut state = self.state();
        let successes = state.successes;
        let at_last_try = state.failing.insert(message, successes);
        Circumstances {
            others_got_through: at_last_try.is_some_and(|then| successes > then),
            refusal: state.gate.judge(message),
            ..now
        }
    }

    /// This message has an outcome that says nothing about the direction.
    pub fn ended(&self, message: Seq) {
        self.state().forget(message);
    }

    /// Nothing can get through, for a reason that concerns the whole direction. `message` was refused for it; without
    /// one it was found out in another way, and says nothing about any message.
    pub fn block(&self, message: Option<Seq>, cause: Cause, now: Instant, wall: Timestamp) {
        let gate = &mut self.state().gate;
        match message {
            Some(message) => gate.refused(message, cause, now, wall),
            None => gate.close(cause, now, wall),
        }
    }
}

impl State {
    fn forget(&mut self, message: Seq) {
        self.failing.remove(&message);
        self.gate.forget(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::gate::Refusal;
    use crate::outbox::Direction;
    use std::time::Duration;

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
        let (traffic, began) = (Traffic::default(), Instant::now());
        let (stuck, other) = (Seq(1), Seq(2));
        traffic.succeeded(other, began);
        assert!(
            !traffic.failed(stuck, NOW).others_got_through,
            "the first try has no last try"
        );
        assert!(
            !traffic.failed(stuck, NOW).others_got_through,
            "nobody got through meanwhile"
        );
        traffic.succeeded(other, began);
        assert!(traffic.failed(stuck, NOW).others_got_through);
        assert!(!traffic.failed(stuck, NOW).others_got_through);
    }
}
