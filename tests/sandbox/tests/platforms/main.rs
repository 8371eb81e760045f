//! The sandbox over real HTTP: what each platform accepts and refuses, how its webhooks are signed and tried again,
//! and what the planted faults do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod control;
mod faults;
mod genesys;
mod rig;
mod sdks;
mod twilio;
mod webhooks;
