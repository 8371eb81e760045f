//! Wall-clock time, injected.
//!
//! Ages, expiry and `channel.time` use this clock; waits, pacing and token life use tokio's monotonic clock. Tests set
//! the time by hand.
//!
//! The machine's clock may be wrong, and may jump. [`CorrectedClock`] compares it with what the platforms say in their
//! answers, carried on by the monotonic clock: where they differ, the platforms are right. Until one of them was heard,
//! and while they differ from each other, there is no time by which anything may expire or be purged. What was stored
//! before the first answer is put right then.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use messaging_bridge_clients::ServerTime;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::outbox::Outbox;

/// Where wall-clock time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The current time, cut to milliseconds, which is what the store and both platforms hold.
    fn now(&self) -> Timestamp;

    /// The current time if it is sure enough to end or remove something by it.
    fn sure(&self) -> Option<Timestamp> {
        Some(self.now())
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        from_millis(Timestamp::now().as_millisecond())
    }
}

/// What time each platform last said it is.
pub type Told = Box<dyn Fn() -> [Option<ServerTime>; 2] + Send + Sync>;

/// A clock that the platforms correct.
pub struct CorrectedClock {
    machine: Arc<dyn Clock>,
    told: Told,
    /// What the machine showed when this clock was made.
    made: Timestamp,
    /// The time that was agreed on last.
    agreed: Mutex<Option<ServerTime>>,
    settled: watch::Sender<bool>,
}

/// Closer than this the machine's clock is right: `Date` has whole seconds, and answers take their time.
const CLOSE: SignedDuration = SignedDuration::from_secs(5);
/// Platforms that differ by more than this are both doubted.
const DOUBTFUL: SignedDuration = SignedDuration::from_mins(5);
/// Between two looks for the first answer of a platform, and between two tries to store what follows from it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl CorrectedClock {
    /// Corrects the machine's clock by what `told` answers.
    pub fn new(machine: Arc<dyn Clock>, told: Told) -> Self {
        Self {
            made: machine.now(),
            machine,
            told,
            agreed: Mutex::new(None),
            settled: watch::Sender::new(false),
        }
    }

    /// Becomes true when the time is known for the first time.
    pub fn settled(&self) -> watch::Receiver<bool> {
        self.settled.subscribe()
    }

    /// Waits until the time is known. If the machine's was wrong, the arrival of what was stored by it meanwhile is
    /// put right, and only then is this clock sure: nothing ends by an arrival that never was.
    pub async fn settle(&self, outbox: &dyn Outbox) {
        let skew = loop {
            match self.skew() {
                Some(skew) => break skew,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        if skew.abs() > CLOSE {
            tracing::warn!(
                seconds = skew.as_secs(),
                "the clock of this machine is wrong: both platforms' time is used instead"
            );
            let second = SignedDuration::from_secs(1);
            let stored = (self.made - second, self.machine.now() + second);
            while let Err(error) = outbox.restamp(stored, skew).await {
                tracing::warn!(%error, "arrivals could not be put right yet");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        self.settled.send_replace(true);
    }

    /// By how much the machine's clock is to be moved.
    fn skew(&self) -> Option<SignedDuration> {
        let time = self.agreed_now()?;
        Some(time.duration_since(self.machine.now()))
    }

    /// The time that the platforms agree on.
    fn agreed_now(&self) -> Option<Timestamp> {
        let now = Instant::now();
        let time = agreed((self.told)(), now)?;
        *self.last_agreed() = Some(ServerTime {
            told: time,
            read: now,
        });
        Some(time)
    }

    fn last_agreed(&self) -> MutexGuard<'_, Option<ServerTime>> {
        self.agreed
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Clock for CorrectedClock {
    fn now(&self) -> Timestamp {
        let machine = self.machine.now();
        let time = self.agreed_now().or_else(|| {
            let last = *self.last_agreed();
            last.map(|last| last.told + last.read.elapsed())
        });
        time.map_or(machine, |time| corrected(machine, time))
    }

    fn sure(&self) -> Option<Timestamp> {
        if !*self.settled.borrow() {
            return None;
        }
        let time = self.agreed_now()?;
        Some(corrected(self.machine.now(), time))
    }
}

/// The time that the platforms agree on, carried on to `now`.
fn agreed(told: [Option<ServerTime>; 2], now: Instant) -> Option<Timestamp> {
    let carried_on = |time: ServerTime| {
        let passed = now.saturating_duration_since(time.read);
        // `Date` was cut to the second: on average half of one is missing.
        time.told + (passed + Duration::from_millis(500))
    };
    match told.map(|time| time.map(carried_on)) {
        [Some(one), Some(other)] if one.duration_since(other).abs() > DOUBTFUL => None,
        [Some(one), Some(other)] => Some(one.max(other)),
        [Some(only), None] | [None, Some(only)] => Some(only),
        [None, None] => None,
    }
}

/// The machine's time if it is close to the true one, else the true one.
fn corrected(machine: Timestamp, time: Timestamp) -> Timestamp {
    if machine.duration_since(time).abs() <= CLOSE {
        machine
    } else {
        from_millis(time.as_millisecond())
    }
}

/// A clock that tests move by hand.
#[derive(Debug, Clone)]
pub struct ManualClock {
    millis: Arc<AtomicI64>,
    doubted: Arc<AtomicBool>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            millis: Arc::new(AtomicI64::new(start.as_millisecond())),
            doubted: Arc::default(),
        }
    }

    /// Moves the clock forward (or backward, with a negative value) by `millis` milliseconds.
    pub fn advance_millis(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Whether its time is one that nothing may end by.
    pub fn doubt(&self, doubted: bool) {
        self.doubted.store(doubted, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn sure(&self) -> Option<Timestamp> {
        (!self.doubted.load(Ordering::SeqCst)).then(|| self.now())
    }
}

/// A stored time in milliseconds since the epoch as a timestamp; values out of range are clamped, so that a damaged
/// row can be read and dealt with.
pub fn from_millis(millis: i64) -> Timestamp {
    let clamped = millis.clamp(
        Timestamp::MIN.as_millisecond(),
        Timestamp::MAX.as_millisecond(),
    );
    Timestamp::from_millisecond(clamped).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Seconds after the epoch.
    fn at(seconds: i64) -> Timestamp {
        from_millis(seconds * 1000)
    }

    const TRUE_NOW: i64 = 1_000_000;
    const HOUR: i64 = 3600;

    /// What both platforms told a minute ago (in seconds off the truth), what the machine shows (off the truth), and
    /// what is believed (off the truth).
    #[rstest]
    #[case::nobody_was_heard([None, None], 0, None)]
    #[case::the_machine_is_right([Some(0), Some(0)], 0, Some(0.0))]
    #[case::a_little_off_is_right([Some(0), Some(0)], 4, Some(4.0))]
    #[case::one_platform_is_enough([None, Some(0)], -HOUR, Some(0.5))]
    #[case::a_machine_behind([Some(0), Some(0)], -3 * HOUR, Some(0.5))]
    #[case::a_machine_ahead([Some(0), Some(-1)], 300 * HOUR, Some(0.5))]
    #[case::platforms_that_differ_a_little([Some(0), Some(-240)], HOUR, Some(0.5))]
    #[case::platforms_that_differ([Some(0), Some(301)], 0, None)]
    #[case::platforms_that_differ_the_other_way([Some(301), Some(0)], 0, None)]
    fn the_platforms_are_right_unless_they_differ(
        #[case] told: [Option<i64>; 2],
        #[case] machine: i64,
        #[case] expected: Option<f64>,
    ) {
        let read = Instant::now();
        let told = told.map(|off| {
            off.map(|off| ServerTime {
                told: at(TRUE_NOW - 60 + off),
                read,
            })
        });
        let now = read + Duration::from_mins(1);
        let machine = at(TRUE_NOW + machine);
        let believed = agreed(told, now).map(|time| corrected(machine, time));
        let off = believed.map(|time| time.duration_since(at(TRUE_NOW)).as_secs_f64());
        assert_eq!(off, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_of_the_machines_clock_changes_nothing_once_a_platform_was_heard() {
        let machine = ManualClock::new(at(TRUE_NOW));
        let heard = ServerTime {
            told: at(TRUE_NOW),
            read: Instant::now(),
        };
        let told: Told = Box::new(move || [Some(heard), None]);
        let clock = CorrectedClock::new(Arc::new(machine.clone()), told);
        clock.settled.send_replace(true);
        for jump in [-5 * HOUR, 9 * HOUR, 1000 * HOUR] {
            machine.advance_millis(jump * 1000);
            tokio::time::advance(Duration::from_secs(10)).await;
            machine.advance_millis(10_000);
            let passed = clock.now().duration_since(at(TRUE_NOW)).as_secs_f64();
            let expected = heard.read.elapsed().as_secs_f64();
            assert!((passed - expected).abs() < 1.0, "{jump}: {passed}");
            assert!(clock.sure().is_some());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn platforms_that_begin_to_differ_end_nothing_and_the_time_goes_on_from_where_they_agreed()
     {
        let heard = Arc::new(Mutex::new([None, None]));
        let tell = |off: [Option<i64>; 2]| {
            let read = Instant::now();
            let time = |off: i64| ServerTime {
                told: at(TRUE_NOW + off),
                read,
            };
            *heard
                .lock()
                .expect("no test panics while it holds this lock") = off.map(|off| off.map(time));
        };
        let told: Told = Box::new({
            let heard = Arc::clone(&heard);
            move || {
                *heard
                    .lock()
                    .expect("no test panics while it holds this lock")
            }
        });
        let machine = Arc::new(ManualClock::new(at(TRUE_NOW - 9 * HOUR)));
        let clock = CorrectedClock::new(machine, told);
        clock.settled.send_replace(true);
        tell([Some(0), None]);
        assert!(clock.sure().is_some());
        tell([Some(0), Some(2 * HOUR)]);
        assert_eq!(clock.sure(), None);
        tokio::time::advance(Duration::from_mins(1)).await;
        let off = clock.now().duration_since(at(TRUE_NOW + 60)).as_secs_f64();
        assert!(off.abs() < 1.0, "{off}");
    }

    #[test]
    fn a_clock_that_nobody_confirmed_tells_the_time_but_ends_nothing() {
        let machine = ManualClock::new(at(TRUE_NOW));
        let clock = CorrectedClock::new(Arc::new(machine), Box::new(|| [None, None]));
        assert_eq!((clock.now(), clock.sure()), (at(TRUE_NOW), None));
    }
}
