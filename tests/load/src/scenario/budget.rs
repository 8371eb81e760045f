//! How much of Genesys' limit is used while more waits than it lets through, and how often the limit is met.
//!
//! The limit is Genesys' own, 300 requests a minute, counted in fixed windows, and learnt from its answers alone. Every
//! message that arrived is counted from the start of a window to the end of the last one.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, per_second};
use crate::error::LoadError;
use crate::generate::closed_loop;
use crate::platforms::{Direction, Platforms, Traits};
use crate::relay::Place;
use crate::report::Figure;
use crate::requests::Requests;

/// Requests a minute, as the platform has it by default.
const ALLOWED: u32 = 300;
/// More than is let through while it is measured. A multiple of the generator's connections.
const WAITING: usize = 2048;
const AIM_PERCENT: f64 = 97.0;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>, LoadError> {
    let requests = Arc::new(Requests::of_customers(WAITING));
    let traits = Traits {
        limit: Some(ALLOWED),
        ..Traits::default()
    };
    let place = Place::prepare_limited(&bench.data_dir)?;
    let platforms = Platforms::start_with(WAITING, 0, traits).await?;
    let relay = place.start(&bench.relay, &platforms).await?;
    closed_loop(relay.public, &requests, 0..WAITING).await?;
    let measured = bench.size.limited;
    // From the first call on, which began the relay's own account of a minute.
    let before = platforms.tally(Direction::In).delivered();
    tokio::time::sleep(measured).await;
    let delivered = platforms.tally(Direction::In).delivered() - before;
    relay.kill().await?;
    let allowed = f64::from(ALLOWED) / Duration::from_mins(1).as_secs_f64();
    let percent = 100.0 * per_second(delivered, measured) / allowed;
    Ok(vec![
        Figure::new(
            format!(
                "share of {ALLOWED} requests a minute that a backlog used, over {} s",
                measured.as_secs()
            ),
            format!("{percent:.1} %"),
        )
        .aimed("97 % or more", percent >= AIM_PERCENT),
        Figure::new(
            "requests that Genesys refused meanwhile",
            platforms.throttled().to_string(),
        ),
    ])
}
