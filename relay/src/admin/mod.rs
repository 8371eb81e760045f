//! What is seen from outside: health, metrics and status on the admin address, dead letters on the control listener.
//!
//! The admin address is read-only and shows no body and no full number. What changes state goes through the control
//! listener, which is bound to the loopback address.

pub mod control;
pub(crate) mod gaps;
mod labels;
pub mod metrics;
#[cfg(test)]
mod reference;
mod routes;
pub mod status;
pub mod vitals;

pub use routes::{Admin, router};
