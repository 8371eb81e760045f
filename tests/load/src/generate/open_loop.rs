//! An open loop: requests at a fixed rate, each on an idle connection or a new one.
//!
//! Safe from coordinated omission: the times are set in advance, a request that is late (because the generator or the
//! machine was) counts from when it should have left, and no request waits for the answer to another. A thread of its
//! own keeps the pace, since the runtime's timers tick in milliseconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{histogram, micros};
use crate::error::LoadError;
use crate::http1::Connection;
use crate::requests::Requests;

/// So many requests under way mean that the relay does not keep up at all.
const MOST_CONNECTIONS: usize = 512;

/// What a run took. Every request was answered 200.
pub(crate) struct Open {
    /// From when a request should have left to its answer, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// How late requests left, in microseconds: the generator's own part of the latency.
    pub(crate) lateness: Histogram<u64>,
    /// Connections that were needed.
    pub(crate) connections: usize,
}

/// The time at which a request leaves.
struct Due {
    index: usize,
    at: Instant,
}

/// A finished request.
struct Done {
    connection: Connection,
    lateness: Duration,
    latency: Duration,
}

/// Sends `requests` from `first` on, `per_second` of them each second.
pub(crate) async fn open_loop(
    to: SocketAddr,
    requests: &Arc<Requests>,
    first: usize,
    per_second: u32,
) -> Result<Open, LoadError> {
    let mut due = pace(first..requests.len(), Duration::from_secs(1) / per_second);
    let mut run = Open {
        latency: histogram(),
        lateness: histogram(),
        connections: 0,
    };
    let mut idle: Vec<Connection> = Vec::new();
    let mut under_way: JoinSet<Result<Done, LoadError>> = JoinSet::new();
    let mut more = true;
    while more || !under_way.is_empty() {
        tokio::select! {
            next = due.recv(), if more => match next {
                None => more = false,
                Some(due) => {
                    let connection = idle.pop();
                    if connection.is_none() {
                        run.connections += 1;
                    }
                    if run.connections > MOST_CONNECTIONS {
                        let state = format!("{MOST_CONNECTIONS} requests are under way");
                        return Err(LoadError::TooSlow { what: "an answer", seconds: 1, state });
                    }
                    under_way.spawn(exchange(to, connection, Arc::clone(requests), due));
                }
            },
            Some(done) = under_way.join_next() => {
                let done = done.expect("a request does not panic and is not aborted")?;
                run.latency.saturating_record(micros(done.latency));
                run.lateness.saturating_record(micros(done.lateness));
                idle.push(done.connection);
            }
        }
    }
    Ok(run)
}

/// Names each request when it is due. Ends early when nobody listens any more.
fn pace(indices: std::ops::Range<usize>, interval: Duration) -> mpsc::UnboundedReceiver<Due> {
    let (sender, due) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let mut at = Instant::now();
        for index in indices {
            at += interval;
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if sender.send(Due { index, at }).is_err() {
                return;
            }
        }
    });
    due
}

async fn exchange(
    to: SocketAddr,
    connection: Option<Connection>,
    requests: Arc<Requests>,
    due: Due,
) -> Result<Done, LoadError> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::open(to).await?,
    };
    let lateness = due.at.elapsed();
    let answer = connection.exchange(requests.get(due.index)).await?;
    let latency = due.at.elapsed();
    if !answer.has_status("200") {
        return Err(LoadError::Refused {
            index: due.index,
            answer: answer.start.to_owned(),
        });
    }
    Ok(Done {
        connection,
        lateness,
        latency,
    })
}
