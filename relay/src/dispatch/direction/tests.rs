use std::sync::Mutex;

use super::*;
use crate::dispatch::gate::{Cause, PROBE_EVERY};
use crate::message::CustomerId;
use crate::outbox::{Direction, Seq};
use jiff::Timestamp;
use messaging_bridge_clients::{BlockedCause, ErrorKind};

fn lane(number: usize) -> LaneKey {
    LaneKey::new(
        Direction::Inbound,
        &CustomerId::new(format!("+1555000{number:04}")),
    )
}

/// Takes a second for each try, and answers what the test prepared.
struct Scripted {
    traffic: Arc<Traffic>,
    answers: Answers,
    tries: Mutex<Vec<(LaneKey, Instant)>>,
    at_once: Mutex<(usize, usize)>,
}

/// By lane, and by how many tries there were in all.
type Answers = Box<dyn Fn(&LaneKey, usize) -> Answer + Send + Sync>;

#[derive(Clone, Copy)]
enum Answer {
    Done,
    /// Done, and more waits in the lane.
    More,
    /// The platform did not answer.
    Fail,
    Hold(Duration),
    Block,
    Empty,
    Panic,
}

fn called(rest: Rest) -> Run {
    Run {
        called: true,
        ..rest.into()
    }
}

impl Worker for Scripted {
    async fn run(self: Arc<Self>, lane: LaneKey) -> Run {
        let number = {
            let mut tries = self
                .tries
                .lock()
                .expect("no test panics while it holds this lock");
            tries.push((lane.clone(), Instant::now()));
            let mut at_once = self
                .at_once
                .lock()
                .expect("no test panics while it holds this lock");
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
            tries.len()
        };
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.at_once
            .lock()
            .expect("no test panics while it holds this lock")
            .0 -= 1;
        match (self.answers)(&lane, number) {
            Answer::Done => {
                self.traffic.succeeded(Seq(1), began);
                called(Rest::Empty)
            }
            Answer::More => {
                self.traffic.succeeded(Seq(1), began);
                called(Rest::More)
            }
            Answer::Fail => {
                let now = Instant::now();
                let seq = Seq(i64::try_from(number).expect("a small number"));
                self.traffic
                    .met(seq, &ErrorKind::Transient, now, Timestamp::UNIX_EPOCH);
                // The schedule of a message that was tried often.
                let wait = self.traffic.bounded(Duration::from_mins(5));
                Rest::Until(now + wait).into()
            }
            Answer::Hold(hold) => Run {
                hold: Some(hold),
                ..Rest::More.into()
            },
            Answer::Block => {
                let cause = Cause::Platform(BlockedCause::Credentials);
                self.traffic
                    .block(Some(Seq(1)), cause, Instant::now(), Timestamp::UNIX_EPOCH);
                Rest::More.into()
            }
            Answer::Empty => Rest::Empty.into(),
            Answer::Panic => panic!("planted"),
        }
    }

    async fn sweep(&self) {}
}

struct Rig {
    worker: Arc<Scripted>,
    changes: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
    began: Instant,
    _wakes: mpsc::UnboundedSender<Waking>,
}

impl Rig {
    fn start(
        lanes: usize,
        answers: impl Fn(&LaneKey, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::paced(lanes, None, answers)
    }

    fn paced(
        lanes: usize,
        pace: Option<Pace>,
        answers: impl Fn(&LaneKey, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let traffic = Arc::new(Traffic::default());
        let worker = Arc::new(Scripted {
            traffic: Arc::clone(&traffic),
            answers: Box::new(answers),
            tries: Mutex::default(),
            at_once: Mutex::default(),
        });
        let (wakes, inbox) = mpsc::unbounded_channel();
        let (changes, news) = watch::channel(0);
        let (stop, ending) = watch::channel(false);
        let direction = DirectionLoop {
            direction: Direction::Inbound,
            worker: Arc::clone(&worker),
            traffic,
            at_once: 3,
            pace,
            wakes: inbox,
            changes: news,
            stop: ending,
        };
        for number in 0..lanes {
            wakes
                .send(Waking::Message(lane(number)))
                .expect("the loop's end of the channel is open");
        }
        let began = Instant::now();
        Self {
            worker,
            changes,
            stop,
            running: tokio::spawn(direction.run(Vec::new())),
            began,
            _wakes: wakes,
        }
    }

    async fn after(&self, seconds: u64) -> Vec<(LaneKey, u64)> {
        tokio::time::sleep_until(
            self.began + Duration::from_secs(seconds) + Duration::from_millis(500),
        )
        .await;
        let tries = self
            .worker
            .tries
            .lock()
            .expect("no test panics while it holds this lock");
        tries
            .iter()
            .map(|(lane, at)| (lane.clone(), at.duration_since(self.began).as_secs()))
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn lanes_are_worked_on_in_parallel_but_no_more_than_allowed() {
    let rig = Rig::start(7, |_, _| Answer::Done);
    let tries = rig.after(10).await;
    let started: Vec<u64> = tries.iter().map(|(_, at)| *at).collect();
    assert_eq!(started, [0, 0, 0, 1, 1, 1, 2]);
    assert_eq!(rig.worker.at_once.lock().expect("no worker panicked").1, 3);
}

#[tokio::test(start_paused = true)]
async fn while_blocked_another_lane_is_probed_each_minute_and_the_first_success_resumes() {
    let rig = Rig::start(5, |_, number| {
        if number <= 5 {
            Answer::Block
        } else {
            Answer::Done
        }
    });
    let tries = rig.after(400).await;
    assert!(tries[..3].iter().all(|(_, at)| *at == 0), "{tries:?}");
    let probes: Vec<&(LaneKey, u64)> = tries[3..6].iter().collect();
    for (number, (_, at)) in probes.iter().enumerate() {
        let minute = (number as u64 + 1) * PROBE_EVERY.as_secs();
        assert!(
            (minute..minute + 10).contains(at),
            "probe {number} at {at} s: {tries:?}"
        );
    }
    assert_ne!(probes[0].0, probes[1].0, "another lane each time");
    let rest: Vec<u64> = tries[6..].iter().map(|(_, at)| at - probes[2].1).collect();
    assert!(
        rest.iter().all(|after| *after <= 3),
        "the others follow the success at once: {tries:?}"
    );
    assert_eq!(tries.len(), 5 + 5, "five refusals and then every lane once");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_finds_its_lane_empty_or_panics_does_not_shut_the_direction() {
    for nothing in [Answer::Empty, Answer::Panic] {
        let rig = Rig::start(5, move |_, number| match number {
            ..=3 => Answer::Block,
            4 => nothing,
            _ => Answer::Done,
        });
        let tries = rig.after(400).await;
        assert!(tries.len() >= 7, "the direction stays shut: {tries:?}");
        assert!(rig.worker.traffic.blocked().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_resumes_at_once() {
    let rig = Rig::start(3, |_, number| {
        if number <= 3 {
            Answer::Block
        } else {
            Answer::Done
        }
    });
    assert_eq!(rig.after(20).await.len(), 3);
    rig.changes.send_modify(|count| *count += 1);
    assert_eq!(rig.after(22).await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_asks_for_patience_holds_every_lane_back() {
    let rig = Rig::start(4, |_, number| {
        if number == 1 {
            Answer::Hold(Duration::from_secs(30))
        } else {
            Answer::Done
        }
    });
    let started: Vec<u64> = rig.after(60).await.into_iter().map(|(_, at)| at).collect();
    assert_eq!(started, [0, 0, 0, 31, 32], "and then one at a time");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_costs_its_lane_a_minute_and_the_others_nothing() {
    let rig = Rig::start(2, |_, number| {
        if number == 1 {
            Answer::Panic
        } else {
            Answer::Done
        }
    });
    let tries = rig.after(100).await;
    let started: Vec<u64> = tries.iter().map(|(_, at)| *at).collect();
    assert_eq!(started, [0, 0, 61]);
    assert_eq!(tries[0].0, tries[2].0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_under_way_and_starts_nothing_new() {
    let rig = Rig::start(6, |_, _| Answer::Done);
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig.stop.send_replace(true);
    rig.running.await.expect("the loop ends by itself");
    assert_eq!(rig.began.elapsed().as_secs(), 1);
    assert_eq!(
        rig.worker.tries.lock().expect("no worker panicked").len(),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_outage_costs_a_few_calls_a_minute_whatever_the_number_of_lanes() {
    let hour = Duration::from_hours(1);
    let began = Instant::now();
    let rig = Rig::start(500, move |_, _| {
        if began.elapsed() < hour {
            Answer::Fail
        } else {
            Answer::Done
        }
    });
    let tries = rig.after(3599).await;
    let first_minute = tries.iter().filter(|(_, at)| *at < 60).count();
    assert!(first_minute <= 20, "{first_minute}");
    for minute in 1..60 {
        let calls = tries.iter().filter(|(_, at)| at / 60 == minute).count();
        assert!((1..=3).contains(&calls), "{calls} in minute {minute}");
    }
    let probed: std::collections::HashSet<&LaneKey> = tries.iter().map(|(lane, _)| lane).collect();
    assert!(probed.len() > 100, "another lane's head each time");
    assert!(rig.worker.traffic.outage().is_some());
    // Two lanes a second, after the next probe.
    let tries = rig.after(3600 + 60 + 250).await;
    let after: Vec<u64> = tries
        .iter()
        .map(|(_, at)| *at)
        .filter(|at| *at >= 3600)
        .collect();
    assert_eq!(after.len(), 500, "every lane is served");
    assert!(rig.worker.traffic.outage().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_ends_the_wait_of_an_outage_too() {
    let rig = Rig::start(20, |_, number| {
        if number <= 12 {
            Answer::Fail
        } else {
            Answer::Done
        }
    });
    let failed = rig.after(5).await.len();
    assert!((10..=13).contains(&failed), "{failed}");
    rig.changes.send_modify(|count| *count += 1);
    assert!(rig.after(15).await.len() >= 20);
}

#[tokio::test(start_paused = true)]
async fn a_lane_with_much_to_do_takes_its_turn_among_the_others() {
    let noisy = lane(0);
    let rig = Rig::start(7, move |which, _| {
        if *which == noisy {
            Answer::More
        } else {
            Answer::Done
        }
    });
    let tries = rig.after(30).await;
    let last_quiet = tries
        .iter()
        .filter(|(which, _)| *which != lane(0))
        .map(|(_, at)| *at)
        .max();
    assert_eq!(last_quiet, Some(2), "seven lanes, three at once");
}

#[tokio::test(start_paused = true)]
async fn workers_are_started_no_faster_than_the_pace_allows() {
    let pace = Pace::new(0.5, 2.0, Instant::now());
    let rig = Rig::paced(5, Some(pace), |_, _| Answer::Done);
    let started: Vec<u64> = rig.after(20).await.into_iter().map(|(_, at)| at).collect();
    assert_eq!(started, [0, 0, 2, 4, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_hands_nothing_to_the_platform_costs_no_pace() {
    let pace = Pace::new(0.5, 2.0, Instant::now());
    let rig = Rig::paced(9, Some(pace), |_, _| Answer::Empty);
    let started: Vec<u64> = rig.after(20).await.into_iter().map(|(_, at)| at).collect();
    assert!(
        started.iter().all(|at| *at <= 9),
        "each of the dead makes room for the next: {started:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_fewer_are_under_way_at_once_and_then_again_more() {
    let rig = Rig::start(30, |_, number| {
        if number == 1 {
            Answer::Hold(Duration::from_secs(10))
        } else {
            Answer::Done
        }
    });
    let tries = rig.after(60).await;
    let in_second = |second: u64| tries.iter().filter(|(_, at)| *at == second).count();
    assert_eq!(in_second(0), 3);
    let later: Vec<usize> = (11..16).map(in_second).collect();
    assert_eq!(later, [1, 2, 3, 3, 3]);
}
