//! What is asked about the operator itself: health, readiness, metrics.

mod metrics;
mod readiness;
mod routes;

pub use self::metrics::Metrics;
pub use self::readiness::Readiness;
pub use self::routes::router;
