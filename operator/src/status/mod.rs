//! The fifth phase: the truth about a bridge, with the fix beside each thing that is wrong.
//!
//! Each condition is an ordered list of pure checks; what is composed of them is written only when it has changed.
//! Events are published for transitions only.

mod compose;
mod delivering;
pub mod due;
pub mod events;
mod relay;
mod summary;
pub mod write;

pub use self::compose::{Inputs, compose};
