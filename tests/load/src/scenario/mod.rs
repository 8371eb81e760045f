//! The scenarios, each a module that measures and verifies its own counts. Relays and platforms are fresh each time.

mod accepts;
mod baseline;
mod budget;
mod memory;
mod open_loop;
mod whole_path;

use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::error::LoadError;
use crate::report::Figure;

/// Messages before the clock starts: connections, caches, prepared statements and the token are then there. A multiple
/// of the generator's connections.
const WARM_UP: usize = 1024;

/// What is measured, and where.
pub(crate) struct Bench {
    /// The relay's binary.
    pub(crate) relay: PathBuf,
    /// Where its data goes.
    pub(crate) data_dir: PathBuf,
    /// How much is measured.
    pub(crate) size: Size,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Repeats of what is a rate; the median counts.
    rounds: usize,
    /// Accepts in a round.
    accepts: usize,
    /// Messages to Genesys in a round.
    inbound: usize,
    /// Messages to Twilio in a round.
    outbound: usize,
    /// Messages each way to platforms that are far away.
    far: usize,
    /// Messages that wait, a few and many.
    waiting: [usize; 2],
    /// Minutes, or a part of one, that Genesys' limit is met for.
    limited: Duration,
    /// Seconds of the open loop.
    seconds: u32,
    /// How long an idle relay is left alone before its memory is read.
    settle: Duration,
}

impl Size {
    /// For figures.
    pub(crate) const fn full() -> Self {
        Self {
            rounds: 3,
            accepts: 100_000,
            inbound: 8_500,
            outbound: 20_000,
            far: 5_000,
            waiting: [10_000, 100_000],
            limited: Duration::from_mins(3),
            seconds: 20,
            settle: Duration::from_secs(5),
        }
    }

    /// To see that it works.
    pub(crate) const fn quick() -> Self {
        Self {
            rounds: 1,
            accepts: 5_000,
            inbound: 2_000,
            outbound: 2_000,
            far: 500,
            waiting: [500, 1_000],
            limited: Duration::from_secs(5),
            seconds: 2,
            settle: Duration::from_secs(1),
        }
    }
}

/// One of the scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The yardstick alone.
    Baseline,
    /// Accepts, beside the yardstick.
    Accepts,
    /// Both ways.
    WholePath,
    /// Latency.
    OpenLoop,
    /// Memory.
    Memory,
    /// Genesys' limit.
    Budget,
}

/// All of them, in the order in which they are measured.
pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario::Baseline,
    Scenario::Accepts,
    Scenario::WholePath,
    Scenario::OpenLoop,
    Scenario::Memory,
    Scenario::Budget,
];

impl Scenario {
    /// Its name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Accepts => "accepts",
            Self::WholePath => "whole path",
            Self::OpenLoop => "open loop",
            Self::Memory => "memory",
            Self::Budget => "budget",
        }
    }

    /// Whether it is measured when everything is: the baseline is part of the accepts.
    pub(crate) fn in_all(self) -> bool {
        self != Self::Baseline
    }

    /// Measures it.
    pub(crate) async fn measure(self, bench: &Bench) -> Result<Vec<Figure>, LoadError> {
        match self {
            Self::Baseline => baseline::measure(bench).await,
            Self::Accepts => accepts::measure(bench).await,
            Self::WholePath => whole_path::measure(bench).await,
            Self::OpenLoop => open_loop::measure(bench).await,
            Self::Memory => memory::measure(bench).await,
            Self::Budget => budget::measure(bench).await,
        }
    }
}

/// So many in such a time.
fn per_second(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

/// The share of each of so many.
fn each(total: Duration, count: usize) -> Duration {
    total / u32::try_from(count).unwrap_or(u32::MAX)
}

/// The middle of the rounds, the higher one of two.
fn median<T: PartialOrd + Copy>(rounds: impl IntoIterator<Item = T>) -> T {
    let mut sorted: Vec<T> = rounds.into_iter().collect();
    sorted.sort_unstable_by(|a, b| a.partial_cmp(b).expect("figures are numbers"));
    sorted[sorted.len() / 2]
}

/// A quantile of a histogram of microseconds.
fn quantile(histogram: &Histogram<u64>, quantile: f64) -> Duration {
    Duration::from_micros(histogram.value_at_quantile(quantile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median([3, 1, 2]), 2);
        assert_eq!(median([Duration::from_secs(1)]), Duration::from_secs(1));
    }
}
