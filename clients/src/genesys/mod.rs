//! Genesys Cloud: Open Messaging both ways, its token and its integrations.
//!
//! Everything here is safe to repeat: a repeated inbound message carries the same message id.

mod answer;
pub mod client;
pub mod ids;
pub mod integrations;
pub mod message;
pub mod receipt;
pub mod signature;
mod token;
pub mod webhook;
pub mod wire;

pub use client::{GenesysClient, GenesysHosts, RateLimit};
pub use ids::{GenesysMessageId, IntegrationId};
pub use integrations::{IntegrationLookupError, OpenIntegration, find_integration};
pub use message::{Customer, EventKind, IdType, InboundEvent, InboundMessage};
pub use receipt::{ReasonCode, Receipt, ReceiptAnswer, ReceiptStatus};
pub use token::{ClientCredentials, TokenLife};
pub use webhook::{OutboundNotification, parse_outbound};
pub use wire::WireProfile;
