//! How a direction fares: its gate, its breaker, and which conversations got through since a failing one was last tried.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::ErrorKind;
use tokio::time::Instant;

use super::breaker::{self, Breaker};
use super::decide::Circumstances;
use super::gate::{Blocked, Cause, Gate};
use crate::outbox::{LaneKey, Seq};

/// Shared by the direction's loop, which asks the gate, and its workers, which report.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    gate: Gate,
    breaker: Breaker,
    /// The lane whose head is being tried while the breaker is open.
    probe: Option<LaneKey>,
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

    /// Whether a lane may be started now.
    pub fn lets_through(&self, now: Instant) -> bool {
        let state = self.state();
        let closed = state.breaker.probe_at();
        state.gate.lets_through(now)
            && closed.is_none_or(|probe_at| state.probe.is_none() && probe_at <= now)
    }

    /// When the next probe may start. `None` while nothing is in the way, or a probe is under way.
    pub fn next_probe(&self) -> Option<Instant> {
        let state = self.state();
        let of_breaker = state.breaker.probe_at();
        let of_gate = state.gate.next_probe();
        if (of_breaker.is_some() && state.probe.is_some())
            || (state.gate.blocked().is_some() && of_gate.is_none())
        {
            return None;
        }
        of_gate.max(of_breaker)
    }

    /// A lane was started; while something is in the way, it is the probe.
    pub fn started(&self, lane: &LaneKey) {
        let mut state = self.state();
        state.gate.started(lane);
        state.probe = state.breaker.probe_at().map(|_| lane.clone());
    }

    /// The worker of this lane has ended, whatever it found; `empty`: there was nothing to try.
    pub fn left(&self, lane: &LaneKey, empty: bool, now: Instant) {
        let mut state = self.state();
        state.gate.ended(lane, empty, now);
        if state.probe.as_ref() == Some(lane) {
            state.probe = None;
            if !empty {
                state.breaker.undecided(now);
            }
        }
    }

    /// Something changed that a block may rest on: try at once.
    pub fn reopen(&self) {
        let mut state = self.state();
        state.gate.reopen();
        state.breaker.answered();
    }

    /// Since when the platform does not answer.
    pub fn outage(&self) -> Option<Timestamp> {
        self.state().breaker.open_since()
    }

    /// A wait, but during an outage not longer than the interval of its probes: who waits longer would still wait when
    /// it is over.
    pub fn bounded(&self, wait: Duration) -> Duration {
        match self.outage() {
            Some(_) => wait.min(breaker::LONGEST_INTERVAL),
            None => wait,
        }
    }

    /// A call for this message failed like this.
    pub fn met(&self, message: Seq, kind: &ErrorKind, now: Instant, wall: Timestamp) {
        let mut state = self.state();
        match kind {
            ErrorKind::Transient | ErrorKind::Ambiguous => {
                state.breaker.failed(message, now, wall);
            }
            ErrorKind::Permanent | ErrorKind::Throttled { .. } | ErrorKind::Blocked(_) => {
                state.breaker.answered();
            }
        }
    }

    /// A listing for this lane was answered: the platform answers, which ends an outage. Whether it would carry a message
    /// is for the next probe to find out.
    pub fn looked_up(&self, lane: &LaneKey, now: Instant) {
        let mut state = self.state();
        state.breaker.answered();
        state.gate.only_read(lane, now);
    }

    /// Why and since when the direction is blocked.
    pub fn blocked(&self) -> Option<Blocked> {
        self.state().gate.blocked()
    }

    /// A call that began at `began` carried this message through.
    pub fn succeeded(&self, message: Seq, began: Instant) {
        let mut state = self.state();
        state.successes += 1;
        state.breaker.answered();
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
        life: Duration::MAX,
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
