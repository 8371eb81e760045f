//! The walk of a pass through time, oldest first, in windows that fit into memory. Pure.
//!
//! The first window is everything up to the end, because mostly that is little. One that holds too much is narrowed;
//! after one that fits the next is twice as wide.

use std::time::Duration;

use jiff::Timestamp;

use super::mark::whole;

/// A window is not made narrower than this: dates are whole seconds.
const NARROWEST: Duration = Duration::from_secs(1);

/// A piece of time to look through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// From this second on.
    pub(super) since: Timestamp,
    /// Up to this second, without it; `None`: everything that is listed.
    pub(super) until: Option<Timestamp>,
}

impl Window {
    /// Whether a date lies in it.
    pub(super) fn holds(&self, created: Timestamp) -> bool {
        created >= self.since && self.until.is_none_or(|until| created < until)
    }
}

/// Where a pass goes on that did not come to its end: the mark stays behind, and with very many messages a pass would
/// never come beyond what is read again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) since: Timestamp,
    pub(super) width: Option<Duration>,
}

/// Where a pass is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    since: Timestamp,
    end: Timestamp,
    /// Whether the last window takes what is younger than the end, too.
    open: bool,
    width: Option<Duration>,
}

impl Walk {
    /// From `since` to `end`; an open walk also takes what came while it goes on.
    pub(super) fn new(since: Timestamp, end: Timestamp, open: bool) -> Self {
        Self {
            since,
            end: end.max(since),
            open,
            width: None,
        }
    }

    /// The same, in windows as wide as the walk before came to.
    pub(super) fn with_width(self, width: Option<Duration>) -> Self {
        Self { width, ..self }
    }

    /// Where a walk that ends here goes on.
    pub(super) fn rest(&self) -> Rest {
        Rest {
            since: self.since,
            width: self.width,
        }
    }

    /// Whether the window is all that is left.
    pub(super) fn is_whole(&self) -> bool {
        self.width.is_none()
    }

    /// The window to look through next.
    pub(super) fn window(&self) -> Window {
        let until = match self.width {
            Some(width) if self.since + width < self.end => Some(self.since + width),
            _ => (!self.open).then_some(self.end),
        };
        Window {
            since: self.since,
            until,
        }
    }

    /// Whether the window cannot be narrower.
    pub(super) fn is_narrowest(&self) -> bool {
        let end = self.window().until.unwrap_or(self.end);
        Duration::try_from(end.duration_since(self.since)).unwrap_or_default() <= NARROWEST
    }

    /// The window was looked through. Up to where the walk came, and whether it is at its end.
    pub(super) fn done(&mut self) -> (Timestamp, bool) {
        let covered = self.window().until.unwrap_or(self.end).min(self.end);
        self.since = covered;
        self.width = self.width.map(|width| width * 2);
        (covered, covered >= self.end)
    }

    /// The window holds too much: what was read of it spans `span`.
    pub(super) fn narrow(&mut self, span: Duration) {
        let end = self.window().until.unwrap_or(self.end);
        let width = Duration::try_from(end.duration_since(self.since)).unwrap_or_default();
        let narrower = (width / 2).min(span / 2).max(NARROWEST);
        self.width = Some(Duration::from_secs(narrower.as_secs()));
    }
}

/// Puts what was listed in order of time, oldest first. Twilio lists the newest first; of one second, the order of the
/// list tells.
pub(super) fn oldest_first<T>(mut listed: Vec<T>, created: impl Fn(&T) -> Timestamp) -> Vec<T> {
    let ends = listed.first().zip(listed.last());
    let ascends = ends.is_some_and(|(first, last)| created(first) < created(last));
    if !ascends {
        listed.reverse();
    }
    listed.sort_by_key(|item| whole(created(item)));
    listed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::from_millis;

    fn at(seconds: i64) -> Timestamp {
        from_millis(seconds * 1000)
    }

    fn window(since: i64, until: Option<i64>) -> Window {
        Window {
            since: at(since),
            until: until.map(at),
        }
    }

    #[test]
    fn little_is_looked_through_in_one_window() {
        let mut walk = Walk::new(at(100), at(700), false);
        assert_eq!(walk.window(), window(100, Some(700)));
        assert_eq!(walk.done(), (at(700), true));
        let mut open = Walk::new(at(100), at(700), true);
        assert_eq!(open.window(), window(100, None));
        assert!(open.window().holds(at(701)));
        assert_eq!(open.done(), (at(700), true));
    }

    #[test]
    fn a_window_holds_its_first_second_and_not_the_one_of_its_end() {
        let window = window(100, Some(700));
        let held = [99, 100, 699, 700].map(|seconds| window.holds(at(seconds)));
        assert_eq!(held, [false, true, true, false]);
    }

    #[test]
    fn a_window_that_comes_to_the_end_takes_what_is_younger_if_the_walk_is_open() {
        let open = Walk::new(at(0), at(1000), true);
        assert!(open.is_whole());
        let wide = |seconds| open.with_width(Some(Duration::from_secs(seconds)));
        assert_eq!(wide(999).window(), window(0, Some(999)));
        assert_eq!(wide(1000).window(), window(0, None));
    }

    #[test]
    fn too_much_is_narrowed_by_what_was_seen_and_widened_again() {
        let mut walk = Walk::new(at(0), at(1000), false);
        walk.narrow(Duration::from_secs(200));
        assert_eq!(walk.window(), window(0, Some(100)));
        walk.narrow(Duration::from_secs(5000));
        assert_eq!(walk.window(), window(0, Some(50)));
        assert_eq!(walk.done(), (at(50), false));
        assert_eq!(walk.window(), window(50, Some(150)));
    }

    #[test]
    fn a_walk_that_ends_goes_on_where_it_was_and_as_narrow() {
        let mut walk = Walk::new(at(0), at(1000), false);
        walk.narrow(Duration::from_secs(200));
        walk.done();
        let rest = walk.rest();
        let next = Walk::new(rest.since, at(2000), false).with_width(rest.width);
        assert_eq!(next.window(), window(100, Some(300)));
        assert!(!next.is_whole());
    }

    #[test]
    fn a_second_is_not_divided() {
        let mut walk = Walk::new(at(0), at(1000), false);
        assert!(!walk.is_narrowest());
        walk.narrow(Duration::ZERO);
        assert!(walk.is_narrowest());
        assert_eq!(walk.window(), window(0, Some(1)));
    }

    #[test]
    fn a_mark_beyond_the_end_is_an_empty_walk() {
        let mut walk = Walk::new(at(900), at(700), false);
        assert!(!walk.window().holds(at(900)));
        assert_eq!(walk.done(), (at(900), true));
    }

    #[test]
    fn of_one_second_the_order_of_the_list_tells() {
        let newest_first = vec![("d", 2), ("c", 1), ("b", 1), ("a", 0)];
        let mixed = vec![("a", 0), ("b", 1), ("c", 1), ("d", 2)];
        for listed in [newest_first, mixed] {
            let ordered = oldest_first(listed, |(_, seconds)| at(*seconds));
            let names: Vec<&str> = ordered.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["a", "b", "c", "d"]);
        }
        let of_one_second = oldest_first(vec!["c", "b", "a"], |_| at(1));
        assert_eq!(of_one_second, ["a", "b", "c"], "the newest is listed first");
    }

    proptest! {
        #[test]
        fn every_second_is_in_one_window_whatever_is_narrowed(length in 1i64..5000, spans in prop::collection::vec(0u64..400, 0..30)) {
            let mut walk = Walk::new(at(0), at(length), false);
            let (mut spans, mut covered) = (spans.into_iter(), 0);
            loop {
                if let Some(span) = spans.next() {
                    walk.narrow(Duration::from_secs(span));
                }
                let window = walk.window();
                prop_assert_eq!(window.since, at(covered));
                let (until, end) = walk.done();
                prop_assert_eq!(window.until, Some(until));
                covered = until.as_second();
                if end {
                    break;
                }
            }
            prop_assert_eq!(covered, length);
        }
    }
}
