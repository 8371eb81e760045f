//! What the suites that cross crates share: a tenant on disk, the relay as a real process, and the sandbox beside it.
//!
//! The relay is its own binary with the named steps compiled in; the platforms are the sandbox, over real HTTP. Every
//! line that a relay logs is kept, and scanned for numbers, bodies and secrets when the relay ends.

pub mod crash;
pub mod process;
pub mod signed;
pub mod tenant;
pub mod verdict;

use std::future::Future;
use std::time::{Duration, Instant};

/// A word that every message body of the suites holds, so that a body in a log is found.
pub const BODY_MARK: &str = "quokka";

/// Waits until `probe` answers `Some`, and fails the test with `what` after `patience`.
///
/// # Panics
///
/// When the patience ends.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    patience: Duration,
    mut probe: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(
            began.elapsed() < patience,
            "did not come true within {patience:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
