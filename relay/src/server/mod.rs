//! The public port: one module per webhook. Verify, parse, append, answer, in this order and nothing else.
//!
//! Guarantees: a webhook is answered 2xx only after its row is committed with fsync; what a valid signature covers is
//! never refused for its content; a full queue or disk is answered 503 at once.

mod answer;
mod bodies;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod genesys_outbound;
mod handshake;
pub mod port;
mod seats;
mod twilio_inbound;
mod twilio_request;
mod twilio_status;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use messaging_bridge_clients::genesys::IntegrationId;
use tokio::sync::{Notify, watch};

use crate::admin::vitals::Vitals;
use crate::clock::Clock;
use crate::dispatch::Wake;
use crate::dispatch::callbacks::Callbacks;
use crate::dispatch::traffic::Traffic;
use crate::outbox::{Outbox, OutboxError};
use crate::public_url::{GENESYS_OUTBOUND, TWILIO_INBOUND, TWILIO_STATUS};
use crate::secrets::Secrets;
use crate::settings::Settings;

/// A commit that is not confirmed by then is answered 503; both platforms wait longer (10 s and 15 s).
const COMMIT_PATIENCE: Duration = Duration::from_secs(4);

/// De-duplication keys live this long, longer than any platform repeats.
pub(crate) const KEY_LIFE: Duration = Duration::from_hours(30 * 24);

/// What the webhooks work with.
pub struct Intake {
    /// What this relay is configured with.
    pub settings: Arc<Settings>,
    /// The loaded Secrets.
    pub secrets: watch::Receiver<Arc<Secrets>>,
    /// The integration's id, once known.
    pub integration: watch::Receiver<Option<IntegrationId>>,
    /// The durable queue.
    pub outbox: Arc<dyn Outbox>,
    /// Tells dispatch what was appended.
    pub wake: Wake,
    /// The way to Twilio: a callback may say that nothing gets through there.
    pub outbound: Arc<Traffic>,
    /// Tells which lane waits for a callback.
    pub callbacks: Arc<Callbacks>,
    /// Told when a customer's message could not be stored.
    pub missed: Arc<Notify>,
    /// What is seen from outside.
    pub vitals: Arc<Vitals>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
}

impl Intake {
    /// The Secrets of this moment.
    fn secrets_now(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets.borrow())
    }
}

/// Waits for a commit and what follows it, but not longer than the platform would. Whatever becomes of the wait (a slow
/// disk, a peer that hangs up), the work goes on to its end: a row that is committed is also told to dispatch.
async fn committed<T: Send + 'static>(
    work: impl Future<Output = Result<T, OutboxError>> + Send + 'static,
) -> Result<T, OutboxError> {
    match tokio::time::timeout(COMMIT_PATIENCE, tokio::spawn(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(OutboxError::Closed),
        Err(_) => Err(OutboxError::Store("not confirmed within 4 s".into())),
    }
}

/// The public routes, at the root and below the prefix of the public URL: a proxy may strip it or not.
pub fn router(intake: Arc<Intake>) -> Router {
    let prefix = intake.settings.public_url.prefix().to_owned();
    let routes = Router::new()
        .route(TWILIO_INBOUND, post(twilio_inbound::receive))
        .route(
            &format!("{TWILIO_STATUS}{{send}}"),
            post(twilio_status::receive),
        )
        .route(
            GENESYS_OUTBOUND,
            get(handshake::receive).post(genesys_outbound::receive),
        )
        // The port has bounded it.
        .layer(DefaultBodyLimit::disable())
        .with_state(intake);
    if prefix.is_empty() {
        routes
    } else {
        Router::new().nest(&prefix, routes.clone()).merge(routes)
    }
}
