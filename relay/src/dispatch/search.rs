//! How far the search for a send has come: when Twilio's list is read next, and when it has been read often enough to
//! believe that the send is not in it.
//!
//! A send is not there once three successful, complete listings over at least a minute, and none between them, showed
//! anything that it may be. The minute runs only while listing succeeds. In memory: after a restart a search begins anew.
//! Pure, but for the times handed in, and the register of them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::{LaneKey, SendId};

/// Successful listings that must not show a send.
const LISTINGS: u32 = 3;

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// For the send's own callback, from the mark on, before anything is listed.
    pub callback: Duration,
    /// From the first listing to the last.
    pub listings: Duration,
    /// Between two parts of one message, for the earlier one to leave Twilio.
    pub between_parts: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            callback: Duration::from_secs(10),
            listings: Duration::from_mins(1),
            between_parts: Duration::from_secs(5),
        }
    }
}

/// What a complete listing showed that did not settle a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing that it may be.
    Nothing,
    /// Something that it may be.
    Suspects,
}

/// Listings over a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stretch {
    listings: u32,
    /// From the first to the last, as far as listing succeeded.
    covered: Duration,
}

impl Stretch {
    fn add(&mut self, since_last: Duration) {
        if self.listings > 0 {
            self.covered += since_last;
        }
        self.listings += 1;
    }
}

/// The search for one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Search {
    /// Not to be listed before.
    pub(super) not_before: Instant,
    /// Complete listings so far.
    all: Stretch,
    /// The last of them, as far as they showed nothing.
    clear: Stretch,
    /// Listings in a row that failed.
    failures: u32,
    /// When the last listing began, if it succeeded.
    last: Option<Instant>,
}

impl Search {
    pub(super) fn new(not_before: Instant) -> Self {
        Self {
            not_before,
            all: Stretch::default(),
            clear: Stretch::default(),
            failures: 0,
            last: None,
        }
    }

    /// A complete listing that began at `at` did not settle it. Returns whether that is enough to believe what it showed,
    /// and sets the next time otherwise.
    pub(super) fn listed(&mut self, at: Instant, over: Duration, shown: Shown) -> bool {
        let since_last = self.last.map_or(Duration::ZERO, |last| at - last);
        self.last = Some(at);
        self.failures = 0;
        self.all.add(since_last);
        let counts = match shown {
            Shown::Nothing => {
                self.clear.add(since_last);
                self.clear
            }
            // What was seen once may be there although it is gone again.
            Shown::Suspects => {
                self.clear = Stretch::default();
                self.all
            }
        };
        let left = over.saturating_sub(counts.covered);
        let more = LISTINGS.saturating_sub(counts.listings);
        self.not_before = at + (left / more.max(1)).clamp(over / 12, over / 2);
        left.is_zero() && more == 0
    }

    /// A listing failed: what follows is not one stretch with what was before. Returns how often that happened before
    /// without a success.
    pub(super) fn failed(&mut self) -> u32 {
        self.last = None;
        self.failures = self.failures.saturating_add(1);
        self.failures - 1
    }
}

/// The searches of a direction, one a lane at most.
#[derive(Debug, Default)]
pub struct Searches(Mutex<HashMap<LaneKey, (SendId, Search)>>);

impl Searches {
    /// The search for this send, if one is under way. One for an earlier send of the lane is over.
    pub(super) fn of(&self, lane: &LaneKey, send: Option<&SendId>) -> Option<Search> {
        let mut searches = self.searches();
        let (under_way, search) = searches.get(lane)?;
        if Some(under_way) == send {
            return Some(*search);
        }
        searches.remove(lane);
        None
    }

    /// Remembers how far it has come.
    pub(super) fn keep(&self, lane: &LaneKey, send: &SendId, search: Search) {
        self.searches().insert(lane.clone(), (send.clone(), search));
    }

    fn searches(&self) -> std::sync::MutexGuard<'_, HashMap<LaneKey, (SendId, Search)>> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CustomerId;
    use crate::outbox::Direction;

    const OVER: Duration = Duration::from_mins(1);

    /// Lists whenever it is time; `fails` says which listings do, and fail again 5 s later. Seconds of all listings.
    fn played(fails: &[usize]) -> Vec<u64> {
        showing(&[], fails)
    }

    /// The same where `suspects` names the listings that show something.
    fn showing(suspects: &[usize], fails: &[usize]) -> Vec<u64> {
        let began = Instant::now();
        let mut search = Search::new(began);
        let (mut at, mut seconds) = (began, Vec::new());
        let shown = |number| {
            if suspects.contains(&number) {
                Shown::Suspects
            } else {
                Shown::Nothing
            }
        };
        for number in 0..100 {
            seconds.push((at - began).as_secs());
            if fails.contains(&number) {
                search.failed();
                at += Duration::from_secs(5);
            } else if search.listed(at, OVER, shown(number)) {
                return seconds;
            } else {
                at = search.not_before;
            }
        }
        seconds
    }

    #[test]
    fn three_listings_over_a_minute_are_enough_and_no_more_are_made() {
        assert_eq!(played(&[]), [0, 30, 60]);
    }

    #[test]
    fn the_minute_runs_only_while_listing_succeeds() {
        assert_eq!(played(&[1]), [0, 30, 35, 65, 95], "one failed");
        assert_eq!(
            played(&[0, 1, 3]),
            [0, 5, 10, 40, 45, 75, 105],
            "before the first and between"
        );
    }

    #[test]
    fn what_is_not_there_must_not_have_been_seen_in_any_of_three_listings() {
        assert_eq!(showing(&[0], &[]), [0, 30, 60, 90], "at first");
        assert_eq!(
            showing(&[0, 1], &[]),
            [0, 30, 60, 90, 120],
            "twice: the last two of three listings are not enough"
        );
        assert_eq!(showing(&[1], &[]), [0, 30, 60, 90, 120], "between");
    }

    #[test]
    fn what_is_seen_at_the_end_of_a_minute_is_believed() {
        assert_eq!(showing(&[0, 1, 2], &[]), [0, 30, 60]);
        assert_eq!(showing(&[2], &[]), [0, 30, 60]);
    }

    #[test]
    fn two_listings_far_apart_are_not_three() {
        let began = Instant::now();
        let mut search = Search::new(began);
        assert!(!search.listed(began, OVER, Shown::Nothing));
        assert!(!search.listed(began + OVER * 10, OVER, Shown::Nothing));
        assert!(search.not_before > began + OVER * 10);
        assert!(search.listed(search.not_before, OVER, Shown::Nothing));
    }

    #[test]
    fn a_failure_is_counted_until_a_listing_succeeds() {
        let began = Instant::now();
        let mut search = Search::new(began);
        assert_eq!([search.failed(), search.failed()], [0, 1]);
        search.listed(began, OVER, Shown::Nothing);
        assert_eq!(search.failed(), 0);
    }

    #[test]
    fn another_send_of_the_lane_begins_a_search_of_its_own() {
        let lane = LaneKey::new(Direction::Outbound, &CustomerId::new("+15557654321"));
        let (searches, send) = (Searches::default(), SendId::new("s1"));
        let search = Search::new(Instant::now());
        searches.keep(&lane, &send, search);
        assert_eq!(searches.of(&lane, Some(&send)), Some(search));
        assert_eq!(searches.of(&lane, Some(&SendId::new("s2"))), None);
        searches.keep(&lane, &send, search);
        assert_eq!(searches.of(&lane, None), None);
        assert!(searches.searches().is_empty());
    }
}
