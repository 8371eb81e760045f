//! Counts and times the calls that are really made; an answer from memory is none.

use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::{ApiError, Platform};
use tokio::time::Instant;

/// Hears of each call: platform, operation, outcome, duration.
pub type CallObserver = Arc<dyn Fn(Platform, &'static str, &'static str, Duration) + Send + Sync>;

/// Tells the [`CallObserver`] of a call.
pub(super) struct Observer(pub(super) CallObserver);

impl Observer {
    /// Makes the call and tells what came of it.
    pub(super) async fn watch<T>(
        &self,
        platform: Platform,
        operation: &'static str,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let began = Instant::now();
        let outcome = call.await;
        let word = match &outcome {
            Ok(_) => "ok",
            Err(error) => error.kind.as_str(),
        };
        (self.0)(platform, operation, word, began.elapsed());
        outcome
    }
}
