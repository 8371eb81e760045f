//! How one message ended: everything that is known of it, in one line of the log, without its text and its number.

use std::time::Duration;

use super::decide::Ending;
use crate::deliver::split::{LONGEST_BODY, split};
use crate::message::Message;
use crate::outbox::{DeadReason, Direction, Expired, Head, LaneKey, Proved};
use crate::trace::Journey;

/// The outcome of one message.
#[derive(Debug)]
pub struct Ended<'e> {
    lane: &'e LaneKey,
    /// The platform's id of the message: Twilio's SID of a customer's, Genesys' of an agent's.
    pub id: Option<String>,
    /// Twilio's SID of the last part that it took.
    sid: Option<&'e str>,
    /// In how many parts it goes.
    parts: usize,
    /// How often it was put back before.
    pub tries: u32,
    /// Since its webhook arrived.
    pub age: Duration,
    /// The stable word.
    pub outcome: &'static str,
    /// Why it was given up.
    why: Option<&'e str>,
}

impl<'e> Ended<'e> {
    /// The outcome of a message that its platform took.
    pub const DELIVERED: &'static str = "delivered";

    /// A head that was delivered.
    pub fn delivered(lane: &'e LaneKey, head: &Head, age: Duration) -> Self {
        Self::of(lane, &head.payload, head.tries, age)
    }

    fn of(lane: &'e LaneKey, payload: &[u8], tries: u32, age: Duration) -> Self {
        let (id, parts) = match Message::from_stored(payload) {
            Ok(Message::InboundText(text)) => (Some(text.sid.as_str().to_owned()), 1),
            Ok(Message::OutboundText(text)) => (
                text.id.map(|id| id.as_str().to_owned()),
                split(&text.text, LONGEST_BODY).len(),
            ),
            Ok(Message::FailureNotice(notice)) => (Some(notice.failed.as_str().to_owned()), 1),
            Err(_) => (None, 1),
        };
        Self {
            lane,
            id,
            sid: None,
            parts,
            tries,
            age,
            outcome: Self::DELIVERED,
            why: None,
        }
    }

    /// A message of which a callback proved the last part, before or instead of the answer.
    pub fn proven(proved: &'e Proved, age: Duration, sid: &'e str) -> Self {
        Self {
            lane: &proved.lane,
            id: proved.genesys_id.as_ref().map(|id| id.as_str().to_owned()),
            sid: Some(sid),
            parts: proved.parts as usize,
            tries: 0,
            age,
            outcome: Self::DELIVERED,
            why: None,
        }
    }

    /// Names the SID of its last part.
    #[must_use]
    pub fn with_sid(self, sid: &'e str) -> Self {
        Self {
            sid: Some(sid),
            ..self
        }
    }

    /// A head that was given up.
    pub fn given_up(lane: &'e LaneKey, head: &Head, age: Duration, ending: &'e Ending) -> Self {
        Self {
            outcome: ending.word,
            why: Some(&ending.sentence),
            ..Self::delivered(lane, head, age)
        }
    }

    /// A message that ended without its turn.
    pub fn expired(expired: &'e Expired, age: Duration, why: &'e DeadReason) -> Self {
        Self {
            outcome: why.word,
            why: Some(&why.sentence),
            ..Self::of(&expired.lane, &expired.payload, expired.tries, age)
        }
    }

    /// Which way it went.
    pub fn direction(&self) -> Direction {
        self.lane.direction()
    }

    /// Writes the line.
    pub fn log(&self, journey: Option<&Journey>) {
        let trace_id = journey.map(|journey| tracing::field::display(journey.trace()));
        let age_ms = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        let direction = self.direction().as_str();
        let Self {
            lane,
            id,
            sid,
            parts,
            tries,
            age: _,
            outcome,
            why,
        } = self;
        if *outcome == Self::DELIVERED {
            tracing::info!(direction, id, sid, %lane, parts, tries, age_ms, outcome, trace_id, "message ended");
        } else {
            tracing::error!(direction, id, sid, %lane, parts, tries, age_ms, outcome, why, trace_id, "message ended");
        }
    }
}
