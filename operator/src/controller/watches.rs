//! How the watches fare. A watch that fails begins anew by itself, and what it serves goes on with what is cached: an
//! operator that hears nothing more would look healthy. So failures are counted and logged, and one that lasts shows in
//! `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::watcher::{Error, Event};
use tokio::time::Instant;

use crate::admin::{Metrics, Readiness};

/// A watch that has failed for so long is told.
const DEAF: Duration = Duration::from_mins(1);
/// After so long without another failure it works again: one that began anew says nothing until something changes.
/// Longer than the longest wait between two tries and the time that a try may take.
const QUIET: Duration = Duration::from_mins(2);
/// A failure that goes on is logged so often.
const AGAIN: Duration = Duration::from_mins(5);

/// Failures in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trouble {
    first: Instant,
    last: Instant,
    logged: Instant,
}

impl Trouble {
    /// One more failure; with whether it is to be logged.
    fn another(before: Option<Self>, now: Instant) -> (Self, bool) {
        let Some(before) = before.filter(|before| now - before.last < QUIET) else {
            let trouble = Self {
                first: now,
                last: now,
                logged: now,
            };
            return (trouble, true);
        };
        let log = now - before.logged >= AGAIN;
        let trouble = Self {
            last: now,
            logged: if log { now } else { before.logged },
            ..before
        };
        (trouble, log)
    }

    fn is_deaf(&self, now: Instant) -> bool {
        self.last - self.first >= DEAF && now - self.last < QUIET
    }
}

/// All watches, each by the plural of its resource.
#[derive(Clone, Debug)]
pub(super) struct Watches {
    troubles: Arc<Mutex<BTreeMap<&'static str, Option<Trouble>>>>,
    metrics: Arc<Metrics>,
}

impl Watches {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            troubles: Arc::default(),
            metrics,
        }
    }

    /// What is to see each event of a watch.
    pub(super) fn listener<K>(
        &self,
        resource: &'static str,
    ) -> impl FnMut(&Result<Event<K>, Error>) + Send + use<K> {
        let watches = self.clone();
        move |event| match event {
            // A list that is only begun has not come yet.
            Ok(Event::Init) => {}
            Ok(_) => watches.heard(resource),
            Err(error) => watches.failed(resource, error, Instant::now()),
        }
    }

    fn heard(&self, resource: &'static str) {
        self.lock().insert(resource, None);
    }

    fn failed(&self, resource: &'static str, error: &Error, now: Instant) {
        self.metrics.watch_failed(resource);
        let mut troubles = self.lock();
        let before = troubles.get(resource).copied().flatten();
        let (trouble, log) = Trouble::another(before, now);
        troubles.insert(resource, Some(trouble));
        if log {
            tracing::warn!(resource, %error, "a watch failed, it begins anew");
        }
    }

    /// Tells which of them hear nothing.
    pub(super) fn report(&self, readiness: &Readiness, now: Instant) {
        for (resource, trouble) in self.lock().iter() {
            let what = format!("the watch of {resource}");
            if trouble.is_some_and(|trouble| trouble.is_deaf(now)) {
                readiness.lacks(&what);
            } else {
                readiness.has(&what);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Option<Trouble>>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use rstest::rstest;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// What is missing `now` seconds after the first of these failures.
    fn missing(failures: &[u64], now: u64) -> Option<String> {
        let watches = Watches::new(Arc::new(Metrics::new()));
        let (start, readiness) = (Instant::now(), Readiness::waiting_for(&[]));
        for at in failures {
            watches.failed("pods", &Error::NoResourceVersion, after(start, *at));
        }
        watches.report(&readiness, after(start, now));
        readiness.missing()
    }

    #[rstest]
    #[case::one_failure(&[0], 90, false)]
    #[case::it_goes_on_for_a_moment(&[0, 10, 30], 31, false)]
    #[case::it_goes_on_for_a_minute(&[0, 10, 30, 61], 62, true)]
    #[case::no_failure_since(&[0, 30, 61], 200, false)]
    #[case::another_one_much_later(&[0, 300], 301, false)]
    fn a_watch_that_fails_for_a_minute_is_missing(
        #[case] failures: &[u64],
        #[case] now: u64,
        #[case] deaf: bool,
    ) {
        let expected = deaf.then(|| "the watch of pods".to_owned());
        assert_eq!(missing(failures, now), expected);
    }

    #[test]
    fn a_watch_that_is_heard_again_is_not_missing() {
        let watches = Watches::new(Arc::new(Metrics::new()));
        let (start, readiness) = (Instant::now(), Readiness::waiting_for(&[]));
        let mut listener = watches.listener::<Pod>("pods");
        for at in [0, 61] {
            watches.failed("pods", &Error::NoResourceVersion, after(start, at));
        }
        listener(&Ok(Event::Init));
        watches.report(&readiness, after(start, 62));
        assert!(readiness.missing().is_some(), "a list was only begun");
        listener(&Ok(Event::InitDone));
        watches.report(&readiness, after(start, 62));
        assert_eq!(readiness.missing(), None);
    }

    #[test]
    fn a_failure_that_goes_on_is_logged_now_and_then() {
        let start = Instant::now();
        let (mut trouble, mut logged) = (None, Vec::new());
        for at in [0, 60, 120, 180, 240, 300, 360, 700] {
            let (next, log) = Trouble::another(trouble, after(start, at));
            trouble = Some(next);
            if log {
                logged.push(at);
            }
        }
        assert_eq!(logged, [0, 300, 700]);
    }
}
