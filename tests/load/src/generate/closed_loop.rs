//! A closed loop over [`CONNECTIONS`] connections.
//!
//! Its latencies suffer from coordinated omission by design (a slow answer delays the next request): they say what a
//! request takes at full load, not what a customer waits. That is the open loop's figure.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{histogram, micros};
use crate::error::LoadError;
use crate::http1::Connection;
use crate::requests::Requests;

/// Requests under way at once.
pub(crate) const CONNECTIONS: usize = 64;

/// What a run took. Every request was answered 200.
pub(crate) struct Closed {
    /// When the first request left.
    pub(crate) began: Instant,
    /// Until the last answer.
    pub(crate) took: Duration,
    /// From request to answer, in microseconds.
    pub(crate) latency: Histogram<u64>,
}

/// Sends the requests of `range`. Those of one customer go over one connection, in order, if `range` begins at a
/// multiple of [`CONNECTIONS`].
pub(crate) async fn closed_loop(
    to: SocketAddr,
    requests: &Arc<Requests>,
    range: Range<usize>,
) -> Result<Closed, LoadError> {
    let start = Arc::new(Barrier::new(CONNECTIONS + 1));
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let connection = Connection::open(to).await?;
        let own = (range.start + number..range.end).step_by(CONNECTIONS);
        let (requests, start) = (Arc::clone(requests), Arc::clone(&start));
        clients.spawn(async move {
            start.wait().await;
            run(connection, &requests, own).await
        });
    }
    start.wait().await;
    let began = Instant::now();
    let mut latency = histogram();
    while let Some(client) = clients.join_next().await {
        let own = client.expect("a client does not panic and is not aborted")?;
        latency
            .add(&own)
            .expect("all histograms have the same bounds");
    }
    Ok(Closed {
        began,
        took: began.elapsed(),
        latency,
    })
}

async fn run(
    mut connection: Connection,
    requests: &Requests,
    own: impl Iterator<Item = usize>,
) -> Result<Histogram<u64>, LoadError> {
    let mut latency = histogram();
    for index in own {
        let sent = Instant::now();
        let answer = connection.exchange(requests.get(index)).await?;
        if !answer.has_status("200") {
            return Err(LoadError::Refused {
                index,
                answer: answer.start.to_owned(),
            });
        }
        latency.saturating_record(micros(sent.elapsed()));
    }
    Ok(latency)
}
