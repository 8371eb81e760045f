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

use crate::outbox::LaneKey;

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

/// The gate.
#[derive(Debug, Default)]
pub struct Gate {
    blocked: Option<(Blocked, Instant)>,
    probing: bool,
    /// Raised by each success that opened the gate.
    openings: u64,
    /// Lanes whose head was refused for a blocking reason, and the opening at which it was.
    refused_at: HashMap<LaneKey, u64>,
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
        match &self.blocked {
            None => true,
            Some((_, probe_at)) => !self.probing && *probe_at <= now,
        }
    }

    /// A lane was started; while blocked, it is the probe.
    pub fn started(&mut self) {
        self.probing = self.blocked.is_some();
    }

    /// When the next probe may start.
    pub fn next_probe(&self) -> Option<Instant> {
        self.blocked
            .as_ref()
            .filter(|_| !self.probing)
            .map(|(_, at)| *at)
    }

    /// A head of this lane got through.
    pub fn succeeded(&mut self, lane: &LaneKey) {
        self.refused_at.remove(lane);
        self.probing = false;
        if self.blocked.take().is_some() {
            self.openings += 1;
        }
    }

    /// A head ended without saying anything about the gate.
    pub fn undecided(&mut self, now: Instant) {
        if std::mem::take(&mut self.probing)
            && let Some((_, probe_at)) = &mut self.blocked
        {
            *probe_at = now + PROBE_EVERY;
        }
    }

    /// What a blocking refusal of this lane's head would mean.
    pub fn judge(&self, lane: &LaneKey) -> Refusal {
        match self.refused_at.get(lane) {
            Some(opening) if *opening < self.openings => Refusal::Permanent,
            _ => Refusal::Blocks,
        }
    }

    /// A head of this lane was refused for a blocking reason.
    pub fn refused(&mut self, lane: &LaneKey, cause: Cause, now: Instant, wall: Timestamp) {
        self.refused_at.insert(lane.clone(), self.openings);
        self.probing = false;
        let since = self.blocked.map_or(wall, |(blocked, _)| blocked.since);
        self.blocked = Some((Blocked { cause, since }, now + PROBE_EVERY));
    }

    /// Something that the cause may rest on has changed: try at once.
    pub fn reopen(&mut self) {
        self.blocked = None;
        self.probing = false;
    }

    /// Why and since when it is blocked.
    pub fn blocked(&self) -> Option<Blocked> {
        self.blocked.map(|(blocked, _)| blocked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CustomerId;
    use crate::outbox::Direction;

    const CAUSE: Cause = Cause::Platform(BlockedCause::Credentials);

    fn lane(number: u8) -> LaneKey {
        LaneKey::new(
            Direction::Outbound,
            &CustomerId::new(format!("+1555000{number:04}")),
        )
    }

    fn blocked_at(now: Instant) -> Gate {
        let mut gate = Gate::default();
        gate.started();
        gate.refused(&lane(1), CAUSE, now, Timestamp::UNIX_EPOCH);
        gate
    }

    #[test]
    fn while_blocked_one_probe_a_minute_is_let_through() {
        let now = Instant::now();
        let mut gate = blocked_at(now);
        assert!(!gate.lets_through(now + PROBE_EVERY - Duration::from_secs(1)));
        assert!(gate.lets_through(now + PROBE_EVERY));
        gate.started();
        assert!(
            !gate.lets_through(now + PROBE_EVERY),
            "a second probe beside the first"
        );
        gate.undecided(now + PROBE_EVERY);
        assert!(
            !gate.lets_through(now + PROBE_EVERY),
            "right after a probe that decided nothing"
        );
        assert!(gate.lets_through(now + 2 * PROBE_EVERY));
    }

    #[test]
    fn the_first_success_opens_it() {
        let now = Instant::now();
        let mut gate = blocked_at(now);
        gate.succeeded(&lane(2));
        assert!(gate.lets_through(now) && gate.blocked().is_none());
    }

    #[test]
    fn a_message_refused_again_after_another_got_through_is_permanent() {
        let now = Instant::now();
        let mut gate = blocked_at(now);
        assert_eq!(gate.judge(&lane(1)), Refusal::Blocks);
        gate.succeeded(&lane(2));
        assert_eq!(gate.judge(&lane(1)), Refusal::Permanent);
    }

    #[test]
    fn a_changed_secret_proves_nothing_so_a_second_refusal_blocks_again() {
        let now = Instant::now();
        let mut gate = blocked_at(now);
        gate.reopen();
        assert!(gate.lets_through(now));
        assert_eq!(gate.judge(&lane(1)), Refusal::Blocks);
    }

    #[test]
    fn the_time_since_when_it_is_blocked_does_not_move_with_each_probe() {
        let now = Instant::now();
        let mut gate = blocked_at(now);
        gate.refused(
            &lane(2),
            CAUSE,
            now + PROBE_EVERY,
            Timestamp::UNIX_EPOCH + PROBE_EVERY,
        );
        assert_eq!(
            gate.blocked().map(|blocked| blocked.since),
            Some(Timestamp::UNIX_EPOCH)
        );
    }
}
