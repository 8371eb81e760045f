//! First tries in order, per conversation.
//!
//! Neither platform promises an order of webhooks, yet in practice two messages of one customer are first tried in
//! the order in which they were written; only retries overtake. A turn is taken when a message is written and waited
//! for when its first try may start.

use std::collections::HashMap;

use tokio::sync::oneshot;

/// The last turn taken in each conversation.
#[derive(Default)]
pub(crate) struct Turns(HashMap<String, oneshot::Receiver<()>>);

/// A place in the order. The next one starts when this is dropped.
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _ends: oneshot::Sender<()>,
}

impl Turns {
    /// Takes the next turn of a conversation.
    pub(crate) fn take(&mut self, conversation: &str) -> Turn {
        let (ends, ended) = oneshot::channel();
        Turn {
            before: self.0.insert(conversation.to_owned(), ended),
            _ends: ends,
        }
    }
}

impl Turn {
    /// Waits until the turn before this one ended.
    pub(crate) async fn wait(&mut self) {
        if let Some(before) = self.before.take() {
            // An error means that the turn before was dropped: it ended.
            let _ = before.await;
        }
    }
}
