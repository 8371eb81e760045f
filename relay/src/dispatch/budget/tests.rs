use std::collections::BTreeMap;

use messaging_bridge_clients::Platform;
use proptest::prelude::*;
use rstest::rstest;

use super::limiters::{Kind, Limiter, Verdict};
use super::*;

const DEFAULT: Allowance = Allowance {
    per_minute: 300,
    fixed: false,
};

/// What became of a deep backlog.
#[derive(Debug, Default)]
struct Outcome {
    served: u32,
    refused: u32,
    refused_in_a_row: u32,
    /// The longest run of refusals without a success between.
    longest_refusal: u32,
}

impl Outcome {
    fn share_of(&self, allowed: u32, minutes: u32) -> f64 {
        f64::from(self.served) / f64::from(allowed * minutes)
    }

    fn note(&mut self, is_refused: bool) {
        if is_refused {
            self.refused += 1;
            self.refused_in_a_row += 1;
            self.longest_refusal = self.longest_refusal.max(self.refused_in_a_row);
        } else {
            self.served += 1;
            self.refused_in_a_row = 0;
        }
    }
}

enum Event {
    Arrives,
    Answered(Verdict),
}

/// A backlog that never ends, against a limiter, in virtual time.
struct Backlog<'j> {
    bucket: Bucket,
    limiter: Limiter,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    serial: u64,
    under_way: usize,
    /// Each call is under way for 40 ms in both directions, to which the network adds this.
    jitter: &'j mut dyn FnMut() -> Duration,
}

impl<'j> Backlog<'j> {
    fn new(kind: Kind, allowed: u32, jitter: &'j mut dyn FnMut() -> Duration) -> Self {
        let now = Instant::now();
        Self {
            bucket: Bucket::new(DEFAULT, now),
            limiter: Limiter::new(kind, allowed, now),
            now,
            events: BTreeMap::new(),
            serial: 0,
            under_way: 0,
            jitter,
        }
    }

    fn goes_on_for(&mut self, minutes: u32) -> Outcome {
        let end = self.now + WINDOW * minutes;
        let (mut outcome, mut next_call) = (Outcome::default(), self.now);
        while self.now < end {
            let next_event = self.events.keys().next().map(|(at, _)| *at);
            if self.under_way < 16 && next_event.is_none_or(|at| next_call <= at) {
                self.now = self.now.max(next_call);
                match self.bucket.take(self.now) {
                    Ok(()) => {
                        self.under_way += 1;
                        self.later(Event::Arrives);
                    }
                    Err(later) => next_call = later,
                }
            } else {
                self.next_event(&mut outcome);
                next_call = self.now;
            }
        }
        outcome
    }

    fn later(&mut self, event: Event) {
        self.serial += 1;
        let at = self.now + Duration::from_millis(40) + (self.jitter)();
        self.events.insert((at, self.serial), event);
    }

    fn next_event(&mut self, outcome: &mut Outcome) {
        let Some(((at, _), event)) = self.events.pop_first() else {
            return;
        };
        self.now = at;
        match event {
            Event::Arrives => {
                let verdict = self.limiter.request(at);
                self.later(Event::Answered(verdict));
            }
            Event::Answered(verdict) => {
                self.under_way -= 1;
                self.bucket.stated(verdict.limit, at);
                let told = verdict
                    .retry_after
                    .map_or(Told::Served, |wait| Told::Throttled(Some(wait)));
                self.bucket.told(told, at);
                outcome.note(verdict.retry_after.is_some());
            }
        }
    }
}

const KINDS: [(&str, Kind); 6] = [
    ("fixed, begun with the first", Kind::Fixed(Duration::ZERO)),
    ("fixed, 20 s old", Kind::Fixed(Duration::from_secs(20))),
    ("fixed, 59 s old", Kind::Fixed(Duration::from_secs(59))),
    ("sliding", Kind::Sliding),
    ("leaky, 30 at once", Kind::Leaky(30.0)),
    ("leaky, 5 at once", Kind::Leaky(5.0)),
];

#[rstest]
fn a_deep_backlog_uses_97_percent_and_meets_no_second_429_in_a_row(
    #[values(300, 180, 100, 60, 20, 1200)] allowed: u32,
    #[values(0, 150)] jitter_millis: u64,
) {
    for (name, kind) in KINDS {
        let mut turn = 0u64;
        let mut jitter = || {
            turn = turn
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            Duration::from_millis((turn >> 33) % (jitter_millis + 1))
        };
        let outcome = Backlog::new(kind, allowed, &mut jitter).goes_on_for(60);
        let share = outcome.share_of(allowed, 60);
        assert!(
            share >= 0.97,
            "{name}, {allowed} a minute: {share} {outcome:?}"
        );
        assert!(
            outcome.longest_refusal <= 1,
            "{name}, {allowed} a minute: {outcome:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_minute_wherever_it_begins_holds_more_than_the_allowance(per_minute in 1u32..600, idle in 0u64..200) {
        let start = Instant::now();
        let mut bucket = Bucket::new(Allowance { per_minute, fixed: false }, start);
        let (mut now, mut calls) = (start + Duration::from_secs(idle), Vec::new());
        while now < start + Duration::from_secs(idle + 180) {
            match bucket.take(now) {
                Ok(()) => calls.push(now),
                Err(later) => now = later,
            }
        }
        for window in calls.windows(per_minute as usize + 1) {
            let span = window[window.len() - 1] - window[0];
            prop_assert!(span >= WINDOW, "{} calls within {span:?}", window.len());
        }
    }
}

#[test]
fn an_allowance_that_falls_under_load_costs_one_429_and_not_two_in_a_row() {
    for (name, kind) in KINDS {
        let mut jitter = || Duration::ZERO;
        let mut backlog = Backlog::new(kind, 300, &mut jitter);
        backlog.goes_on_for(2);
        backlog.limiter.allowed = 60;
        let outcome = backlog.goes_on_for(10);
        assert!(outcome.longest_refusal <= 1, "{name}: {outcome:?}");
    }
}

fn limit(allowed: u32, count: u32) -> RateLimit {
    RateLimit {
        allowed,
        count,
        reset: Duration::from_secs(40),
    }
}

#[test]
fn of_two_limits_that_are_stated_in_turn_the_lower_counts_until_it_was_silent_for_a_minute() {
    let now = Instant::now();
    let mut bucket = Bucket::new(DEFAULT, now);
    bucket.stated(limit(180, 1), now);
    bucket.stated(limit(300, 1), now + Duration::from_secs(30));
    assert_eq!(bucket.allowance.per_minute, 180);
    bucket.stated(limit(300, 1), now + WINDOW);
    assert_eq!(bucket.allowance.per_minute, 300);
    bucket.stated(limit(600, 1), now + WINDOW * 2);
    assert_eq!(bucket.allowance.per_minute, 600);
}

#[test]
fn a_window_that_somebody_else_used_up_is_waited_for_without_a_429() {
    let now = Instant::now();
    let mut bucket = Bucket::new(DEFAULT, now);
    bucket.stated(limit(300, 300), now);
    assert_eq!(bucket.take(now), Err(now + Duration::from_secs(40)));
}

#[test]
fn answers_that_were_under_way_when_genesys_asked_for_patience_do_not_double_the_wait() {
    let now = Instant::now();
    let mut bucket = Bucket::new(DEFAULT, now);
    let asked = Told::Throttled(Some(Duration::from_secs(10)));
    bucket.told(asked, now);
    bucket.told(asked, now + Duration::from_secs(1));
    let until = now + Duration::from_secs(10);
    assert_eq!(bucket.take(now), Err(until));
    bucket.told(asked, until);
    assert_eq!(
        bucket.take(until),
        Err(until + Duration::from_secs(20)),
        "asked again right after the pause"
    );
    bucket.told(Told::Served, until + Duration::from_secs(20));
    let later = until + Duration::from_secs(30);
    bucket.told(asked, later);
    assert_eq!(bucket.take(later), Err(later + Duration::from_secs(10)));
}

#[test]
fn one_call_in_ten_is_a_receipts_while_both_wait() {
    let mut bucket = Bucket::new(DEFAULT, Instant::now());
    let classes: Vec<Class> = (0..30).map(|_| bucket.next_class(true, true)).collect();
    let receipts = classes.iter().filter(|class| **class == Class::Receipt);
    assert_eq!(receipts.count(), 3);
}

#[test]
fn receipts_alone_and_messages_alone_have_it_all() {
    let mut bucket = Bucket::new(DEFAULT, Instant::now());
    assert!((0..30).all(|_| bucket.next_class(false, true) == Class::Receipt));
    assert!((0..30).all(|_| bucket.next_class(true, false) == Class::Message));
}

fn throttled(seconds: u64) -> ApiError {
    let kind = ErrorKind::Throttled {
        retry_after: Some(Duration::from_secs(seconds)),
    };
    ApiError::new(Platform::Genesys, "send message", kind, "slow down")
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everybody_back() {
    let budget = Budget::start(DEFAULT);
    let start = Instant::now();
    budget.answered(Some(&throttled(7)), None);
    budget.acquire(Class::Message).await;
    assert!(start.elapsed() >= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn an_allowance_that_the_user_set_is_not_changed_by_headers() {
    let budget = Budget::start(Allowance {
        per_minute: 6000,
        fixed: true,
    });
    budget.answered(None, Some(limit(1, 1)));
    let start = Instant::now();
    for _ in 0..100 {
        budget.acquire(Class::Message).await;
    }
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn whoever_stopped_waiting_costs_no_call() {
    let budget = Budget::start(Allowance {
        per_minute: 60,
        fixed: true,
    });
    budget.acquire(Class::Message).await;
    let start = Instant::now();
    let impatient = budget.acquire(Class::Message);
    assert!(
        tokio::time::timeout(Duration::from_millis(10), impatient)
            .await
            .is_err()
    );
    budget.acquire(Class::Message).await;
    assert!(start.elapsed() < Duration::from_millis(1100));
}

#[tokio::test(start_paused = true)]
async fn messages_and_receipts_that_wait_share_the_pace_as_one_to_ten() {
    let budget = Budget::start(Allowance {
        per_minute: 600,
        fixed: true,
    });
    let start = Instant::now();
    let (granted, mut order) = mpsc::unbounded_channel();
    for class in [Class::Receipt, Class::Message] {
        for _ in 0..30 {
            let (budget, granted) = (budget.clone(), granted.clone());
            tokio::spawn(async move {
                budget.acquire(class).await;
                let _ = granted.send((class, Instant::now()));
            });
        }
    }
    let mut seen = Vec::new();
    for _ in 0..60 {
        seen.push(order.recv().await.expect("all of them are granted"));
    }
    let paced = seen[6..26].iter();
    let receipts = paced.filter(|(class, _)| *class == Class::Receipt).count();
    assert_eq!(receipts, 2, "{seen:?}");
    // Ten a second, of which six may go at once.
    let (_, last) = seen[59];
    let took = last - start;
    assert!(took > Duration::from_secs(5), "{took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}
