//! How long a bridge waits after a failure: per bridge, doubling, with jitter. Pure but for the memory of failures.
//!
//! Only for trouble that passes by itself. What needs a change waits for that change, or for the next check.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// The wait after the `failures`th failure in a row; `chance` is between 0 and 1.
fn wait(failures: u32, chance: f64) -> Duration {
    let doubled = SHORTEST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(20)));
    doubled.min(LONGEST).mul_f64(0.8 + 0.4 * chance)
}

/// Which bridges fail, and how often in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Counts a failure, and says how long to wait.
    pub(super) fn failed(&self, bridge: &str, chance: f64) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(bridge.to_owned()).or_default();
        *count = count.saturating_add(1);
        wait(*count, chance)
    }

    /// Forgets the failures of a bridge that succeeded, or is gone.
    pub(super) fn succeeded(&self, bridge: &str) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(bridge);
    }

    /// Forgets all bridges but these.
    pub(super) fn retain(&self, lives: impl Fn(&str) -> bool) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|bridge, _| lives(bridge));
    }

    /// How many bridges are waiting after a failure.
    pub(super) fn waiting(&self) -> usize {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::first(1, 0.5, 1_000)]
    #[case::fifth(5, 0.5, 16_000)]
    #[case::longest(12, 0.5, 300_000)]
    #[case::for_ever(u32::MAX, 1.0, 360_000)]
    #[case::jitter(1, 0.0, 800)]
    fn waits_double_up_to_five_minutes(
        #[case] failures: u32,
        #[case] chance: f64,
        #[case] millis: u128,
    ) {
        assert_eq!(wait(failures, chance).as_millis(), millis);
    }

    #[test]
    fn each_bridge_waits_for_itself_and_begins_anew_after_a_success() {
        let backoff = Backoff::default();
        backoff.failed("a", 0.5);
        assert_eq!(backoff.failed("a", 0.5), SHORTEST * 2);
        assert_eq!(backoff.failed("b", 0.5), SHORTEST);
        assert_eq!(backoff.waiting(), 2);
        backoff.succeeded("a");
        assert_eq!(backoff.failed("a", 0.5), SHORTEST);
    }
}
