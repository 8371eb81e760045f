//! The budget of Genesys' allowance: who may call next, and when.
//!
//! Genesys allows a number of requests a minute per token (300 unless told otherwise; Genesys: Rate limits), which messages
//! and receipts share. A tenth of it may be used in a burst and nine tenths flow evenly, so that no minute, wherever
//! its window begins, holds more than the allowance. Messages go first; while receipts wait, one call in ten is
//! theirs.
//!
//! The token bucket is pure; [`Budget`] is the task around it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::settings::Allowance;

/// What a call carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A customer's message.
    Message,
    /// A receipt.
    Receipt,
}

/// Of so many calls, one is a receipt's while any wait.
const RECEIPT_SHARE: u32 = 10;

/// The token bucket and the order between classes.
#[derive(Debug)]
struct Bucket {
    per_minute: f64,
    tokens: f64,
    filled: Instant,
    paused_until: Option<Instant>,
    messages_since_receipt: u32,
}

impl Bucket {
    fn new(per_minute: u32, now: Instant) -> Self {
        let per_minute = f64::from(per_minute.max(1));
        Self {
            per_minute,
            tokens: burst(per_minute),
            filled: now,
            paused_until: None,
            messages_since_receipt: 0,
        }
    }

    fn allow(&mut self, per_minute: u32) {
        self.per_minute = f64::from(per_minute.max(1));
        self.tokens = self.tokens.min(burst(self.per_minute));
    }

    fn pause_until(&mut self, until: Instant) {
        self.paused_until = Some(
            self.paused_until
                .map_or(until, |earlier| earlier.max(until)),
        );
        // After a pause the platform's window is full: begin without a burst.
        self.tokens = self.tokens.min(1.0);
    }

    /// Takes a token, or says when there is one.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.paused_until {
            if now < until {
                return Err(until);
            }
            self.paused_until = None;
            self.filled = now;
        }
        let a_second = self.per_minute * 0.9 / 60.0;
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * a_second).min(burst(self.per_minute));
        self.filled = now;
        if self.tokens < 1.0 {
            return Err(now + Duration::from_secs_f64((1.0 - self.tokens) / a_second));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    /// Which class is next, of those that wait.
    fn next_class(&mut self, messages: bool, receipts: bool) -> Class {
        if receipts && (!messages || self.messages_since_receipt + 1 >= RECEIPT_SHARE) {
            self.messages_since_receipt = 0;
            Class::Receipt
        } else {
            self.messages_since_receipt = self.messages_since_receipt.saturating_add(1);
            Class::Message
        }
    }
}

fn burst(per_minute: f64) -> f64 {
    (per_minute * 0.1).max(1.0)
}

enum Request {
    Acquire(Class, oneshot::Sender<()>),
    Allow(u32),
    Pause(Instant),
}

/// The budget, shared by everyone who calls Genesys.
#[derive(Clone)]
pub struct Budget {
    requests: mpsc::UnboundedSender<Request>,
    allowed: Arc<AtomicU32>,
    fixed: bool,
}

impl Budget {
    /// Starts the budget's task, which ends with the last handle.
    pub fn start(allowance: Allowance) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run(
            Bucket::new(allowance.per_minute, Instant::now()),
            inbox,
        ));
        let allowed = Arc::new(AtomicU32::new(allowance.per_minute));
        Self {
            requests,
            allowed,
            fixed: allowance.fixed,
        }
    }

    /// Waits for a place among the allowed calls.
    pub async fn acquire(&self, class: Class) {
        let (grant, granted) = oneshot::channel();
        if self.requests.send(Request::Acquire(class, grant)).is_ok() {
            let _ = granted.await;
        }
    }

    /// The platform's headers named its allowance. A number that the user set stays.
    pub fn observed(&self, per_minute: u32) {
        if !self.fixed && self.allowed.swap(per_minute, Ordering::Relaxed) != per_minute {
            let _ = self.requests.send(Request::Allow(per_minute));
        }
    }

    /// The platform asked for patience.
    pub fn pause(&self, wait: Duration) {
        let _ = self.requests.send(Request::Pause(Instant::now() + wait));
    }
}

async fn run(mut bucket: Bucket, mut inbox: mpsc::UnboundedReceiver<Request>) {
    let mut messages: VecDeque<oneshot::Sender<()>> = VecDeque::new();
    let mut receipts: VecDeque<oneshot::Sender<()>> = VecDeque::new();
    loop {
        // Whoever stopped waiting must not cost a call.
        messages.retain(|grant| !grant.is_closed());
        receipts.retain(|grant| !grant.is_closed());
        let wait = if messages.is_empty() && receipts.is_empty() {
            None
        } else {
            match bucket.take(Instant::now()) {
                Ok(()) => {
                    let queue = match bucket.next_class(!messages.is_empty(), !receipts.is_empty())
                    {
                        Class::Message => &mut messages,
                        Class::Receipt => &mut receipts,
                    };
                    if let Some(grant) = queue.pop_front() {
                        let _ = grant.send(());
                    }
                    continue;
                }
                Err(until) => Some(until),
            }
        };
        let request = match wait {
            None => inbox.recv().await,
            Some(until) => match tokio::time::timeout_at(until, inbox.recv()).await {
                Ok(request) => request,
                Err(_) => continue,
            },
        };
        match request {
            None => return,
            Some(Request::Acquire(Class::Message, grant)) => messages.push_back(grant),
            Some(Request::Acquire(Class::Receipt, grant)) => receipts.push_back(grant),
            Some(Request::Allow(per_minute)) => bucket.allow(per_minute),
            Some(Request::Pause(until)) => bucket.pause_until(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calls_until(bucket: &mut Bucket, start: Instant, end: Instant) -> Vec<Instant> {
        let (mut now, mut calls) = (start, Vec::new());
        while now < end {
            match bucket.take(now) {
                Ok(()) => calls.push(now),
                Err(later) => now = later.max(now + Duration::from_micros(1)),
            }
        }
        calls
    }

    proptest! {
        #[test]
        fn no_minute_wherever_it_begins_holds_more_than_the_allowance(per_minute in 1u32..600, idle in 0u64..200) {
            let start = Instant::now();
            let mut bucket = Bucket::new(per_minute, start);
            let begin = start + Duration::from_secs(idle);
            let calls = calls_until(&mut bucket, begin, begin + Duration::from_mins(3));
            for window in calls.windows(per_minute.max(2) as usize + 1) {
                let span = window[window.len() - 1] - window[0];
                prop_assert!(span >= Duration::from_mins(1), "{} calls within {span:?}", window.len());
            }
        }
    }

    #[test]
    fn nine_tenths_of_the_allowance_are_used_under_load() {
        let start = Instant::now();
        let mut bucket = Bucket::new(300, start);
        let calls = calls_until(&mut bucket, start, start + Duration::from_mins(10));
        assert!(calls.len() >= 2700, "{}", calls.len());
    }

    #[test]
    fn one_call_in_ten_is_a_receipts_while_both_wait() {
        let mut bucket = Bucket::new(300, Instant::now());
        let classes: Vec<Class> = (0..30).map(|_| bucket.next_class(true, true)).collect();
        assert_eq!(
            classes
                .iter()
                .filter(|class| **class == Class::Receipt)
                .count(),
            3
        );
    }

    #[test]
    fn receipts_alone_and_messages_alone_have_it_all() {
        let mut bucket = Bucket::new(300, Instant::now());
        assert!((0..30).all(|_| bucket.next_class(false, true) == Class::Receipt));
        assert!((0..30).all(|_| bucket.next_class(true, false) == Class::Message));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_back() {
        let budget = Budget::start(Allowance {
            per_minute: 300,
            fixed: false,
        });
        let start = Instant::now();
        budget.pause(Duration::from_secs(7));
        budget.acquire(Class::Message).await;
        assert!(start.elapsed() >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn an_allowance_that_the_user_set_is_not_changed_by_headers() {
        let budget = Budget::start(Allowance {
            per_minute: 6000,
            fixed: true,
        });
        budget.observed(1);
        let start = Instant::now();
        for _ in 0..100 {
            budget.acquire(Class::Message).await;
        }
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}
