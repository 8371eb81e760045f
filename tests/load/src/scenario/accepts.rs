//! Accepts a second: a customer's text verified, stored with fsync and answered, 64 at once.
//!
//! Delivery is held back (Genesys refuses the client), so that the accept alone is measured. Then the relay is killed
//! with SIGKILL and started again: every text that was answered 200 must still wait.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, WARM_UP, baseline, each, median, per_second, quantile};
use crate::error::LoadError;
use crate::generate::closed_loop;
use crate::platforms::{Direction, Platforms};
use crate::relay::Place;
use crate::report::{self, Figure};
use crate::requests::Requests;

/// Of the baseline.
const AIM_PERCENT: f64 = 60.0;

struct Round {
    baseline: f64,
    accepts: f64,
    p50: Duration,
    p99: Duration,
    cpu: Duration,
}

impl Round {
    fn percent(&self) -> f64 {
        100.0 * self.accepts / self.baseline
    }
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>, LoadError> {
    let requests = Arc::new(Requests::of_customers(WARM_UP + bench.size.accepts));
    let mut rounds = Vec::new();
    for _ in 0..bench.size.rounds {
        // Side by side: what else the machine does then disturbs both.
        let baseline = baseline::round(&requests).await?;
        rounds.push(round(bench, &requests, baseline).await?);
    }
    Ok(figures(&rounds))
}

fn figures(rounds: &[Round]) -> Vec<Figure> {
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value));
    let time = |value: fn(&Round) -> Duration| median(rounds.iter().map(value));
    let percent = of(Round::percent);
    vec![
        baseline::figure(of(|round| round.baseline)),
        Figure::new(
            "accepts with fsync, 64 connections",
            report::rate(of(|round| round.accepts)),
        ),
        Figure::new("their share of the baseline", format!("{percent:.0} %"))
            .aimed("60 % or more", percent >= AIM_PERCENT),
        Figure::new(
            "answer at that load, p50 and p99",
            format!(
                "{}, {}",
                report::millis(time(|round| round.p50)),
                report::millis(time(|round| round.p99))
            ),
        ),
        Figure::new(
            "the relay's CPU time an accept",
            report::micros(time(|round| round.cpu)),
        ),
    ]
}

async fn round(bench: &Bench, requests: &Arc<Requests>, baseline: f64) -> Result<Round, LoadError> {
    let platforms = Platforms::start(requests.len(), 0).await?;
    platforms.refuse_tokens(true);
    let place = Place::prepare(&bench.data_dir)?;
    let relay = place.start(&bench.relay, &platforms).await?;
    closed_loop(relay.public, requests, 0..WARM_UP).await?;
    let cpu = relay.cpu()?;
    let run = closed_loop(relay.public, requests, WARM_UP..requests.len()).await?;
    let cpu = relay.cpu()?.saturating_sub(cpu);
    relay.expect_waiting(Direction::In, requests.len()).await?;
    relay.kill().await?;
    let relay = place.start(&bench.relay, &platforms).await?;
    relay.expect_waiting(Direction::In, requests.len()).await?;
    relay.kill().await?;
    let count = requests.len() - WARM_UP;
    Ok(Round {
        baseline,
        accepts: per_second(count, run.took),
        p50: quantile(&run.latency, 0.5),
        p99: quantile(&run.latency, 0.99),
        cpu: each(cpu, count),
    })
}
