//! The control plane: for each `MessagingBridge` a relay that is configured with what both platforms say, and a status
//! that tells the truth and names the fix.
//!
//! A reconcile runs through five phases, one module each, and data flows one way: [`dereference`] (all reads) →
//! [`validate`] (pure) → [`build`] (pure) → [`apply`] (the only writer of the relay's objects) → [`status`] (the only
//! writer of the bridge's status). The operator never writes a bridge's `spec` and changes nothing at either platform.

pub mod admin;
pub mod apply;
pub mod build;
pub mod cli;
pub mod controller;
pub mod crd_wait;
pub mod dereference;
mod error_chain;
pub mod names;
pub mod platforms;
mod pod;
pub mod relay_status;
pub mod settings;
pub mod status;
pub mod validate;
