//! The two shapes in which Genesys' inbound API is spoken: paths and JSON bodies, built without IO.

pub mod current;
pub mod guide;

use jiff::Timestamp;
use serde_json::Value;

use super::ids::IntegrationId;
use super::message::{InboundEvent, InboundMessage};
use super::receipt::Receipt;

/// Which shape to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WireProfile {
    /// The API as the official SDK has it.
    #[default]
    Current,
    /// The API as a widely read integration guide has it, for gateways that were built from that guide.
    Guide,
}

impl WireProfile {
    /// Whether the profile carries receipts and events; `Guide` knows neither.
    pub const fn has_receipts_and_events(self) -> bool {
        matches!(self, Self::Current)
    }

    pub(crate) fn message(
        self,
        integration: &IntegrationId,
        message: &InboundMessage,
    ) -> InboundCall {
        let (path, body) = match self {
            Self::Current => (
                current::inbound_path(integration, "message"),
                current::message(message),
            ),
            Self::Guide => (guide::inbound_path(), guide::message(integration, message)),
        };
        InboundCall { path, body }
    }

    pub(crate) fn event(
        self,
        integration: &IntegrationId,
        event: &InboundEvent,
    ) -> Option<InboundCall> {
        self.has_receipts_and_events().then(|| InboundCall {
            path: current::inbound_path(integration, "event"),
            body: current::event(event),
        })
    }

    pub(crate) fn receipt(
        self,
        integration: &IntegrationId,
        receipt: &Receipt,
    ) -> Option<InboundCall> {
        self.has_receipts_and_events().then(|| InboundCall {
            path: current::inbound_path(integration, "receipt"),
            body: current::receipt(receipt),
        })
    }

    pub(crate) fn integrations_path(self) -> Vec<String> {
        let path: &[&str] = match self {
            Self::Current => &current::INTEGRATIONS,
            Self::Guide => &guide::INTEGRATIONS,
        };
        path.iter().copied().map(str::to_owned).collect()
    }
}

/// A POST to make: path segments below the API host, and the JSON body.
pub(crate) struct InboundCall {
    pub(crate) path: Vec<String>,
    pub(crate) body: Value,
}

/// ISO 8601 in UTC with milliseconds, the form that Genesys documents (`yyyy-MM-ddTHH:mm:ss.SSSZ`).
fn wire_time(time: Timestamp) -> String {
    format!("{time:.3}")
}
