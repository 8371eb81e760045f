//! The first phase: every read that a reconcile needs, gathered into [`Observed`].

mod observed;

pub use observed::{LiveChildren, Observed, SecretSeen, SecretsSeen, Warning, WorkloadSeen};
