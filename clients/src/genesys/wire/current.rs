//! The `Current` profile: the inbound endpoints of the official SDK (since 2023-09), and its field names.
//!
//! The customer is `channel.from`; the integration is named by the path alone, and there is no place for our own
//! number except `customAttributes`.

use serde_json::{Map, Value, json};

use super::wire_time;
use crate::genesys::ids::IntegrationId;
use crate::genesys::message::{Customer, InboundEvent, InboundMessage};
use crate::genesys::receipt::{Receipt, ReceiptStatus};

/// Where integrations are listed.
pub const INTEGRATIONS: [&str; 6] = [
    "api",
    "v2",
    "conversations",
    "messaging",
    "integrations",
    "open",
];

/// `/api/v2/conversations/messages/{integrationId}/inbound/open/{kind}`, as segments.
pub fn inbound_path(integration: &IntegrationId, kind: &str) -> Vec<String> {
    [
        "api",
        "v2",
        "conversations",
        "messages",
        integration.as_str(),
        "inbound",
        "open",
        kind,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// `OpenInboundNormalizedMessage`.
pub fn message(message: &InboundMessage) -> Value {
    let mut channel = json!({
        "messageId": message.message_id,
        "time": wire_time(message.time),
        "from": customer(&message.customer),
    });
    if !message.custom_attributes.is_empty() {
        channel["metadata"] = json!({ "customAttributes": message.custom_attributes });
    }
    json!({ "channel": channel, "text": message.text })
}

/// `OpenInboundNormalizedEvent`.
pub fn event(event: &InboundEvent) -> Value {
    json!({
        "channel": { "time": wire_time(event.time), "from": customer(&event.customer) },
        "events": [{ "eventType": event.kind.as_str() }],
    })
}

/// `OpenInboundNormalizedReceipt`. Reasons go with `Failed` only.
pub fn receipt(receipt: &Receipt) -> Value {
    let mut body = json!({
        "id": receipt.message_id.as_str(),
        "channel": {
            "to": { "id": receipt.customer.id, "idType": receipt.customer.id_type.as_str() },
            "time": wire_time(receipt.time),
        },
        "status": receipt.status.as_str(),
        "isFinalReceipt": receipt.is_final,
    });
    if let (ReceiptStatus::Failed, Some((code, sentence))) = (receipt.status, &receipt.reason) {
        body["reasons"] = json!([{ "code": code.as_str(), "message": sentence }]);
    }
    body
}

fn customer(customer: &Customer) -> Value {
    let mut from = Map::new();
    from.insert("id".to_owned(), json!(customer.id));
    from.insert("idType".to_owned(), json!(customer.id_type.as_str()));
    if let Some(nickname) = &customer.nickname {
        from.insert("nickname".to_owned(), json!(nickname));
    }
    Value::Object(from)
}
