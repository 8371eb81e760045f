//! The loop of one direction: starts a worker for each lane that may be worked on, and no more than allowed at once.
//!
//! The loop decides *which* lane and *when*; the worker (see [`super::inbound`], [`super::outbound`]) does one try of
//! the lane's head and says how it left the lane. Nothing here polls: the loop wakes for an append, a worker's end, a
//! time that was set, or a change of what blocked it.

mod news;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use self::news::News;
use super::lanes::{Lanes, Rest};
use super::pace::Pace;
use super::traffic::Traffic;
use super::width::Width;
use crate::outbox::{Direction, LaneKey, WaitingLane};

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
    /// Whether something was handed to the platform: only that counts against the pace.
    pub called: bool,
}

impl From<Rest> for Run {
    fn from(rest: Rest) -> Self {
        Self {
            rest,
            hold: None,
            called: false,
        }
    }
}

/// One try of a lane's head.
pub trait Worker: Send + Sync + 'static {
    /// Tries the head of `lane` once.
    fn run(self: Arc<Self>, lane: LaneKey) -> impl Future<Output = Run> + Send;
    /// Ends what became too old while nothing could be tried.
    fn sweep(&self) -> impl Future<Output = ()> + Send;
}

/// Why a lane is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waking {
    /// A message was appended to it.
    Message(LaneKey),
    /// What its head may have waited for has come.
    News(LaneKey),
}

/// What the loop is started with.
pub struct DirectionLoop<W> {
    /// Which one.
    pub direction: Direction,
    /// Does the tries.
    pub worker: Arc<W>,
    /// The direction's gate.
    pub traffic: Arc<Traffic>,
    /// Workers at once, at the most.
    pub at_once: usize,
    /// How fast workers may be started, if there is a limit.
    pub pace: Option<Pace>,
    /// Lanes that have something new.
    pub wakes: mpsc::UnboundedReceiver<Waking>,
    /// Rises when something changed that a block may rest on.
    pub changes: watch::Receiver<u64>,
    /// True when the relay stops.
    pub stop: watch::Receiver<bool>,
}

struct Running {
    lanes: Lanes,
    workers: JoinSet<Run>,
    width: Width,
    pace: Option<Pace>,
    /// The pace allows the next start at this time.
    paced_until: Option<Instant>,
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
            width: Width::new(self.at_once),
            pace: self.pace.take(),
            paced_until: None,
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
        let mut news = News::of(self.direction);
        while !*self.stop.borrow() {
            news.tell(&self.traffic);
            self.start_workers(&mut running);
            let wake_at = self.next_time(&running);
            tokio::select! {
                waking = self.wakes.recv() => match waking {
                    Some(Waking::Message(lane)) => running.lanes.wake(lane),
                    Some(Waking::News(lane)) => running.lanes.rouse(lane),
                    None => break,
                },
                Some(ended) = running.workers.join_next_with_id() => running.ended(ended, &self.traffic),
                () = until(wake_at) => self.on_time(&mut running).await,
                _ = self.changes.changed() => {
                    self.traffic.reopen();
                    running.held_until = None;
                }
                _ = self.stop.changed() => {}
            }
        }
        while running.workers.join_next().await.is_some() {}
    }

    fn start_workers(&self, running: &mut Running) {
        let now = Instant::now();
        running.paced_until = None;
        while running.workers.len() < running.width.get()
            && running.held_until.is_none_or(|until| until <= now)
            && self.traffic.lets_through(now)
            && running.lanes.is_ready(now)
        {
            if let Some(Err(later)) = running.pace.as_mut().map(|pace| pace.take(now)) {
                running.paced_until = Some(later);
                return;
            }
            let Some(lane) = running.lanes.start(now) else {
                return;
            };
            self.traffic.started(&lane);
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
        let paused = self.traffic.blocked().is_some() || self.traffic.outage().is_some();
        let open_at = match held {
            Some(until) => Some(until),
            None if !self.traffic.lets_through(now) => self.traffic.next_probe(),
            None if running.workers.len() >= running.width.get() => None,
            // Whatever was ready has been started, or waits for the pace.
            None => running.paced_until.or(running.lanes.next_ripe()),
        };
        let sweep_at = (paused || held.is_some()).then_some(running.sweep_at);
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
        traffic.left(&lane, run.rest == Rest::Empty, Instant::now());
        if let Some(pace) = self.pace.as_mut().filter(|_| !run.called) {
            pace.give_back();
        }
        self.lanes.finished(lane, run.rest);
        match run.hold {
            // What was under way when the platform asked for patience says nothing of what it takes afterwards.
            _ if self.held_until.is_some_and(|until| Instant::now() < until) => {}
            None => self.width.answered(),
            Some(_) => self.width.throttled(self.workers.len() + 1),
        }
        if let Some(hold) = run.hold {
            let until = Instant::now() + hold;
            self.held_until = Some(self.held_until.map_or(until, |earlier| earlier.max(until)));
        }
    }
}

/// Waits until then; without a time, for ever.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
