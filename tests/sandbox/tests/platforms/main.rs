//! The sandbox over real HTTP: what each platform accepts and refuses, how its webhooks are signed and tried again,
//! and what the planted faults do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridges;
mod control;
mod faults;
mod genesys;
mod process;
mod rig;
mod sdks;
mod services;
mod twilio;
mod webhooks;
