//! The API of Messaging Bridge: the `MessagingBridge` resource, the file that the relay reads, and their rules.
//!
//! Everything a bridge may say is decided here once: the types, the limits in the schema, the CEL rules the API
//! server runs, the table of Genesys Cloud regions, and the same checks without a cluster ([`check_manifest`]).
//! The binary of this crate writes the manifests and the reference pages from these types.
//!
//! The crate holds no state and talks to nobody: schemas and validators are built when a check asks for them and
//! dropped after it, because a relay that runs for months checks its manifest once.

pub mod messaging_bridge;
pub mod offline;
pub mod reason;
pub mod region;
pub mod relay_config;
pub mod status;

mod mask;
mod rules;

pub use messaging_bridge::{
    EmbeddedQueue, GenesysSpec, MessagingBridge, MessagingBridgeSpec, OnUnresolved, QueueSpec,
    SecretRef, TwilioSpec, WireProfile,
};
pub use offline::{Problem, check_manifest, openapi_schema};
pub use reason::{ConditionStatus, ConditionType, Reason};
pub use region::{REGIONS, Region, RegionError, RegionHosts, resolve};
pub use relay_config::{
    BridgeName, QueueLimits, RELAY_CONFIG_VERSION, RelayConfig, RelayConfigError, RelayGenesys,
    RelayTwilio,
};
pub use status::{
    MessagingBridgeStatus, ResolvedIntegration, SecretState, SecretStatus, StatusWebhooks,
};
