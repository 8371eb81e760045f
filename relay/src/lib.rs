//! The relay: the data plane between Twilio and Genesys Cloud.
//!
//! Data flows one way, and the rooms stand in the order in which a message meets them:
//!
//! 1. [`server`]: one module per webhook; verify, parse, append, answer.
//! 2. [`message`]: the canonical message, the only type in which both platforms meet.
//! 3. [`outbox`]: the durable queue; nothing is acknowledged before it is in here.
//! 4. [`dispatch`]: lanes, retries, budgets, blocked directions.
//! 5. [`deliver`]: canonical message to platform call, and the splitting of long texts.
//! 6. [`heal`]: what the webhooks missed is looked for on Twilio's side.
//! 7. [`admin`]: health, metrics, status and the control listener.
//!
//! [`cli`] wires them; [`settings`] and [`secrets`] say what this relay is configured with; [`trace`] tells of each
//! message's way where one asks for it.
//!
//! What the relay promises is written in `docs/reliability.md`: at most once towards Twilio, at least once towards
//! Genesys, in order per conversation, and no acknowledgement before the message is on disk.

pub mod admin;
pub mod chance;
pub mod cli;
pub mod clock;
pub mod deliver;
pub mod dispatch;
pub mod heal;
pub mod integration;
pub mod message;
pub mod outbox;
pub mod public_url;
mod received;
pub mod secrets;
pub mod server;
pub mod settings;
mod status_report;
pub mod steps;
pub mod trace;
