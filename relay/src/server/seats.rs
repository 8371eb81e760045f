//! Which connection waits for its next request, and since when: whoever has waited longest gives way first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// All connections that wait.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// By the order in which they began to wait.
    bells: BTreeMap<u64, Arc<Notify>>,
}

impl Seats {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }

    /// Asks the connection that has waited longest to give way. False when none waits.
    pub(super) fn free_one(&self) -> bool {
        let longest = self.waiting().bells.pop_first();
        if let Some((_, bell)) = &longest {
            bell.notify_one();
        }
        longest.is_some()
    }
}

/// One connection's seat. It waits from the beginning.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    bell: Arc<Notify>,
    /// Its number while it waits.
    number: Mutex<Option<u64>>,
}

impl Seat {
    pub(super) fn take(seats: &Arc<Seats>) -> Self {
        let seat = Self {
            seats: Arc::clone(seats),
            bell: Arc::default(),
            number: Mutex::new(None),
        };
        seat.wait();
        seat
    }

    /// It has a request; it waits again when the guard is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.rise();
        Busy(Arc::clone(self))
    }

    /// Until its place is needed.
    pub(super) async fn needed(&self) {
        self.bell.notified().await;
    }

    fn wait(&self) {
        let mut waiting = self.seats.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.bells.insert(number, Arc::clone(&self.bell));
        *self.number() = Some(number);
    }

    fn rise(&self) {
        let mut waiting = self.seats.waiting();
        if let Some(number) = self.number().take() {
            waiting.bells.remove(&number);
        }
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rise();
    }
}

/// A connection that has a request.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn is_needed(seat: &Seat) -> bool {
        seat.needed().now_or_never().is_some()
    }

    #[test]
    fn whoever_waited_longest_gives_way_first() {
        let seats = Arc::new(Seats::default());
        let [first, second] = [Seat::take(&seats), Seat::take(&seats)];
        assert!(seats.free_one());
        assert!(is_needed(&first) && !is_needed(&second));
        assert!(seats.free_one());
        assert!(is_needed(&second));
    }

    #[test]
    fn a_connection_with_a_request_does_not_give_way_and_waits_anew_afterwards() {
        let seats = Arc::new(Seats::default());
        let first = Arc::new(Seat::take(&seats));
        let busy = first.busy();
        assert!(!seats.free_one());
        let second = Seat::take(&seats);
        drop(busy);
        assert!(seats.free_one());
        assert!(is_needed(&second) && !is_needed(&first));
    }

    #[test]
    fn a_connection_that_ended_leaves_nothing_behind() {
        let seats = Arc::new(Seats::default());
        drop(Seat::take(&seats));
        let seat = Arc::new(Seat::take(&seats));
        drop(seat.busy());
        drop(seat);
        assert!(!seats.free_one());
    }
}
