//! Tells a waiting sender what a status callback reported, without reading the store again and again.
//!
//! In memory only: whoever waits also looks into the outbox, where every callback is recorded first.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use crate::outbox::{Rank, SendId};

/// The sends that somebody waits for.
#[derive(Debug, Default)]
pub struct Callbacks(Mutex<HashMap<SendId, watch::Sender<Rank>>>);

/// Hears what becomes of one send, as long as it lives.
pub struct Ear<'c> {
    callbacks: &'c Callbacks,
    send: SendId,
    heard: watch::Receiver<Rank>,
}

impl Callbacks {
    /// Begins to listen for a send.
    pub fn listen(&self, send: &SendId) -> Ear<'_> {
        let (tell, heard) = watch::channel(Rank::Pending);
        self.waiting().insert(send.clone(), tell);
        Ear {
            callbacks: self,
            send: send.clone(),
            heard,
        }
    }

    /// A callback reported this of a send.
    pub fn tell(&self, send: &SendId, rank: Rank) {
        if let Some(tell) = self.waiting().get(send) {
            tell.send_if_modified(|known| std::mem::replace(known, rank.max(*known)) < rank);
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<SendId, watch::Sender<Rank>>> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Ear<'_> {
    /// Waits until the send has at least this rank, or for `patience`. Returns the highest rank heard.
    pub async fn at_least(&mut self, rank: Rank, patience: Duration) -> Rank {
        // Whether it was heard in time or not: what counts is what has been heard by now.
        let _ = tokio::time::timeout(patience, self.heard.wait_for(|heard| *heard >= rank)).await;
        *self.heard.borrow()
    }
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        self.callbacks.waiting().remove(&self.send);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sender_hears_the_highest_rank_and_no_later_regression() {
        let callbacks = Callbacks::default();
        let send = SendId::new("s1");
        let mut ear = callbacks.listen(&send);
        callbacks.tell(&send, Rank::Delivered);
        callbacks.tell(&send, Rank::Accepted);
        assert_eq!(
            ear.at_least(Rank::Sent, Duration::from_secs(5)).await,
            Rank::Delivered
        );
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let callbacks = Callbacks::default();
        let mut ear = callbacks.listen(&SendId::new("s1"));
        assert_eq!(
            ear.at_least(Rank::Sent, Duration::from_secs(5)).await,
            Rank::Pending
        );
    }

    #[test]
    fn nobody_is_remembered_who_stopped_listening() {
        let callbacks = Callbacks::default();
        drop(callbacks.listen(&SendId::new("s1")));
        assert!(callbacks.waiting().is_empty());
    }
}
