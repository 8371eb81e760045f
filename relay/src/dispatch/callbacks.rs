//! Tells which lane waits for what a status callback reported, without anybody reading the store again and again.
//!
//! In memory only: whoever waits also looks into the outbox, where every callback is recorded first. A lane waits for
//! one send at a time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::outbox::{LaneKey, Rank, SendId};

/// The lanes that wait for a callback.
#[derive(Debug, Default)]
pub struct Callbacks(Mutex<Awaited>);

#[derive(Debug, Default)]
struct Awaited {
    by_send: HashMap<SendId, (Rank, LaneKey)>,
    by_lane: HashMap<LaneKey, SendId>,
}

impl Callbacks {
    /// This lane waits until the send has at least this rank.
    pub fn await_rank(&self, lane: &LaneKey, send: &SendId, rank: Rank) {
        let mut awaited = self.awaited();
        awaited.forget(lane);
        awaited.by_lane.insert(lane.clone(), send.clone());
        awaited.by_send.insert(send.clone(), (rank, lane.clone()));
    }

    /// This lane waits for no callback.
    pub fn forget(&self, lane: &LaneKey) {
        self.awaited().forget(lane);
    }

    /// A callback reported this of a send. The lane that waited for it, if one did.
    pub fn tell(&self, send: &SendId, rank: Rank) -> Option<LaneKey> {
        let mut awaited = self.awaited();
        let (wanted, lane) = awaited.by_send.get(send)?;
        if rank < *wanted {
            return None;
        }
        let lane = lane.clone();
        awaited.forget(&lane);
        Some(lane)
    }

    fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Awaited {
    fn forget(&mut self, lane: &LaneKey) {
        if let Some(send) = self.by_lane.remove(lane) {
            self.by_send.remove(&send);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CustomerId;
    use crate::outbox::Direction;

    fn lane() -> LaneKey {
        LaneKey::new(Direction::Outbound, &CustomerId::new("+15557654321"))
    }

    #[test]
    fn a_lane_is_named_once_when_its_send_has_come_as_far_as_it_waits_for() {
        let (callbacks, send) = (Callbacks::default(), SendId::new("s1"));
        callbacks.await_rank(&lane(), &send, Rank::Sent);
        assert_eq!(callbacks.tell(&send, Rank::Accepted), None);
        assert_eq!(callbacks.tell(&send, Rank::Delivered), Some(lane()));
        assert_eq!(callbacks.tell(&send, Rank::Read), None);
    }

    #[test]
    fn a_send_that_nobody_waits_for_any_more_is_not_remembered() {
        let (callbacks, first) = (Callbacks::default(), SendId::new("s1"));
        callbacks.await_rank(&lane(), &first, Rank::Sent);
        callbacks.await_rank(&lane(), &SendId::new("s2"), Rank::Sent);
        assert_eq!(callbacks.tell(&first, Rank::Sent), None);
        callbacks.forget(&lane());
        let awaited = callbacks.awaited();
        assert!(awaited.by_lane.is_empty() && awaited.by_send.is_empty());
    }
}
