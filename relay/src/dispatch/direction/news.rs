//! What the log says of a direction: when it begins to be held back and why, and when that is over. Once each, whatever
//! the number of messages that meet it. What to say is pure.

use super::super::gate::Cause;
use super::super::traffic::Traffic;
use crate::outbox::Direction;

/// Whether something holds a direction back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The platform refuses everything.
    Blocked(Cause),
    /// The platform does not answer.
    Outage,
}

impl State {
    fn of(traffic: &Traffic) -> Self {
        match (traffic.blocked(), traffic.outage()) {
            (Some(blocked), _) => Self::Blocked(blocked.cause),
            (None, Some(_)) => Self::Outage,
            (None, None) => Self::Open,
        }
    }
}

/// What was said last.
#[derive(Debug)]
pub(super) struct News {
    platform: &'static str,
    said: State,
}

impl News {
    pub(super) fn of(direction: Direction) -> Self {
        let platform = match direction {
            Direction::Inbound => "Genesys",
            Direction::Outbound => "Twilio",
        };
        Self {
            platform,
            said: State::Open,
        }
    }

    /// Says what has changed.
    pub(super) fn tell(&mut self, traffic: &Traffic) {
        let platform = self.platform;
        match self.change(State::of(traffic)) {
            None => {}
            Some(State::Blocked(cause)) => {
                let (cause, fix) = (cause.as_str(), cause.fix());
                tracing::error!(cause, fix, "delivery to {platform} is blocked");
            }
            Some(State::Outage) => {
                tracing::warn!("{platform} does not answer: one message at a time is tried");
            }
            Some(State::Open) => {
                tracing::info!("delivery to {platform} is no longer held back");
            }
        }
    }

    /// The state, if it is news.
    fn change(&mut self, now: State) -> Option<State> {
        (now != self.said).then(|| {
            self.said = now;
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_bridge_clients::BlockedCause;

    #[test]
    fn each_change_is_said_once() {
        let blocked = State::Blocked(Cause::Platform(BlockedCause::Credentials));
        let unresolved = State::Blocked(Cause::Unresolved);
        let mut news = News::of(Direction::Inbound);
        let steps = [
            (State::Open, None),
            (blocked, Some(blocked)),
            (blocked, None),
            (unresolved, Some(unresolved)),
            (State::Outage, Some(State::Outage)),
            (State::Outage, None),
            (State::Open, Some(State::Open)),
            (State::Open, None),
        ];
        for (number, (now, expected)) in steps.into_iter().enumerate() {
            assert_eq!(news.change(now), expected, "step {number}");
        }
    }
}
