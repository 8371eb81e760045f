//! The clients' public API: calls over real HTTP on the loopback interface, golden JSON, the table of codes.
//!
//! One binary, so that it links once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod genesys_client;
mod genesys_token;
mod http;
mod support;
mod tls;
mod twilio_client;
mod twilio_codes;
mod twilio_received;
mod twilio_services;
mod wire;
