//! The retry schedule: how long a head waits after its n-th try.
//!
//! 1 s, 2 s, 5 s, 10 s, 30 s, 1 min, 2 min and then every 5 min, each ±20 % at random, so that lanes which failed
//! together do not return together. A platform's `Retry-After` is obeyed, between 1 s and 5 min.

use std::time::Duration;

use jiff::Timestamp;

const SCHEDULE_SECONDS: [u64; 8] = [1, 2, 5, 10, 30, 60, 120, 300];
const JITTER: f64 = 0.2;

/// The longest wait that the schedule can give.
pub const LONGEST: Duration = Duration::from_mins(6);
/// `Retry-After` is obeyed within these.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// What a throttled call waits when the platform does not say how long.
const THROTTLED: Duration = Duration::from_secs(10);

/// The wait after the try that follows `tries` earlier ones. `fraction` is random, in `0.0..1.0`.
pub fn after(tries: u32, fraction: f64) -> Duration {
    let step = SCHEDULE_SECONDS[(tries as usize).min(SCHEDULE_SECONDS.len() - 1)];
    Duration::from_secs(step).mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction)
}

/// The wait that a throttling platform asked for.
pub fn throttled(retry_after: Option<Duration>) -> Duration {
    retry_after.map_or(THROTTLED, |asked| asked.clamp(RETRY_AFTER.0, RETRY_AFTER.1))
}

/// The wait after a platform asked for patience once more, with nothing served since it asked so many times before: each
/// time twice as long, because what it asked for was not enough.
pub fn throttled_again(retry_after: Option<Duration>, before: u32) -> Duration {
    throttled(retry_after)
        .saturating_mul(1 << before.min(8))
        .min(RETRY_AFTER.1)
}

/// How long to wait for a stored time. One further away than the schedule reaches was stored under another clock: it
/// is due now.
pub fn until(stored: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(stored.duration_since(now))
        .ok()
        .filter(|wait| *wait <= LONGEST)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, 0.5, 1.0)]
    #[case(0, 0.0, 0.8)]
    #[case(2, 0.5, 5.0)]
    #[case(7, 0.5, 300.0)]
    #[case(500, 0.5, 300.0)]
    fn waits_grow_and_stay(#[case] tries: u32, #[case] fraction: f64, #[case] seconds: f64) {
        assert!((after(tries, fraction).as_secs_f64() - seconds).abs() < 1e-6);
    }

    #[test]
    fn no_wait_exceeds_the_longest() {
        assert!(after(u32::MAX, 0.999_999) <= LONGEST);
    }

    #[rstest]
    #[case(None, 10)]
    #[case(Some(0), 1)]
    #[case(Some(42), 42)]
    #[case(Some(86_400), 300)]
    fn retry_after_is_obeyed_within_bounds(#[case] asked: Option<u64>, #[case] seconds: u64) {
        assert_eq!(
            throttled(asked.map(Duration::from_secs)),
            Duration::from_secs(seconds)
        );
    }

    #[rstest]
    #[case(Some(2), 0, 2)]
    #[case(Some(2), 1, 4)]
    #[case(Some(2), 3, 16)]
    #[case(Some(60), 40, 300)]
    fn patience_asked_for_again_and_again_grows_within_bounds(
        #[case] asked: Option<u64>,
        #[case] before: u32,
        #[case] seconds: u64,
    ) {
        assert_eq!(
            throttled_again(asked.map(Duration::from_secs), before),
            Duration::from_secs(seconds)
        );
    }

    #[test]
    fn a_stored_time_of_another_clock_and_a_past_one_are_due_now() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + Duration::from_secs(1_000_000);
        assert_eq!(until(later, now), Duration::ZERO);
        assert_eq!(until(now + LONGEST, now), LONGEST);
        assert_eq!(until(now, later), Duration::ZERO);
    }
}
