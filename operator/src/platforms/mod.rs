//! (being written)

/// What both platforms said about a bridge.
#[derive(Debug, Clone, Default)]
pub struct PlatformFacts;
