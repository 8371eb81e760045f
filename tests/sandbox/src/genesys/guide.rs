//! The inbound message as a widely read integration guide has it.
//!
//! Accepted whatever the profile, so that a bridge with the wrong one is seen to reach the desk. The platform's own
//! legacy endpoint at this path takes `OpenNormalizedMessage`, which is not modelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::inbound::{accept, read, text};
use super::models;
use super::refusal::not_found;
use crate::call::{self, Call, Handled};
use crate::log::GenesysInbound;
use crate::world::World;

/// `POST /api/v2/conversations/messages/inbound/open`
pub(crate) fn message(world: &Arc<World>, call: &Call) -> Handled {
    let body = read(world, None, call, &models::GUIDE_MESSAGE)?;
    let channel = &body["channel"];
    let integration = text(&channel["id"]);
    if world.state().genesys.integration(&integration).is_none() {
        return Err(not_found(&format!("integration {integration}")));
    }
    let inbound = GenesysInbound {
        integration_id: integration,
        message_id: body["id"].as_str().map(str::to_owned),
        customer: text(&channel["to"]["id"]),
        text: text(&body["normalizedMessage"]["text"]),
        nickname: None,
        attributes: BTreeMap::new(),
        time: None,
        at: Timestamp::now(),
        repeat: false,
        answered: call.plan.lost.is_none(),
    };
    let (id, conversation) = accept(world, inbound);
    let answer = json!({"id": id, "conversationId": conversation, "channel": channel, "normalizedMessage": body["normalizedMessage"]});
    Ok(call::json(StatusCode::OK, &answer))
}
