//! What arrived, and how often: exactly once, and in the order of its conversation, or there is no figure.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::LoadError;
use crate::fixture::CUSTOMERS;

/// Between two looks at the count.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the messages of one direction did.
pub(crate) struct Tally {
    /// Arrivals of each message.
    arrivals: Vec<AtomicU8>,
    /// By customer, one more than the index of the message that arrived last.
    latest: Vec<AtomicUsize>,
    /// Messages that arrived at least once.
    delivered: AtomicUsize,
    repeated: AtomicUsize,
    overtaken: AtomicUsize,
    /// Messages that nobody sent.
    foreign: AtomicUsize,
    last: Mutex<Option<Instant>>,
}

impl Tally {
    /// Expects `count` messages.
    pub(crate) fn of(count: usize) -> Self {
        Self {
            arrivals: (0..count).map(|_| AtomicU8::new(0)).collect(),
            latest: (0..CUSTOMERS).map(|_| AtomicUsize::new(0)).collect(),
            delivered: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
            overtaken: AtomicUsize::new(0),
            foreign: AtomicUsize::new(0),
            last: Mutex::new(None),
        }
    }

    /// A message arrived; `None` is one that cannot be told.
    pub(crate) fn arrived(&self, index: Option<usize>) {
        let Some((index, arrivals)) =
            index.and_then(|index| Some((index, self.arrivals.get(index)?)))
        else {
            self.foreign.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if arrivals.fetch_add(1, Ordering::Relaxed) > 0 {
            self.repeated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.latest[index % CUSTOMERS].swap(index + 1, Ordering::Relaxed) > index {
            self.overtaken.fetch_add(1, Ordering::Relaxed);
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many messages arrived.
    pub(crate) fn delivered(&self) -> usize {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Waits until `count` messages have arrived, and says when the last one did.
    pub(crate) async fn reaches(
        &self,
        count: usize,
        patience: Duration,
    ) -> Result<Instant, LoadError> {
        let give_up = Instant::now() + patience;
        while self.delivered() < count {
            if Instant::now() > give_up {
                return Err(LoadError::TooSlow {
                    what: "delivery",
                    seconds: patience.as_secs(),
                    state: format!("{} of {count} delivered", self.delivered()),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.ok_or_else(|| LoadError::Count("nothing was to be delivered".to_owned()))
    }

    /// Whether each message arrived exactly once.
    pub(crate) fn exactly_once(&self) -> Result<(), LoadError> {
        let [repeated, foreign] =
            [&self.repeated, &self.foreign].map(|count| count.load(Ordering::Relaxed));
        let missing = self.arrivals.len() - self.delivered();
        if (missing, repeated, foreign) == (0, 0, 0) {
            return Ok(());
        }
        Err(LoadError::Count(format!(
            "of {} messages {missing} never arrived; {repeated} repeats and {foreign} strangers did",
            self.arrivals.len()
        )))
    }

    /// Whether no message overtook an earlier one of its customer. Only what one connection sent has such an order.
    pub(crate) fn in_order(&self) -> Result<(), LoadError> {
        match self.overtaken.load(Ordering::Relaxed) {
            0 => Ok(()),
            overtaken => Err(LoadError::Count(format!(
                "{overtaken} messages were overtaken"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::each_once(&[Some(0), Some(1), Some(2)], true, true)]
    #[case::other_customers_may_overtake(&[Some(2), Some(0), Some(1)], true, true)]
    #[case::one_is_missing(&[Some(0), Some(2)], false, true)]
    #[case::one_comes_twice(&[Some(0), Some(1), Some(1), Some(2)], false, true)]
    #[case::one_is_unknown(&[Some(0), Some(1), Some(2), None], false, true)]
    #[case::one_is_nobodys(&[Some(0), Some(1), Some(2), Some(9999)], false, true)]
    fn a_wrong_count_is_seen(
        #[case] arrivals: &[Option<usize>],
        #[case] once: bool,
        #[case] ordered: bool,
    ) {
        let tally = Tally::of(3);
        for index in arrivals {
            tally.arrived(*index);
        }
        assert_eq!(
            (tally.exactly_once().is_ok(), tally.in_order().is_ok()),
            (once, ordered)
        );
    }

    #[test]
    fn an_overtaken_message_of_the_same_customer_is_seen() {
        let tally = Tally::of(2 * CUSTOMERS);
        tally.arrived(Some(CUSTOMERS + 5));
        assert!(tally.in_order().is_ok());
        tally.arrived(Some(5));
        assert!(tally.in_order().is_err());
    }
}
