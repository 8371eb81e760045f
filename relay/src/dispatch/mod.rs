//! Dispatch: takes messages out of the outbox, lane by lane, and has them delivered.
//!
//! Guarantees: strict order in a lane, parallel across lanes; a stuck customer delays nobody else; a refusal that says
//! nothing about the message pauses the direction and loses nothing; each message ends in one recorded outcome.
//!
//! [`lanes`], [`gate`], [`breaker`], [`retry`], [`pace`], [`width`], [`decide`], `listing` and `search` are pure;
//! [`direction`], [`inbound`], [`outbound`], `settle` and [`receipts`] do what they decide.

pub mod breaker;
pub mod budget;
pub mod callbacks;
pub mod context;
pub mod decide;
pub mod direction;
pub mod ended;
pub mod gate;
pub mod hold;
pub mod inbound;
pub mod lanes;
mod listing;
#[cfg(test)]
mod model;
pub mod outbound;
pub mod pace;
pub mod receipts;
pub mod retry;
pub mod search;
mod settle;
pub mod traffic;
pub mod width;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use self::context::Context;
use self::direction::{DirectionLoop, Waking, Worker};
use self::hold::Holds;
use self::inbound::InboundWorker;
use self::outbound::OutboundWorker;
use self::pace::Pace;
use self::receipts::ReceiptLoop;
use self::search::Searches;
use self::traffic::Traffic;
use crate::outbox::{Direction, LaneKey, OutboxError, WaitingLane};

/// Calls to Genesys at once; the budget bounds them over time.
const INBOUND_AT_ONCE: usize = 16;
/// Calls to Twilio at once: its limit is on concurrent requests (Twilio: error 20429), its number unpublished.
const OUTBOUND_AT_ONCE: usize = 16;

/// Tells dispatch that something waits.
#[derive(Clone)]
pub struct Wake {
    inbound: mpsc::UnboundedSender<Waking>,
    outbound: mpsc::UnboundedSender<Waking>,
    receipts: Arc<Notify>,
}

impl Wake {
    /// A message was appended to this lane.
    pub fn lane(&self, lane: LaneKey) {
        self.tell(lane.direction(), Waking::Message(lane));
    }

    /// What the head of this lane may have waited for has come.
    pub fn news(&self, lane: LaneKey) {
        self.tell(lane.direction(), Waking::News(lane));
    }

    fn tell(&self, direction: Direction, waking: Waking) {
        let direction = match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        };
        // A loop that has ended takes nothing more: its rows are found at the next start.
        let _ = direction.send(waking);
    }

    /// A receipt may wait.
    pub fn receipts(&self) {
        self.receipts.notify_one();
    }
}

/// How both directions fare.
#[derive(Clone, Default)]
pub struct Directions {
    /// Towards Genesys.
    pub inbound: Arc<Traffic>,
    /// Towards Twilio.
    pub outbound: Arc<Traffic>,
}

impl Directions {
    /// One of both.
    pub fn get(&self, direction: Direction) -> &Traffic {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }
}

/// The running dispatch.
pub struct Dispatch {
    stop: watch::Sender<bool>,
    loops: Vec<JoinHandle<()>>,
}

/// Tells whether the loops of dispatch still run.
#[derive(Clone)]
pub struct Pulse(Arc<[AbortHandle]>);

impl Pulse {
    /// Whether all of them do.
    pub fn beats(&self) -> bool {
        !self.0.iter().any(AbortHandle::is_finished)
    }
}

/// Starts both directions and the receipts with what waits in the outbox. `changes` rises when something changed that
/// a block may rest on: a Secret, or the integration. `stop` ends it; the context's workers hear it too. Each direction's
/// lanes begin after its hold.
pub async fn start(
    context: Arc<Context>,
    directions: Directions,
    changes: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
    holds: Holds,
) -> Result<(Dispatch, Wake), OutboxError> {
    let waiting = context.outbox.lanes().await?;
    let (outbound_lanes, inbound_lanes) = by_direction(waiting, context.clock.now());
    let (inbound, inbound_wakes) = mpsc::unbounded_channel();
    let (outbound, outbound_wakes) = mpsc::unbounded_channel();
    let signals = |wakes| (wakes, changes.clone(), stop.subscribe());
    let inbound_loop = inbound_loop(&context, &directions.inbound, signals(inbound_wakes));
    let outbound_loop = outbound_loop(&context, &directions.outbound, signals(outbound_wakes));
    let wake = Wake {
        inbound,
        outbound,
        receipts: Arc::clone(&context.bell),
    };
    let receipts = ReceiptLoop {
        context,
        wake: wake.clone(),
        changes,
        stop: stop.subscribe(),
    };
    let loops = vec![
        spawn(
            holds.inbound.wait(stop.subscribe()),
            inbound_loop,
            inbound_lanes,
        ),
        spawn(
            holds.outbound.wait(stop.subscribe()),
            outbound_loop,
            outbound_lanes,
        ),
        tokio::spawn(receipts.run()),
    ];
    Ok((Dispatch { stop, loops }, wake))
}

/// What a loop hears: lanes with something new, changes that a block may rest on, and the end.
type Signals = (
    mpsc::UnboundedReceiver<Waking>,
    watch::Receiver<u64>,
    watch::Receiver<bool>,
);

fn inbound_loop(
    context: &Arc<Context>,
    traffic: &Arc<Traffic>,
    (wakes, changes, stop): Signals,
) -> DirectionLoop<InboundWorker> {
    DirectionLoop {
        direction: Direction::Inbound,
        worker: Arc::new(InboundWorker {
            context: Arc::clone(context),
            traffic: Arc::clone(traffic),
        }),
        traffic: Arc::clone(traffic),
        at_once: INBOUND_AT_ONCE,
        // The budget is its pace.
        pace: None,
        wakes,
        changes,
        stop,
    }
}

fn outbound_loop(
    context: &Arc<Context>,
    traffic: &Arc<Traffic>,
    (wakes, changes, stop): Signals,
) -> DirectionLoop<OutboundWorker> {
    let per_second = f64::from(context.sends_per_second);
    DirectionLoop {
        direction: Direction::Outbound,
        worker: Arc::new(OutboundWorker {
            context: Arc::clone(context),
            traffic: Arc::clone(traffic),
            searches: Searches::default(),
        }),
        traffic: Arc::clone(traffic),
        at_once: OUTBOUND_AT_ONCE,
        pace: Some(Pace::new(per_second, per_second, Instant::now())),
        wakes,
        changes,
        stop,
    }
}

fn spawn<W: Worker>(
    hold: impl Future<Output = ()> + Send + 'static,
    direction: DirectionLoop<W>,
    waiting: Due,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        hold.await;
        direction.run(waiting).await;
    })
}

/// Lanes, each with the time until its head may be tried.
type Due = Vec<(WaitingLane, Duration)>;

/// Outbound and inbound apart.
fn by_direction(waiting: Vec<WaitingLane>, now: Timestamp) -> (Due, Due) {
    waiting
        .into_iter()
        .map(|waiting| {
            let wait = retry::until(waiting.not_before, now);
            (waiting, wait)
        })
        .partition(|(waiting, _)| waiting.lane.direction() == Direction::Outbound)
}

impl Dispatch {
    /// Tells later whether all loops still run.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.loops.iter().map(JoinHandle::abort_handle).collect())
    }

    /// Ends all loops where they stand, as the end of the process would.
    #[cfg(test)]
    fn abort(self) {
        for running in &self.loops {
            running.abort();
        }
    }

    /// Starts nothing new and waits, at most for `patience`, for the calls that are under way. What is not done by
    /// then keeps its mark.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        let finished = async {
            for running in self.loops {
                let _ = running.await;
            }
        };
        if tokio::time::timeout(patience, finished).await.is_err() {
            tracing::warn!(
                "calls were still under way at the end; their messages are settled at the next start"
            );
        }
    }
}
