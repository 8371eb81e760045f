//! How Genesys may count the requests of a token: in fixed windows, in a sliding one, or as a leaky bucket. Which it
//! is, is not published; the headers look the same.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::options::{RateLimit, RateLimiter};

/// What the `inin-ratelimit-*` headers say, and whether the request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(super) count: u32,
    pub(super) allowed: u32,
    /// Seconds until the window ends, rounded up.
    pub(super) reset: u64,
    /// Seconds to wait, if it is refused.
    pub(super) refused: Option<u64>,
}

impl Allowance {
    pub(crate) fn headers(self) -> [(&'static str, u64); 3] {
        [
            ("inin-ratelimit-count", self.count.into()),
            ("inin-ratelimit-allowed", self.allowed.into()),
            ("inin-ratelimit-reset", self.reset),
        ]
    }
}

/// The requests of one token.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Begun by the first request in it.
    window_began: Instant,
    requests: u32,
    recent: VecDeque<Instant>,
    level: f64,
    leaked: Instant,
}

impl Limiter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            window_began: now,
            requests: 0,
            recent: VecDeque::new(),
            level: 0.0,
            leaked: now,
        }
    }

    /// Counts one request.
    pub(crate) fn spend(&mut self, limit: RateLimit, now: Instant) -> Allowance {
        let (count, reset, wait) = match limit.limiter {
            RateLimiter::Fixed => self.fixed(limit, now),
            RateLimiter::Sliding => self.sliding(limit, now),
            RateLimiter::Leaky { burst } => self.leaky(limit, burst, now),
        };
        Allowance {
            count,
            allowed: limit.per_minute,
            reset: seconds(reset),
            refused: wait.map(seconds),
        }
    }

    fn fixed(&mut self, limit: RateLimit, now: Instant) -> (u32, Duration, Option<Duration>) {
        if now >= self.window_began + limit.window {
            self.window_began = now;
            self.requests = 0;
        }
        self.requests = self.requests.saturating_add(1);
        let left = (self.window_began + limit.window).saturating_duration_since(now);
        let refused = self.requests > limit.per_window();
        (self.requests, left, refused.then_some(left))
    }

    fn sliding(&mut self, limit: RateLimit, now: Instant) -> (u32, Duration, Option<Duration>) {
        while self
            .recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= limit.window)
        {
            self.recent.pop_front();
        }
        let count = u32::try_from(self.recent.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let left = self.recent.front().map_or(limit.window, |at| {
            (*at + limit.window).saturating_duration_since(now)
        });
        if count > limit.per_window() {
            return (count, left, Some(left));
        }
        self.recent.push_back(now);
        (count, left, None)
    }

    fn leaky(
        &mut self,
        limit: RateLimit,
        burst: u32,
        now: Instant,
    ) -> (u32, Duration, Option<Duration>) {
        let a_second = f64::from(limit.per_minute.max(1)) / 60.0;
        let leaked = now.duration_since(self.leaked).as_secs_f64() * a_second;
        self.leaked = now;
        self.level = (self.level - leaked).max(0.0) + 1.0;
        let over = self.level - f64::from(burst);
        if over > 0.0 {
            self.level -= 1.0;
            let wait = Duration::from_secs_f64(over / a_second);
            return (limit.per_minute, wait, Some(wait));
        }
        let empty = Duration::from_secs_f64(self.level / a_second);
        (1, empty, None)
    }
}

fn seconds(duration: Duration) -> u64 {
    let seconds = duration.as_millis().div_ceil(1000);
    seconds.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(limiter: RateLimiter, per_minute: u32) -> RateLimit {
        RateLimit {
            per_minute,
            limiter,
            window: Duration::from_mins(1),
        }
    }

    /// What requests at these seconds are refused with.
    fn refusals(limit: RateLimit, at: &[u64]) -> Vec<Option<u64>> {
        let start = Instant::now();
        let mut limiter = Limiter::new(start);
        let spend = |second: &u64| {
            limiter
                .spend(limit, start + Duration::from_secs(*second))
                .refused
        };
        at.iter().map(spend).collect()
    }

    #[test]
    fn the_fixed_window_begins_anew_after_a_minute() {
        let fixed = limit(RateLimiter::Fixed, 2);
        let start = Instant::now();
        let mut limiter = Limiter::new(start);
        let first = limiter.spend(fixed, start);
        let stated = (first.count, first.allowed, first.reset, first.refused);
        assert_eq!(stated, (1, 2, 60, None));
        assert_eq!(
            refusals(fixed, &[0, 30, 59, 60, 61, 62]),
            [None, None, Some(1), None, None, Some(58)]
        );
    }

    #[test]
    fn the_sliding_window_frees_each_request_a_minute_after_it() {
        let sliding = limit(RateLimiter::Sliding, 2);
        assert_eq!(
            refusals(sliding, &[0, 30, 59, 60, 61, 90]),
            [None, None, Some(1), None, Some(29), None]
        );
    }

    #[test]
    fn the_leaky_bucket_takes_some_at_once_and_then_evenly() {
        let leaky = limit(RateLimiter::Leaky { burst: 3 }, 60);
        assert_eq!(
            refusals(leaky, &[0, 0, 0, 0, 1, 2, 2]),
            [None, None, None, Some(1), None, None, Some(1)]
        );
    }

    #[test]
    fn a_shorter_window_holds_its_share_of_the_minute() {
        let short = RateLimit {
            window: Duration::from_secs(10),
            ..limit(RateLimiter::Fixed, 12)
        };
        assert_eq!(refusals(short, &[0, 1, 2, 10]), [None, None, Some(8), None]);
    }
}
