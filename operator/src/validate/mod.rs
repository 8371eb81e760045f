//! The second phase: what follows from what was read. Pure.

pub mod validated;

pub use validated::{BridgeRef, EmbeddedVolume, QueueKind, ValidatedBridge};
