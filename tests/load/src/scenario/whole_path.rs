//! The whole path, both ways: from the first webhook until the last message has reached the other platform.
//!
//! Budget and pace are set so high that they are not what is measured. Each message must arrive exactly once and in its conversation's order.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, WARM_UP, each, median, per_second};
use crate::error::LoadError;
use crate::generate::closed_loop;
use crate::platforms::{Direction, Platforms, Traits};
use crate::process;
use crate::relay::Place;
use crate::report::{self, Figure};
use crate::requests::Requests;

/// What a call to a real platform takes.
const FAR: Duration = Duration::from_millis(50);
/// Until everything is delivered.
const PATIENCE: Duration = Duration::from_mins(2);

struct Round {
    accepts: f64,
    messages: f64,
    relay: Duration,
    generator: Duration,
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>, LoadError> {
    let inbound = Requests::of_customers(WARM_UP + bench.size.inbound);
    let mut figures = rounds(bench, Direction::In, inbound).await?;
    let outbound = Requests::of_agents(WARM_UP + bench.size.outbound);
    figures.extend(rounds(bench, Direction::Out, outbound).await?);
    let inbound = Requests::of_customers(WARM_UP + bench.size.far);
    figures.push(far(bench, Direction::In, inbound).await?);
    let outbound = Requests::of_agents(WARM_UP + bench.size.far);
    figures.push(far(bench, Direction::Out, outbound).await?);
    Ok(figures)
}

/// With platforms as far away as they are: what it takes is waiting.
async fn far(bench: &Bench, direction: Direction, requests: Requests) -> Result<Figure, LoadError> {
    let traits = Traits {
        delay: FAR,
        ..Traits::default()
    };
    let round = round(bench, direction, &Arc::new(requests), traits).await?;
    Ok(Figure::new(
        format!(
            "{}, each call taking {} ms: messages, until drained",
            way(direction),
            FAR.as_millis()
        ),
        report::rate(round.messages),
    ))
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in (Twilio to Genesys)",
        Direction::Out => "out (Genesys to Twilio)",
    }
}

async fn rounds(
    bench: &Bench,
    direction: Direction,
    requests: Requests,
) -> Result<Vec<Figure>, LoadError> {
    let requests = Arc::new(requests);
    let mut rounds = Vec::new();
    for _ in 0..bench.size.rounds {
        rounds.push(round(bench, direction, &requests, Traits::default()).await?);
    }
    let way = way(direction);
    let rate = |value: fn(&Round) -> f64| report::rate(median(rounds.iter().map(value)));
    let time = |value: fn(&Round) -> Duration| report::micros(median(rounds.iter().map(value)));
    Ok(vec![
        Figure::new(
            format!("{way}: messages, until drained"),
            rate(|round| round.messages),
        ),
        Figure::new(
            format!("{way}: accepts meanwhile"),
            rate(|round| round.accepts),
        ),
        Figure::new(
            format!("{way}: the relay's CPU time a message"),
            time(|round| round.relay),
        ),
        Figure::new(
            format!("{way}: CPU time of generator and platforms a message"),
            time(|round| round.generator),
        ),
    ])
}

async fn round(
    bench: &Bench,
    direction: Direction,
    requests: &Arc<Requests>,
    traits: Traits,
) -> Result<Round, LoadError> {
    let total = requests.len();
    let platforms = match direction {
        Direction::In => Platforms::start_with(total, 0, traits).await?,
        Direction::Out => Platforms::start_with(0, total, traits).await?,
    };
    let place = Place::prepare(&bench.data_dir)?;
    let relay = place.start(&bench.relay, &platforms).await?;
    closed_loop(relay.public, requests, 0..WARM_UP).await?;
    platforms
        .tally(direction)
        .reaches(WARM_UP, PATIENCE)
        .await?;
    relay.drained().await?;

    let (relay_before, own_before) = (relay.cpu()?, process::cpu(std::process::id())?);
    let run = closed_loop(relay.public, requests, WARM_UP..total).await?;
    let ended = platforms.tally(direction).reaches(total, PATIENCE).await?;
    // The last completions belong to their messages' cost.
    relay.drained().await?;
    let (relay_after, own_after) = (relay.cpu()?, process::cpu(std::process::id())?);

    platforms.verify()?;
    platforms.tally(direction).in_order()?;
    relay.kill().await?;
    let count = total - WARM_UP;
    Ok(Round {
        accepts: per_second(count, run.took),
        messages: per_second(count, ended.duration_since(run.began)),
        relay: each(relay_after.saturating_sub(relay_before), count),
        generator: each(own_after.saturating_sub(own_before), count),
    })
}
