//! When the platforms are asked again. Pure.

use std::time::Duration;

/// How much an interval varies either way: a thousand bridges must not ask at once.
const SPREAD: f64 = 0.2;
/// After a failure nothing is asked again sooner.
const SHORTEST_RETRY: Duration = Duration::from_secs(30);
/// The membership of a number in a Messaging Service is looked up through all pools: once a day is enough.
pub const POOLS: Duration = Duration::from_hours(24);

/// The wait after a check. `chance` is between 0 and 1; `patience` is what a platform asked for.
pub fn next(interval: Duration, failed: bool, patience: Option<Duration>, chance: f64) -> Duration {
    if failed {
        let asked = patience.unwrap_or(SHORTEST_RETRY * 2);
        return asked
            .clamp(SHORTEST_RETRY, interval.max(SHORTEST_RETRY))
            .mul_f64(1.0 + SPREAD * chance);
    }
    interval.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const INTERVAL: Duration = Duration::from_mins(10);

    #[rstest]
    #[case::earliest(false, None, 0.0, 480)]
    #[case::usual(false, None, 0.5, 600)]
    #[case::latest(false, None, 1.0, 720)]
    #[case::after_a_failure(true, None, 0.0, 60)]
    #[case::as_the_platform_asked(true, Some(90), 0.0, 90)]
    #[case::never_sooner_than_half_a_minute(true, Some(1), 0.0, 30)]
    #[case::never_later_than_the_usual_check(true, Some(86_400), 0.0, 600)]
    fn the_next_check_is_due(
        #[case] failed: bool,
        #[case] patience: Option<u64>,
        #[case] chance: f64,
        #[case] seconds: u64,
    ) {
        let wait = next(INTERVAL, failed, patience.map(Duration::from_secs), chance);
        assert_eq!(wait.as_secs(), seconds);
    }
}
