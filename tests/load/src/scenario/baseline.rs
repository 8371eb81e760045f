//! The yardstick: requests a second of a bare axum server that only verifies the signature.

use std::sync::Arc;

use super::{Bench, WARM_UP, median, per_second};
use crate::baseline::Baseline;
use crate::error::LoadError;
use crate::generate::closed_loop;
use crate::report::{self, Figure};
use crate::requests::Requests;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>, LoadError> {
    let requests = Arc::new(Requests::of_customers(WARM_UP + bench.size.accepts));
    let mut rounds = Vec::new();
    for _ in 0..bench.size.rounds {
        rounds.push(round(&requests).await?);
    }
    Ok(vec![figure(median(rounds))])
}

pub(super) fn figure(per_second: f64) -> Figure {
    Figure::new(
        "bare axum with signature check, 64 connections",
        report::rate(per_second),
    )
}

/// Requests a second, after a warm-up.
pub(super) async fn round(requests: &Arc<Requests>) -> Result<f64, LoadError> {
    let server = Baseline::start().await?;
    closed_loop(server.address, requests, 0..WARM_UP).await?;
    let run = closed_loop(server.address, requests, WARM_UP..requests.len()).await?;
    server.kill().await?;
    Ok(per_second(requests.len() - WARM_UP, run.took))
}
