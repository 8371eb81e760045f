//! The generators. A closed loop asks how much is possible: each connection sends its next request after the answer.
//! An open loop asks how long it takes: requests start on time, whatever became of the earlier ones.

mod closed_loop;
mod open_loop;

pub(crate) use closed_loop::closed_loop;
pub(crate) use open_loop::open_loop;

use hdrhistogram::Histogram;

/// The longest time that a histogram tells apart, in microseconds: a minute.
const LONGEST_MICROS: u64 = 60_000_000;

/// Latencies in microseconds.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, 3).expect("constant bounds that are in order")
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST_MICROS)
}
