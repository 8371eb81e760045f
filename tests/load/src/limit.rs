//! Genesys' limit: so many requests in each window of a minute, and what its headers say of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_mins(1);

/// The limit and what was counted.
pub(crate) struct Limit {
    allowed: u32,
    counted: Mutex<Counted>,
}

struct Counted {
    began: Instant,
    requests: u32,
    refused: u32,
}

impl Limit {
    /// So many requests a minute. The first window begins now.
    pub(crate) fn of(allowed: u32) -> Self {
        let began = Instant::now();
        Self {
            allowed,
            counted: Mutex::new(Counted {
                began,
                requests: 0,
                refused: 0,
            }),
        }
    }

    /// Counts a request. Either way the answer's headers come back; as an error where it is one too many.
    pub(crate) fn count(&self) -> Result<String, String> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        while counted.began.elapsed() >= WINDOW {
            counted.began += WINDOW;
            counted.requests = 0;
        }
        counted.requests += 1;
        let taken = counted.requests <= self.allowed;
        counted.refused += u32::from(!taken);
        let reset = WINDOW.saturating_sub(counted.began.elapsed()).as_secs() + 1;
        let headers = format!(
            "inin-ratelimit-count: {}\r\ninin-ratelimit-allowed: {}\r\ninin-ratelimit-reset: {reset}\r\n",
            counted.requests, self.allowed
        );
        if taken {
            return Ok(headers);
        }
        Err(format!("{headers}retry-after: {reset}\r\n"))
    }

    /// How many were one too many.
    pub(crate) fn refused(&self) -> u32 {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_too_many_is_refused_and_counted() {
        let limit = Limit::of(2);
        assert!(limit.count().is_ok());
        let second = limit.count();
        assert!(second.is_ok_and(|headers| headers.contains("inin-ratelimit-count: 2\r\n")));
        let third = limit.count();
        assert!(third.is_err_and(|headers| headers.contains("retry-after: ")));
        assert_eq!(limit.refused(), 1);
    }
}
