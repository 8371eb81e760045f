//! What a direction's lanes wait for at the start: not for ever, and not beyond the signal to stop.

use std::time::Duration;

use tokio::sync::watch;

/// A wait at the start.
#[derive(Clone)]
pub struct Hold {
    /// True when there is nothing to wait for any more.
    pub over: watch::Receiver<bool>,
    /// But not longer than this.
    pub at_most: Duration,
    /// What is said then, if anything.
    pub late: Option<&'static str>,
}

/// What each direction waits for.
pub struct Holds {
    /// The first look for missed messages.
    pub inbound: Hold,
    /// The time: each send tells Twilio how much of its validity is left, and a listing is compared with the time of its
    /// mark. A platform's first answer brings it, and a send may be what brings that.
    pub outbound: Hold,
}

impl Hold {
    /// Waits until the lanes may start, or the relay stops.
    pub async fn wait(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            // A sender that is gone ends the wait as well.
            over = tokio::time::timeout(self.at_most, self.over.wait_for(|over| *over)) => {
                if let (Err(_), Some(late)) = (over, self.late) {
                    tracing::warn!("{late}");
                }
            }
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}
