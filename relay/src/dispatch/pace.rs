//! A token bucket: so many a second, and a few at once after a rest. Pure, but for the times handed in.

use std::time::Duration;

use tokio::time::Instant;

/// The bucket. It begins full.
#[derive(Debug, Clone)]
pub struct Pace {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Pace {
    /// `per_second` in the long run; after a rest, `burst` at once (at least one).
    pub fn new(per_second: f64, burst: f64, now: Instant) -> Self {
        let burst = burst.max(1.0);
        Self {
            per_second,
            burst,
            tokens: burst,
            filled: now,
        }
    }

    /// Another rate from now on. What was saved up stays, as far as the new burst allows.
    pub fn change(&mut self, per_second: f64, burst: f64, now: Instant) {
        self.fill(now);
        self.per_second = per_second;
        self.burst = burst.max(1.0);
        self.tokens = self.tokens.min(self.burst);
    }

    /// Takes a token, or says when there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        self.fill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - self.tokens) / self.per_second;
        // A microsecond more: what is waited for must be there then, whatever was rounded.
        Err(now + Duration::from_secs_f64(wait) + Duration::from_micros(1))
    }

    /// A token that was taken was not used.
    pub fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.burst);
    }

    /// What was saved up is gone; the next one goes at `from`.
    pub fn begin_again(&mut self, from: Instant) {
        self.tokens = 1.0;
        self.filled = from;
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_given_back_is_there_at_once_and_none_is_made() {
        let now = Instant::now();
        let mut pace = Pace::new(1.0, 2.0, now);
        for _ in 0..2 {
            assert!(pace.take(now).is_ok());
        }
        assert!(pace.take(now).is_err());
        pace.give_back();
        assert!(pace.take(now).is_ok());
        for _ in 0..5 {
            pace.give_back();
        }
        assert!(pace.take(now).is_ok() && pace.take(now).is_ok());
        assert!(pace.take(now).is_err(), "never more than a burst");
    }

    /// When so many are let through, in milliseconds after `start`.
    fn taken(pace: &mut Pace, start: Instant, count: usize) -> Vec<u128> {
        let (mut now, mut times) = (start, Vec::new());
        while times.len() < count {
            match pace.take(now) {
                Ok(()) => times.push(now.duration_since(start).as_millis()),
                Err(later) => now = later,
            }
        }
        times
    }

    #[test]
    fn after_a_rest_a_few_go_at_once_and_the_others_evenly() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0, 3.0, start);
        assert_eq!(taken(&mut pace, start, 6), [0, 0, 0, 100, 200, 300]);
        let later = start + Duration::from_mins(1);
        assert_eq!(taken(&mut pace, later, 4), [0, 0, 0, 100]);
    }

    #[test]
    fn whoever_begins_again_has_saved_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0, 3.0, start);
        pace.begin_again(start);
        assert_eq!(taken(&mut pace, start, 3), [0, 100, 200]);
    }

    #[test]
    fn another_rate_counts_from_the_moment_of_the_change() {
        let start = Instant::now();
        let mut pace = Pace::new(1.0, 1.0, start);
        assert_eq!(taken(&mut pace, start, 1), [0]);
        pace.change(10.0, 1.0, start);
        assert_eq!(taken(&mut pace, start, 3), [100, 200, 300]);
    }
}
