//! What the rules that apply to one request or webhook come to.

use std::time::Duration;

use serde_json::Value;

use super::{Effect, FinalStatus, Untruth};

/// What happens to one request or webhook.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) latency: Duration,
    pub(crate) instead: Option<Instead>,
    pub(crate) lost: Option<Lost>,
    pub(crate) token_life: Option<Duration>,
    pub(crate) final_status: Option<(FinalStatus, Option<u32>)>,
    /// What Twilio's list does to messages, and to those of which age in milliseconds.
    pub(crate) untruths: Vec<(Untruth, Option<u64>)>,
    /// The effects without parameters.
    plain: Vec<Effect>,
}

impl Plan {
    /// Adds one effect. Of two answers the first wins.
    pub(super) fn add(&mut self, effect: &Effect) {
        match effect {
            Effect::Status { status, body } => {
                self.instead
                    .get_or_insert(Instead::Status(*status, body.clone()));
            }
            Effect::RateLimited { retry_after } => {
                self.instead
                    .get_or_insert(Instead::RateLimited(*retry_after));
            }
            Effect::Refused => {
                self.instead.get_or_insert(Instead::Cut);
            }
            Effect::Latency { millis } => self.latency += Duration::from_millis(*millis),
            Effect::LostAnswer { status } => {
                self.lost
                    .get_or_insert(status.map_or(Lost::Cut, Lost::Status));
            }
            Effect::ShortTokens { seconds } => {
                self.token_life = Some(Duration::from_secs((*seconds).into()));
            }
            Effect::TokensDie
            | Effect::Duplicated
            | Effect::Reordered
            | Effect::BeforeAnswer
            | Effect::Held => {
                self.plain.push(effect.clone());
            }
            Effect::Untrue { how, younger_than } => self.untruths.push((*how, *younger_than)),
            Effect::FinalStatus { status, error_code } => {
                self.final_status.get_or_insert((*status, *error_code));
            }
        }
    }

    /// Whether this effect, one without parameters, applies.
    pub(crate) fn says(&self, effect: &Effect) -> bool {
        self.plain.contains(effect)
    }
}

/// What happens instead of the work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Instead {
    Status(u16, Option<Value>),
    RateLimited(u32),
    Cut,
}

/// What happens to the answer after the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Cut,
    Status(u16),
}
