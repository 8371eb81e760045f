//! (being written)

/// What the relay says of itself.
#[derive(Debug, Clone, Default)]
pub struct RelaySeen;
