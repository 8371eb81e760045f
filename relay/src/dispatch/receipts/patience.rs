//! How many receipts may be under way, and when: by what became of the last ones. Pure.
//!
//! An outage and a block are met one receipt at a time; the first that Genesys answers about ends them.

use std::time::Duration;

use tokio::time::Instant;

use super::super::breaker;
use super::telling::Outcome;

/// Receipts at once: Genesys' allowance of 300 a minute is used up even where it takes a second and a half for each.
const AT_ONCE: usize = 8;
/// While Genesys is blocked for receipts, one is tried this often.
const BLOCKED_WAIT: Duration = Duration::from_mins(1);
/// So many receipts in a row that Genesys did not answer are an outage, as with messages: then one is tried this often,
/// whatever waits.
const OUTAGE: u32 = breaker::FAILURES;
/// See [`OUTAGE`].
const OUTAGE_WAIT: Duration = breaker::LONGEST_INTERVAL;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// In a row.
    unanswered: u32,
    blocked: bool,
    until: Option<Instant>,
}

impl Patience {
    /// Whether a receipt may be started now, or when.
    pub(super) fn allows(&self, now: Instant) -> Result<(), Instant> {
        self.until.filter(|until| now < *until).map_or(Ok(()), Err)
    }

    /// How many may be under way.
    pub(super) fn at_once(&self) -> usize {
        if self.blocked || self.unanswered >= OUTAGE {
            1
        } else {
            AT_ONCE
        }
    }

    /// A try has ended.
    pub(super) fn met(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Answered => *self = Self::default(),
            Outcome::Blocked => {
                self.blocked = true;
                self.until = Some(now + BLOCKED_WAIT);
            }
            Outcome::Unanswered => {
                self.unanswered += 1;
                if self.unanswered >= OUTAGE {
                    self.until = Some(now + OUTAGE_WAIT);
                }
            }
        }
    }

    /// Something changed that a block may rest on: one is tried at once.
    pub(super) fn changed(&mut self) {
        if self.blocked {
            self.until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the start, and after these outcomes one second apart: how many at once, and the seconds until the next.
    fn after(outcomes: &[Outcome]) -> (usize, u64) {
        let mut now = Instant::now();
        let mut patience = Patience::default();
        for outcome in outcomes {
            now += Duration::from_secs(1);
            patience.met(*outcome, now);
        }
        let wait = patience.allows(now).err();
        let wait = wait.map_or(Duration::ZERO, |until| until - now);
        (patience.at_once(), wait.as_secs())
    }

    #[test]
    fn an_outage_and_a_block_are_met_one_at_a_time_until_an_answer() {
        use Outcome::{Answered, Blocked, Unanswered};
        let outage = [Unanswered; OUTAGE as usize];
        let nearly = &outage[1..];
        let cases: [(Vec<Outcome>, (usize, u64)); 8] = [
            (vec![], (AT_ONCE, 0)),
            (vec![Answered], (AT_ONCE, 0)),
            (nearly.to_vec(), (AT_ONCE, 0)),
            (outage.to_vec(), (1, 30)),
            ([&outage[..], &[Unanswered]].concat(), (1, 30)),
            ([nearly, &[Answered, Unanswered]].concat(), (AT_ONCE, 0)),
            (vec![Blocked], (1, 60)),
            (vec![Blocked, Answered], (AT_ONCE, 0)),
        ];
        for (outcomes, expected) in cases {
            assert_eq!(after(&outcomes), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn a_changed_secret_has_one_tried_at_once_and_ends_no_outage() {
        let now = Instant::now();
        let mut blocked = Patience::default();
        blocked.met(Outcome::Blocked, now);
        blocked.changed();
        assert_eq!((blocked.allows(now), blocked.at_once()), (Ok(()), 1));
        let mut outage = Patience::default();
        for _ in 0..OUTAGE {
            outage.met(Outcome::Unanswered, now);
        }
        outage.changed();
        assert_eq!(outage.allows(now), Err(now + OUTAGE_WAIT));
        assert_eq!(outage.allows(now + OUTAGE_WAIT), Ok(()), "then it is time");
    }
}
