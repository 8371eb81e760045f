//! The budget of Genesys' allowance: who may call next, and when.
//!
//! Genesys allows a number of requests a minute per token (300 unless its headers or the user say otherwise; Genesys:
//! Rate limits), which messages and receipts share. How it counts them is not published. So calls flow evenly, at 98 %
//! of the allowance, with a hundredth of it at once after a rest: no minute, wherever its window begins, holds more
//! than the allowance, and no leaky bucket that takes a few at once runs over.
//!
//! Messages go first, in the order in which they asked, so that conversations take turns; while receipts wait, one call
//! in ten is theirs. When Genesys asks for patience, or says that its window is used up (by somebody else who uses the
//! token), everybody waits; a second 429 without a success between doubles the wait.
//!
//! The bucket is pure; [`Budget`] is the task around it.

#[cfg(test)]
mod limiters;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use messaging_bridge_clients::genesys::RateLimit;
use messaging_bridge_clients::{ApiError, ErrorKind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::pace::Pace;
use super::retry;
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
/// The share of the allowance that flows evenly.
const FLOW: f64 = 0.98;
/// The share of the allowance that may go at once after a rest.
const BURST: f64 = 0.01;
/// The minute of the allowance; also how long a lower allowance is believed after it was stated last.
const WINDOW: Duration = Duration::from_mins(1);

/// How an answer bears on the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The call was counted and served, or failed for another reason.
    Served,
    /// Genesys asked for patience.
    Throttled(Option<Duration>),
}

/// The pace, the pauses and the order between classes.
#[derive(Debug)]
struct Bucket {
    allowance: Allowance,
    /// When the allowance in force was stated last.
    stated: Option<Instant>,
    pace: Pace,
    paused_until: Option<Instant>,
    /// Pauses in a row that Genesys asked for, without a success between.
    refusals: u32,
    messages_since_receipt: u32,
}

impl Bucket {
    fn new(allowance: Allowance, now: Instant) -> Self {
        let (per_second, burst) = flow(allowance.per_minute);
        Self {
            allowance,
            stated: None,
            pace: Pace::new(per_second, burst, now),
            paused_until: None,
            refusals: 0,
            messages_since_receipt: 0,
        }
    }

    /// What Genesys states of its limit. Operations may have different ones: the lowest of the last minute counts. A
    /// number that the user set stays.
    fn stated(&mut self, limit: RateLimit, now: Instant) {
        if self.allowance.fixed {
            return;
        }
        let current = self.allowance.per_minute;
        let lower_is_fresh = self.stated.is_some_and(|at| now < at + WINDOW);
        if limit.allowed <= current || !lower_is_fresh {
            self.stated = Some(now);
            if limit.allowed != current {
                self.allowance.per_minute = limit.allowed;
                let (per_second, burst) = flow(limit.allowed);
                self.pace.change(per_second, burst, now);
            }
        }
        if limit.count >= limit.allowed {
            self.pause_until(now + limit.reset.min(WINDOW));
        }
    }

    fn told(&mut self, told: Told, now: Instant) {
        match told {
            Told::Served => self.refusals = 0,
            // One of several that were under way when Genesys first said so.
            Told::Throttled(_) if self.paused_until.is_some_and(|until| now < until) => {}
            Told::Throttled(retry_after) => {
                let wait = retry::throttled_again(retry_after, self.refusals);
                self.refusals += 1;
                self.pause_until(now + wait);
            }
        }
    }

    fn pause_until(&mut self, until: Instant) {
        let until = self
            .paused_until
            .map_or(until, |earlier| earlier.max(until));
        self.paused_until = Some(until);
        // The platform's window is full: begin without a burst.
        self.pace.begin_again(until);
    }

    /// Takes a place, or says when there is one.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        match self.paused_until {
            Some(until) if now < until => Err(until),
            _ => {
                self.paused_until = None;
                self.pace.take(now)
            }
        }
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

/// Calls a second and at once.
fn flow(per_minute: u32) -> (f64, f64) {
    let per_minute = f64::from(per_minute.max(1));
    (per_minute * FLOW / WINDOW.as_secs_f64(), per_minute * BURST)
}

enum Request {
    Acquire(Class, oneshot::Sender<()>),
    Answered(Told, Option<RateLimit>),
}

/// The budget, shared by everyone who calls Genesys.
#[derive(Clone)]
pub struct Budget {
    requests: mpsc::UnboundedSender<Request>,
}

impl Budget {
    /// Starts the budget's task, which ends with the last handle.
    pub fn start(allowance: Allowance) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run(Bucket::new(allowance, Instant::now()), inbox));
        Self { requests }
    }

    /// Waits for a place among the allowed calls.
    pub async fn acquire(&self, class: Class) {
        let (grant, granted) = oneshot::channel();
        if self.requests.send(Request::Acquire(class, grant)).is_ok() {
            let _ = granted.await;
        }
    }

    /// A call was answered: with this error, if any, and with what the headers stated of the limit.
    pub fn answered(&self, error: Option<&ApiError>, limit: Option<RateLimit>) {
        let told = match error.map(|error| &error.kind) {
            Some(ErrorKind::Throttled { retry_after }) => Told::Throttled(*retry_after),
            _ => Told::Served,
        };
        // Without its task the budget holds nobody back any more.
        let _ = self.requests.send(Request::Answered(told, limit));
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
        let now = Instant::now();
        match request {
            None => return,
            Some(Request::Acquire(Class::Message, grant)) => messages.push_back(grant),
            Some(Request::Acquire(Class::Receipt, grant)) => receipts.push_back(grant),
            Some(Request::Answered(told, limit)) => {
                if let Some(limit) = limit {
                    bucket.stated(limit, now);
                }
                bucket.told(told, now);
            }
        }
    }
}
