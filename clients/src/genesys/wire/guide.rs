//! The `Guide` profile: what a widely read integration guide says, to the letter, for gateways built from it.
//!
//! `channel.to` is the customer and `channel.from` our number: reversed on purpose, as the guide has it. There is no
//! time, no id type, no attributes, and neither receipts nor events.

use serde_json::{Value, json};

use crate::genesys::ids::IntegrationId;
use crate::genesys::message::InboundMessage;

/// Where the guide lists integrations.
pub const INTEGRATIONS: [&str; 5] = ["api", "v2", "messaging", "integrations", "open"];

/// `/api/v2/conversations/messages/inbound/open`, as segments.
pub fn inbound_path() -> Vec<String> {
    ["api", "v2", "conversations", "messages", "inbound", "open"]
        .map(str::to_owned)
        .to_vec()
}

/// The guide's body for a customer's text.
pub fn message(integration: &IntegrationId, message: &InboundMessage) -> Value {
    json!({
        "id": message.message_id,
        "channel": {
            "type": "Open",
            "id": integration.as_str(),
            "to": { "id": message.customer.id },
            "from": { "id": message.our_number },
        },
        "normalizedMessage": { "type": "Text", "text": message.text },
    })
}
