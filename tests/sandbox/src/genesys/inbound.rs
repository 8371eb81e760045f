//! What the bridge posts: customers' messages and events, and receipts for the agents' messages.
//!
//! Nothing is de-duplicated: a message that is posted twice is on the desk twice, marked as a repeat.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::models;
use super::refusal::{bad_request, not_found, refuse};
use super::schema::Shape;
use crate::call::{self, Call, Handled, Refusal};
use crate::ids;
use crate::log::{GenesysEvent, GenesysInbound, Reason, ReceiptSeen};
use crate::view::{DeskLine, DeskState};
use crate::world::World;

/// `POST .../{integration}/inbound/open/message`
pub(crate) fn message(world: &Arc<World>, integration: &str, call: &Call) -> Handled {
    let body = read(world, Some(integration), call, &models::MESSAGE)?;
    let channel = &body["channel"];
    if text(&body["text"]).is_empty() && body["content"].as_array().is_none_or(Vec::is_empty) {
        return Err(bad_request("A message has text or content"));
    }
    let inbound = GenesysInbound {
        integration_id: integration.to_owned(),
        message_id: channel["messageId"].as_str().map(str::to_owned),
        customer: text(&channel["from"]["id"]),
        text: text(&body["text"]),
        nickname: channel["from"]["nickname"].as_str().map(str::to_owned),
        attributes: serde_json::from_value(channel["metadata"]["customAttributes"].clone())
            .unwrap_or_default(),
        time: channel["time"].as_str().and_then(|time| time.parse().ok()),
        at: Timestamp::now(),
        repeat: false,
        answered: call.plan.lost.is_none(),
    };
    let (id, conversation) = accept(world, inbound);
    let mut answer = json!({
        "id": id,
        "channel": of_channel(integration, channel, &json!({"id": integration}), &channel["from"]),
        "type": "Text",
        "text": body["text"],
        "metadata": body["metadata"],
    });
    if call.query("prefetchConversationId") == Some("true") {
        answer["conversationId"] = conversation.into();
    }
    Ok(call::json(StatusCode::OK, &answer))
}

/// Puts a message on the desk. Returns its id and that of its conversation.
pub(crate) fn accept(world: &World, mut inbound: GenesysInbound) -> (String, String) {
    let id = ids::hex32();
    let mut state = world.state();
    inbound.repeat = state.genesys.is_repeat(inbound.message_id.as_deref());
    let conversation = state
        .genesys
        .conversation(&inbound.integration_id, &inbound.customer);
    state.view.desk(DeskLine {
        id: id.clone(),
        customer: inbound.customer.clone(),
        name: inbound.nickname.clone(),
        mine: false,
        text: inbound.text.clone(),
        state: DeskState::Received,
        reason: None,
        repeat: inbound.repeat,
        at: inbound.at,
    });
    state.log.genesys_inbound.push(inbound);
    (id, conversation)
}

/// `POST .../{integration}/inbound/open/event`
pub(crate) fn event(world: &Arc<World>, integration: &str, call: &Call) -> Handled {
    let body = read(world, Some(integration), call, &models::EVENT)?;
    let channel = &body["channel"];
    let customer = text(&channel["from"]["id"]);
    let events = body["events"].as_array().map_or(&[][..], Vec::as_slice);
    let mut state = world.state();
    for event in events {
        state.log.genesys_events.push(GenesysEvent {
            integration_id: integration.to_owned(),
            customer: customer.clone(),
            kind: text(&event["eventType"]),
            at: Timestamp::now(),
        });
    }
    Ok(call::json(
        StatusCode::OK,
        &json!({
            "id": ids::hex32(),
            "channel": of_channel(integration, channel, &json!({"id": integration}), &channel["from"]),
            "type": "Event",
            "events": body["events"],
        }),
    ))
}

/// `POST .../{integration}/inbound/open/receipt`. For a message that no agent wrote, the answer is 2xx, and its body
/// says `Failed`.
pub(crate) fn receipt(world: &Arc<World>, integration: &str, call: &Call) -> Handled {
    let body = read(world, Some(integration), call, &models::RECEIPT)?;
    let seen = ReceiptSeen {
        message_id: text(&body["id"]),
        customer: text(&body["channel"]["to"]["id"]),
        status: text(&body["status"]),
        is_final: body["isFinalReceipt"].as_bool().unwrap_or(false),
        reasons: serde_json::from_value(body["reasons"].clone()).unwrap_or_default(),
        at: Timestamp::now(),
        accepted: world
            .state()
            .genesys
            .knows(body["id"].as_str().unwrap_or_default()),
    };
    let channel = &body["channel"];
    let mut answer = json!({
        "id": seen.message_id,
        "channel": of_channel(integration, channel, &channel["to"], &json!({"id": integration, "idType": "Opaque"})),
        "type": "Receipt",
        "direction": "Inbound",
        "status": body["status"],
        "isFinalReceipt": seen.is_final,
        "reasons": body["reasons"],
    });
    if !seen.accepted {
        answer["status"] = "Failed".into();
        answer["reasons"] =
            json!([{"code": "UnknownMessage", "message": "No such outbound message"}]);
    }
    note_receipt(world, seen);
    Ok(call::json(StatusCode::OK, &answer))
}

fn note_receipt(world: &World, seen: ReceiptSeen) {
    let mut state = world.state();
    let desk = match seen.status.as_str() {
        "Sent" => Some(DeskState::Sent),
        "Delivered" => Some(DeskState::Delivered),
        "Failed" => Some(DeskState::Failed),
        _ => None,
    };
    if let Some(desk) = desk {
        let reason = seen.reasons.first().map(Reason::sentence);
        state.view.raise_desk(&seen.message_id, desk, reason);
    }
    state.log.genesys_receipts.push(seen);
}

impl Reason {
    fn sentence(&self) -> String {
        match &self.code {
            Some(code) => format!("{code}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// Reads and checks a JSON body for an integration that must exist.
pub(crate) fn read(
    world: &World,
    integration: Option<&str>,
    call: &Call,
    shape: &Shape,
) -> Result<Value, Refusal> {
    if let Some(id) = integration
        && world.state().genesys.integration(id).is_none()
    {
        return Err(not_found(&format!("integration {id}")));
    }
    if !call.media_type().eq_ignore_ascii_case("application/json") {
        let message = "The content type must be application/json";
        return Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported.media.type",
            message,
        ));
    }
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| {
        bad_request("The request could not be understood by the server due to malformed syntax.")
    })?;
    shape
        .check("", &body)
        .map_err(|violation| refuse(StatusCode::BAD_REQUEST, violation.code, &violation.message))?;
    Ok(body)
}

/// `OpenMessagingChannel`, of an answer.
fn of_channel(integration: &str, given: &Value, to: &Value, from: &Value) -> Value {
    json!({
        "id": integration,
        "platform": "Open",
        "type": "Private",
        "messageId": given["messageId"],
        "to": to,
        "from": from,
        "time": given["time"],
        "metadata": given["metadata"],
    })
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
