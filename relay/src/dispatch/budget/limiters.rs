//! Models of how a platform may count requests: fixed window, sliding window, leaky bucket. Each states what Genesys'
//! headers state. They are exact; they know nothing of networks.

use std::collections::VecDeque;
use std::time::Duration;

use messaging_bridge_clients::genesys::RateLimit;
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_mins(1);

/// Which of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Windows of a minute, one after the other, the first begun so long before the first request.
    Fixed(Duration),
    /// At most so many in any minute.
    Sliding,
    /// So many at once, then evenly.
    Leaky(f64),
}

/// A limiter under way.
#[derive(Debug)]
pub(super) struct Limiter {
    kind: Kind,
    pub(super) allowed: u32,
    start: Instant,
    window: u64,
    count: u32,
    recent: VecDeque<Instant>,
    level: f64,
    leaked: Instant,
}

/// What a request is answered.
pub(super) struct Verdict {
    /// Seconds to wait, rounded up, when it is refused.
    pub(super) retry_after: Option<Duration>,
    pub(super) limit: RateLimit,
}

impl Limiter {
    pub(super) fn new(kind: Kind, allowed: u32, now: Instant) -> Self {
        Self {
            kind,
            allowed,
            start: now,
            window: 0,
            count: 0,
            recent: VecDeque::new(),
            level: 0.0,
            leaked: now,
        }
    }

    pub(super) fn request(&mut self, now: Instant) -> Verdict {
        let (count, wait, reset) = match self.kind {
            Kind::Fixed(before) => self.fixed(before, now),
            Kind::Sliding => self.sliding(now),
            Kind::Leaky(capacity) => self.leaky(capacity, now),
        };
        Verdict {
            retry_after: wait.map(whole_seconds),
            limit: RateLimit {
                allowed: self.allowed,
                count,
                reset: whole_seconds(reset),
            },
        }
    }

    fn fixed(&mut self, before: Duration, now: Instant) -> (u32, Option<Duration>, Duration) {
        let since = now.duration_since(self.start) + before;
        let window = since.as_secs() / WINDOW.as_secs();
        if window != self.window {
            (self.window, self.count) = (window, 0);
        }
        self.count += 1;
        let ends = WINDOW * u32::try_from(window + 1).expect("a test is short");
        let left = ends.saturating_sub(since);
        (
            self.count,
            (self.count > self.allowed).then_some(left),
            left,
        )
    }

    fn sliding(&mut self, now: Instant) -> (u32, Option<Duration>, Duration) {
        while self.recent.front().is_some_and(|at| *at + WINDOW <= now) {
            self.recent.pop_front();
        }
        let count = u32::try_from(self.recent.len()).expect("a test is short") + 1;
        // When so many have left the window that one more has room.
        let leaves = count.saturating_sub(self.allowed + 1) as usize;
        let left = self
            .recent
            .get(leaves)
            .map_or(WINDOW, |at| *at + WINDOW - now);
        if count > self.allowed {
            return (count, Some(left), left);
        }
        self.recent.push_back(now);
        (count, None, left)
    }

    fn leaky(&mut self, capacity: f64, now: Instant) -> (u32, Option<Duration>, Duration) {
        let a_second = f64::from(self.allowed) / WINDOW.as_secs_f64();
        let passed = now.duration_since(self.leaked).as_secs_f64();
        self.level = (self.level - passed * a_second).max(0.0);
        self.leaked = now;
        let reset = Duration::from_secs_f64(self.level / a_second);
        if self.level + 1.0 > capacity {
            let wait = Duration::from_secs_f64((self.level + 1.0 - capacity) / a_second);
            return (self.allowed, Some(wait), reset);
        }
        self.level += 1.0;
        (1, None, reset)
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_millis().div_ceil(1000).try_into().unwrap_or(60))
}
