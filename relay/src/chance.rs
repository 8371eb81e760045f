//! Randomness, injected: jitter for retries and the ids of sends.

use rand::RngExt as _;

use crate::outbox::SendId;

/// Where random choices come from.
pub trait Chance: Send + Sync + 'static {
    /// A number in `0.0..1.0`.
    fn fraction(&self) -> f64;
    /// The id of a new send; never given out twice.
    fn send_id(&self) -> SendId;
}

/// The thread's generator and random (version 4) UUIDs.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fraction(&self) -> f64 {
        rand::rng().random()
    }

    fn send_id(&self) -> SendId {
        SendId::new(uuid::Uuid::new_v4().simple().to_string())
    }
}
