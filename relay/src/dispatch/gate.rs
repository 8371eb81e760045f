//! The gate of a direction: open, or blocked for a reason that says nothing about any message.
//!
//! While blocked, nothing is dead-lettered and one head a minute is really tried, another lane's each time. The first
//! success opens the gate; so does a changed Secret or configuration. A message that is refused again after a success
//! of another proved the gate open is refused for itself: permanent. Pure, but for the times handed in.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::BlockedCause;
use tokio::time::Instant;

use crate::outbox::{LaneKey, Seq};

/// Between two probes.
pub const PROBE_EVERY: Duration = Duration::from_mins(1);

/// Why a direction is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A platform refused for a reason of its closed list.
    Platform(BlockedCause),
    /// The integration's id is not resolved yet.
    Unresolved,
}

impl Cause {
    /// A short stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform(cause) => cause.as_str(),
            Self::Unresolved => "IntegrationUnresolved",
        }
    }

    /// What to do about it.
    pub fn fix(self) -> &'static str {
        match self {
            Self::Platform(cause) => cause.fix(),
            Self::Unresolved => {
                "The integration's id is not known yet: see the log, or run `messaging-bridge-relay check`."
            }
        }
    }
}

/// A blocked direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
}

#[derive(Debug)]
struct Closed {
    blocked: Blocked,
    /// When it was closed, as calls measure their beginning.
    at: Instant,
    /// When the next probe may start.
    probe_at: Instant,
}

/// The gate.
#[derive(Debug, Default)]
pub struct Gate {
    closed: Option<Closed>,
    /// The lane whose head is being tried while the gate is closed.
    probe: Option<LaneKey>,
    /// Raised by each success that opened the gate.
    openings: u64,
    /// Messages that were refused for a blocking reason, and the count of openings when they were.
    refused_at: HashMap<Seq, u64>,
}

/// What a blocking refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The direction waits.
    Blocks,
    /// Another message got through since this one was refused before: it is this message.
    Permanent,
}

impl Gate {
    /// Whether a lane may be started now.
    pub fn lets_through(&self, now: Instant) -> bool {
        match &self.closed {
            None => true,
            Some(closed) => self.probe.is_none() && closed.probe_at <= now,
        }
    }

    /// A lane was started; while the gate is closed, it is the probe.
    pub fn started(&mut self, lane: &LaneKey) {
        self.probe = self.closed.is_some().then(|| lane.clone());
    }

    /// When the next probe may start.
    pub fn next_probe(&self) -> Option<Instant> {
        self.closed
            .as_ref()
            .filter(|_| self.probe.is_none())
            .map(|closed| closed.probe_at)
    }

    /// The worker of this lane has ended, whatever it found. A probe that found nothing to try (`empty`) lets the next
    /// one go at once; one that decided nothing has used up its minute.
    pub fn ended(&mut self, lane: &LaneKey, empty: bool, now: Instant) {
        if self.probe.as_ref() != Some(lane) {
            return;
        }
        self.probe = None;
        if let Some(closed) = &mut self.closed
            && closed.probe_at <= now
        {
            closed.probe_at = if empty { now } else { now + PROBE_EVERY };
        }
    }

    /// The probe of this lane did no more than read what may be read, which proves nothing: the next one may go at once.
    pub fn only_read(&mut self, lane: &LaneKey, now: Instant) {
        if self.probe.as_ref() == Some(lane) {
            self.ended(lane, true, now);
        }
    }

    /// A call that began at `began` got through. It opens the gate only if it began after the gate was closed: an
    /// earlier one proves nothing.
    pub fn succeeded(&mut self, began: Instant) {
        if self
            .closed
            .as_ref()
            .is_some_and(|closed| closed.at <= began)
        {
            self.closed = None;
            self.openings += 1;
        }
    }

    /// What a blocking refusal of this message would mean.
    pub fn judge(&self, message: Seq) -> Refusal {
        match self.refused_at.get(&message) {
            Some(openings) if *openings < self.openings => Refusal::Permanent,
            _ => Refusal::Blocks,
        }
    }

    /// This message was refused for a blocking reason.
    pub fn refused(&mut self, message: Seq, cause: Cause, now: Instant, wall: Timestamp) {
        self.refused_at.insert(message, self.openings);
        self.close(cause, now, wall);
    }

    /// Nothing can be tried for a reason of our own.
    pub fn close(&mut self, cause: Cause, now: Instant, wall: Timestamp) {
        // Of what was under way when it closed, nothing counts: the next probe has its time.
        let probe_at = self.closed.as_ref().map(|closed| closed.probe_at);
        let probe_at = probe_at.filter(|at| *at > now);
        let (since, at) = match &self.closed {
            Some(closed) => (closed.blocked.since, closed.at),
            None => (wall, now),
        };
        self.closed = Some(Closed {
            blocked: Blocked { cause, since },
            at,
            probe_at: probe_at.unwrap_or(now + PROBE_EVERY),
        });
    }

    /// This message has its outcome.
    pub fn forget(&mut self, message: Seq) {
        self.refused_at.remove(&message);
    }

    /// Something that the cause may rest on has changed: try at once.
    pub fn reopen(&mut self) {
        self.closed = None;
        self.probe = None;
    }

    /// Why and since when it is blocked.
    pub fn blocked(&self) -> Option<Blocked> {
        self.closed.as_ref().map(|closed| closed.blocked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CustomerId;
    use crate::outbox::Direction;

    const CAUSE: Cause = Cause::Platform(BlockedCause::Credentials);
    const ONE: Seq = Seq(1);

    fn lane(number: u8) -> LaneKey {
        LaneKey::new(
            Direction::Outbound,
            &CustomerId::new(format!("+1555000{number:04}")),
        )
    }

    fn closed_at(now: Instant) -> Gate {
        let mut gate = Gate::default();
        gate.started(&lane(1));
        gate.refused(ONE, CAUSE, now, Timestamp::UNIX_EPOCH);
        gate.ended(&lane(1), false, now);
        gate
    }

    #[test]
    fn every_cause_has_its_word_and_its_fix() {
        let platform = BlockedCause::Credentials;
        let cause = Cause::Platform(platform);
        assert_eq!(
            (cause.as_str(), cause.fix()),
            (platform.as_str(), platform.fix())
        );
        assert_eq!(Cause::Unresolved.as_str(), "IntegrationUnresolved");
        assert!(
            Cause::Unresolved
                .fix()
                .contains("messaging-bridge-relay check")
        );
    }

    #[test]
    fn while_closed_one_probe_a_minute_is_let_through() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        assert!(!gate.lets_through(now + PROBE_EVERY - Duration::from_secs(1)));
        let later = now + PROBE_EVERY;
        assert!(gate.lets_through(later));
        gate.started(&lane(1));
        assert!(!gate.lets_through(later), "a second probe beside the first");
        gate.ended(&lane(1), false, later);
        assert!(
            !gate.lets_through(later),
            "right after a probe that decided nothing"
        );
        assert!(gate.lets_through(later + PROBE_EVERY));
    }

    #[test]
    fn a_probe_that_found_an_empty_lane_lets_the_next_one_go_at_once() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        let later = now + PROBE_EVERY;
        gate.started(&lane(1));
        gate.ended(&lane(1), true, later);
        assert!(gate.lets_through(later));
    }

    #[test]
    fn a_probe_that_only_read_lets_the_next_one_go_at_once() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        let later = now + PROBE_EVERY;
        gate.started(&lane(1));
        gate.only_read(&lane(2), later);
        assert!(!gate.lets_through(later), "of another lane");
        gate.only_read(&lane(1), later);
        assert!(gate.lets_through(later));
        gate.started(&lane(2));
        gate.ended(&lane(1), false, later);
        assert!(
            !gate.lets_through(later),
            "the first is over, the second not"
        );
    }

    #[test]
    fn refusals_of_what_was_under_way_do_not_put_the_next_probe_off() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        for seconds in 1..PROBE_EVERY.as_secs() {
            let at = now + Duration::from_secs(seconds);
            gate.close(CAUSE, at, Timestamp::UNIX_EPOCH);
        }
        assert!(gate.lets_through(now + PROBE_EVERY));
    }

    #[test]
    fn the_end_of_a_lane_that_is_not_the_probe_changes_nothing() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        let later = now + PROBE_EVERY;
        gate.started(&lane(1));
        gate.ended(&lane(2), false, later);
        assert!(!gate.lets_through(later));
        gate.ended(&lane(1), true, later);
        assert!(gate.lets_through(later));
    }

    #[test]
    fn a_success_that_began_later_opens_it_and_an_earlier_one_proves_nothing() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        gate.succeeded(now - Duration::from_secs(1));
        assert!(gate.blocked().is_some());
        assert_eq!(gate.judge(ONE), Refusal::Blocks);
        gate.succeeded(now + Duration::from_secs(1));
        assert!(gate.lets_through(now) && gate.blocked().is_none());
    }

    #[test]
    fn a_message_refused_again_after_another_got_through_is_permanent() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        gate.succeeded(now);
        assert_eq!(gate.judge(ONE), Refusal::Permanent);
        assert_eq!(
            gate.judge(Seq(2)),
            Refusal::Blocks,
            "another message of the same lane"
        );
        gate.forget(ONE);
        assert_eq!(gate.judge(ONE), Refusal::Blocks);
    }

    #[test]
    fn a_changed_secret_proves_nothing_so_a_second_refusal_blocks_again() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        gate.reopen();
        assert!(gate.lets_through(now));
        assert_eq!(gate.judge(ONE), Refusal::Blocks);
    }

    #[test]
    fn the_time_since_when_it_is_blocked_does_not_move_with_each_probe() {
        let now = Instant::now();
        let mut gate = closed_at(now);
        gate.refused(
            Seq(2),
            CAUSE,
            now + PROBE_EVERY,
            Timestamp::UNIX_EPOCH + PROBE_EVERY,
        );
        assert_eq!(
            gate.blocked().map(|blocked| blocked.since),
            Some(Timestamp::UNIX_EPOCH)
        );
        assert!(
            !gate.lets_through(now + PROBE_EVERY),
            "what a probe found puts the next one off"
        );
    }
}
