//! The arithmetic of the mark: everything that Twilio took before it was looked through. Pure.
//!
//! All times are Twilio's own (the dates of its messages and of its answers), in whole seconds: a clock of ours that is
//! wrong neither hides a gap nor makes one up.

use std::time::Duration;

use jiff::{Timestamp, Unit};

/// The mark stays this far behind Twilio's time, so that a list which trails is read again.
const TRAIL: Duration = Duration::from_mins(15);
/// Gaps are looked for in the last 29 days: keys live 30.
const LONGEST: Duration = Duration::from_hours(29 * 24);

/// The first mark of a new volume: the start of the process.
pub(super) fn first(served: Timestamp, running: Duration) -> Timestamp {
    whole(served - running)
}

/// From when on a pass looks. A mark of the future was made under another clock.
pub(super) fn since(mark: Timestamp, served: Timestamp) -> Timestamp {
    mark.min(served).max(whole(served - LONGEST))
}

/// The mark after everything up to `covered` was looked through, at Twilio's time `served`. It does not go back, but
/// for one of the future.
pub(super) fn after(mark: Timestamp, covered: Timestamp, served: Timestamp) -> Timestamp {
    mark.min(served).max(covered.min(served - TRAIL))
}

/// Cut to the second.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    let rounding = jiff::TimestampRound::new()
        .smallest(Unit::Second)
        .mode(jiff::RoundMode::Floor);
    time.round(rounding).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::clock::from_millis;

    const DAY: i64 = 24 * 60 * 60;
    const NOW: i64 = 100 * DAY;

    fn at(seconds: i64) -> Timestamp {
        from_millis(seconds * 1000)
    }

    #[test]
    fn a_new_volume_starts_at_the_second_of_its_start() {
        let running = Duration::from_millis(2_300);
        assert_eq!(first(at(NOW), running), at(NOW - 3));
    }

    #[rstest]
    #[case::as_it_is(NOW - 1200, NOW - 1200)]
    #[case::of_the_future(NOW + 9000, NOW)]
    #[case::too_long_ago(NOW - 40 * DAY, NOW - 29 * DAY)]
    fn a_pass_looks_since_the_mark(#[case] mark: i64, #[case] expected: i64) {
        assert_eq!(since(at(mark), at(NOW)), at(expected));
    }

    #[rstest]
    #[case::trails_by_a_quarter_of_an_hour(NOW - 1200, NOW, NOW - 900)]
    #[case::does_not_go_back(NOW - 300, NOW, NOW - 300)]
    #[case::no_further_than_what_was_covered(NOW - 9000, NOW - 8000, NOW - 8000)]
    #[case::comes_back_from_the_future(NOW + 9000, NOW, NOW)]
    fn the_mark_moves_only_over_what_was_covered(
        #[case] mark: i64,
        #[case] covered: i64,
        #[case] expected: i64,
    ) {
        assert_eq!(after(at(mark), at(covered), at(NOW)), at(expected));
    }
}
