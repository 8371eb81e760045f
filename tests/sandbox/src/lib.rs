//! Both platforms, simulated: Twilio's Programmable Messaging and Genesys Cloud's Open Messaging, as a bridge meets
//! them.
//!
//! The sandbox is strict where the platforms are strict (authentication, required fields, known values, limits) and
//! hostile where they are hostile ([`Faults`]). It is written from their documentation alone and shares no code with
//! the bridge, so that each proves the other. It signs webhooks for the public URL of the bridge and connects to
//! where [`Options::connect`] says.
//!
//! # What it does not model
//!
//! - Twilio: sending through a Messaging Service, its other senders than numbers, applications, WhatsApp, media that can be fetched, templates, TwiML replies, scheduling, redaction
//!   and deletion, `GET` webhooks, redirects (not followed), cookies, the overrides `ct`, `sni` and `e`, throughput
//!   limits and queues of a sender, the expiry of `ValidityPeriod`, Advanced Opt-Out, subaccounts, shared keys.
//! - Genesys: OAuth scopes and roles (a client has its permissions themselves), divisions, several organisations,
//!   creating and deleting integrations by its API, what an integration's status means, supported content, structured messages and their answers, attachments, Architect, the end of a conversation, the
//!   real model of the legacy inbound endpoint (only a guide's idea of it), de-duplication (nobody knows whether there
//!   is any: there is none here).
//! - Both: TLS, the latency of the Internet, and eventual consistency, unless a fault says so.
//!
//! Time limits, the life of tokens and the minute of the rate limit are real; all waits are scaled by
//! [`Options::time_scale`].

mod call;
mod connection;
mod control;
mod courier;
pub mod demo;
mod faults;
mod gate;
mod genesys;
mod ids;
mod log;
mod options;
mod presets;
mod requests;
mod sandbox;
mod settings;
mod turns;
mod twilio;
mod view;
mod world;

pub use faults::{Effect, Endpoint, Fault, FaultError, Faults, FinalStatus, Untruth};
pub use genesys::WebhookOutcome;
pub use log::{
    Answer, CallbackAttempt, GenesysEvent, GenesysInbound, Log, Platform, Reason, ReceiptSeen,
    Rejected, TwilioSend, WebhookAttempt,
};
pub use options::{Integration, Options, Profile, RateLimiter, SandboxError};
pub use requests::{PlatformRequest, by_user_agent};
pub use sandbox::Sandbox;
pub use settings::{
    AccountSettings, ClientSettings, IntegrationSettings, NumberSettings, Permission,
    ServiceSettings, SettingsError,
};
