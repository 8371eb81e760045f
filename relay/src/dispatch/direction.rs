//! The loop of one direction: starts a worker for each lane that may be worked on, and no more than allowed at once.
//!
//! The loop decides *which* lane and *when*; the worker (see [`super::inbound`], [`super::outbound`]) does one try of
//! the lane's head and says how it left the lane. Nothing here polls: the loop wakes for an append, a worker's end, a
//! time that was set, or a change of what blocked it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::lanes::{Lanes, Rest};
use super::traffic::Traffic;
use crate::outbox::{LaneKey, WaitingLane};

/// A lane whose worker panicked is left alone for this long.
const AFTER_PANIC: Duration = Duration::from_mins(1);
/// While blocked or held back, what has become too old is looked for this often.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How a worker left its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What waits in the lane.
    pub rest: Rest,
    /// The platform asked the whole direction to wait this long.
    pub hold: Option<Duration>,
}

impl From<Rest> for Run {
    fn from(rest: Rest) -> Self {
        Self { rest, hold: None }
    }
}

/// One try of a lane's head.
pub trait Worker: Send + Sync + 'static {
    /// Tries the head of `lane` once.
    fn run(self: Arc<Self>, lane: LaneKey) -> impl Future<Output = Run> + Send;
    /// Ends what became too old while nothing could be tried.
    fn sweep(&self) -> impl Future<Output = ()> + Send;
}

/// What the loop is started with.
pub struct DirectionLoop<W> {
    /// Does the tries.
    pub worker: Arc<W>,
    /// The direction's gate.
    pub traffic: Arc<Traffic>,
    /// Workers at once.
    pub at_once: usize,
    /// Lanes that got a message.
    pub wakes: mpsc::UnboundedReceiver<LaneKey>,
    /// Rises when something changed that a block may rest on.
    pub changes: watch::Receiver<u64>,
    /// True when the relay stops.
    pub stop: watch::Receiver<bool>,
}

struct Running {
    lanes: Lanes,
    workers: JoinSet<Run>,
    started: HashMap<Id, LaneKey>,
    held_until: Option<Instant>,
    sweep_at: Instant,
}

impl<W: Worker> DirectionLoop<W> {
    /// Runs until told to stop, then waits for the workers that are under way.
    pub async fn run(mut self, waiting: Vec<(WaitingLane, Duration)>) {
        let now = Instant::now();
        let mut running = Running {
            lanes: Lanes::default(),
            workers: JoinSet::new(),
            started: HashMap::new(),
            held_until: None,
            sweep_at: now,
        };
        for (waiting, wait) in waiting {
            match wait {
                Duration::ZERO => running.lanes.wake(waiting.lane),
                wait => running.lanes.wake_at(waiting.lane, now + wait),
            }
        }
        while !*self.stop.borrow() {
            self.start_workers(&mut running);
            let wake_at = self.next_time(&running);
            tokio::select! {
                lane = self.wakes.recv() => match lane {
                    Some(lane) => running.lanes.wake(lane),
                    None => break,
                },
                Some(ended) = running.workers.join_next_with_id() => running.ended(ended, &self.traffic),
                () = until(wake_at) => self.on_time(&mut running).await,
                _ = self.changes.changed() => {
                    self.traffic.gate(super::gate::Gate::reopen);
                    running.held_until = None;
                }
                _ = self.stop.changed() => {}
            }
        }
        while running.workers.join_next().await.is_some() {}
    }

    fn start_workers(&self, running: &mut Running) {
        let now = Instant::now();
        while running.workers.len() < self.at_once
            && running.held_until.is_none_or(|until| until <= now)
            && self.traffic.gate(|gate| gate.lets_through(now))
        {
            let Some(lane) = running.lanes.start(now) else {
                return;
            };
            self.traffic.gate(|gate| gate.started(&lane));
            let worker = Arc::clone(&self.worker).run(lane.clone());
            running
                .started
                .insert(running.workers.spawn(worker).id(), lane);
        }
    }

    /// The next time at which something may be started. `None`: only an event can change that.
    fn next_time(&self, running: &Running) -> Option<Instant> {
        let now = Instant::now();
        if running.lanes.is_empty() {
            return None;
        }
        let held = running.held_until.filter(|until| *until > now);
        let blocked = self.traffic.blocked().is_some();
        let open_at = match held {
            Some(until) => Some(until),
            None if blocked && !self.traffic.gate(|gate| gate.lets_through(now)) => {
                self.traffic.gate(|gate| gate.next_probe())
            }
            None if running.workers.len() >= self.at_once => None,
            // Whatever was ready has been started.
            None => running.lanes.next_ripe(),
        };
        let sweep_at = (blocked || held.is_some()).then_some(running.sweep_at);
        open_at.into_iter().chain(sweep_at).min()
    }

    async fn on_time(&self, running: &mut Running) {
        let now = Instant::now();
        if running.held_until.is_some_and(|until| until <= now) {
            running.held_until = None;
        }
        if running.sweep_at <= now {
            running.sweep_at = now + SWEEP_EVERY;
            self.worker.sweep().await;
        }
    }
}

impl Running {
    fn ended(&mut self, ended: Result<(Id, Run), JoinError>, traffic: &Traffic) {
        let (id, run) = match ended {
            Ok((id, run)) => (id, run),
            Err(error) => {
                tracing::error!(%error, "a worker ended unexpectedly; its lane waits a minute");
                (error.id(), Rest::Until(Instant::now() + AFTER_PANIC).into())
            }
        };
        let Some(lane) = self.started.remove(&id) else {
            return;
        };
        traffic.gate(|gate| gate.ended(&lane, run.rest == Rest::Empty, Instant::now()));
        self.lanes.finished(lane, run.rest);
        if let Some(hold) = run.hold {
            let until = Instant::now() + hold;
            self.held_until = Some(self.held_until.map_or(until, |earlier| earlier.max(until)));
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::dispatch::gate::{Cause, PROBE_EVERY};
    use crate::message::CustomerId;
    use crate::outbox::{Direction, Seq};
    use jiff::Timestamp;
    use messaging_bridge_clients::BlockedCause;

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
        Hold(Duration),
        Block,
        Empty,
        Panic,
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
                    Rest::Empty.into()
                }
                Answer::Hold(hold) => Run {
                    rest: Rest::More,
                    hold: Some(hold),
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
        _wakes: mpsc::UnboundedSender<LaneKey>,
    }

    impl Rig {
        fn start(
            lanes: usize,
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
                worker: Arc::clone(&worker),
                traffic,
                at_once: 3,
                wakes: inbox,
                changes: news,
                stop: ending,
            };
            for number in 0..lanes {
                wakes
                    .send(lane(number))
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
        assert_eq!(started, [0, 0, 0, 31, 31]);
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
}
