//! Typed clients of the two platforms that the bridge joins: Genesys Cloud Open Messaging and Twilio Messages.
//!
//! What it guarantees: every call has a time limit, every body read is bounded, no redirect is followed, and each
//! failure is one [`ApiError`] whose [`ErrorKind`] says whether a repeat is safe, useless or dangerous. Secrets are
//! held in types that cannot be printed; `Debug` and error texts mask numbers and leave message bodies out.
//!
//! What it does not do: it never repeats a call by itself (but for one renewed Genesys token, and the next credentials
//! of a list after a refusal), keeps no queue, paces nothing and knows nothing of Kubernetes.
//!
//! Parsing, signatures and classification are pure functions; HTTP, hosts and time come from outside.

pub mod error;
pub mod genesys;
pub mod http;
pub mod mask;
pub mod secrets;
mod server_time;
pub mod twilio;
pub mod webhooks;

pub use error::{ApiError, BlockedCause, ErrorKind, Platform};
pub use server_time::ServerTime;
