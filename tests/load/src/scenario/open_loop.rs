//! How long a webhook's answer takes at an even 500 a second, delivery to Genesys going on meanwhile.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, WARM_UP, quantile};
use crate::error::LoadError;
use crate::generate::{closed_loop, open_loop};
use crate::platforms::{Direction, Platforms};
use crate::relay::Place;
use crate::report::{self, Figure};
use crate::requests::Requests;

/// Customers' texts a second: a hundred times what Genesys allows one token by default.
const PER_SECOND: u32 = 500;
const AIM: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>, LoadError> {
    let count = (PER_SECOND * bench.size.seconds) as usize;
    let requests = Arc::new(Requests::of_customers(WARM_UP + count));
    let platforms = Platforms::start(requests.len(), 0).await?;
    let place = Place::prepare(&bench.data_dir)?;
    let relay = place.start(&bench.relay, &platforms).await?;
    closed_loop(relay.public, &requests, 0..WARM_UP).await?;
    platforms
        .tally(Direction::In)
        .reaches(WARM_UP, PATIENCE)
        .await?;
    relay.drained().await?;

    let run = open_loop(relay.public, &requests, WARM_UP, PER_SECOND).await?;
    platforms
        .tally(Direction::In)
        .reaches(requests.len(), PATIENCE)
        .await?;
    relay.drained().await?;
    platforms.verify()?;
    relay.kill().await?;

    let p99 = quantile(&run.latency, 0.99);
    let latencies = [0.5, 0.99, 0.999].map(|at| report::millis(quantile(&run.latency, at)));
    let lateness = [0.5, 0.99, 0.999].map(|at| report::millis(quantile(&run.lateness, at)));
    Ok(vec![
        Figure::new(
            format!(
                "answer at {PER_SECOND}/s for {} s: p50, p99, p99.9",
                bench.size.seconds
            ),
            latencies.join(", "),
        )
        .aimed("p99 below 10 ms", p99 < AIM),
        Figure::new(
            "of it the generator's lateness: p50, p99, p99.9",
            lateness.join(", "),
        ),
        Figure::new("connections needed", run.connections.to_string()),
    ])
}
