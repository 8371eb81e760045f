//! What Twilio keeps of the account: its messages, its number, who opted out.

use std::collections::{HashMap, HashSet};

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::message::Message;
use super::numbers::PhoneNumber;
use crate::call;
use crate::options::Options;

/// The account's state.
pub(crate) struct Account {
    pub(crate) number: PhoneNumber,
    /// Customers who wrote STOP.
    pub(crate) opted_out: HashSet<String>,
    messages: Vec<Message>,
    by_sid: HashMap<String, usize>,
}

impl Account {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            number: PhoneNumber::new(options),
            opted_out: HashSet::new(),
            messages: Vec::new(),
            by_sid: HashMap::new(),
        }
    }

    /// All messages, oldest first.
    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(crate) fn message(&self, sid: &str) -> Option<&Message> {
        self.by_sid.get(sid).map(|index| &self.messages[*index])
    }

    pub(crate) fn message_mut(&mut self, sid: &str) -> Option<&mut Message> {
        self.by_sid.get(sid).map(|index| &mut self.messages[*index])
    }

    pub(crate) fn add(&mut self, message: Message) {
        self.by_sid.insert(message.sid.clone(), self.messages.len());
        self.messages.push(message);
    }
}

/// `GET /Accounts/{sid}.json`. The real resource holds the auth token; this one does not.
pub(crate) fn resource(options: &Options) -> Response {
    let sid = &options.account_sid;
    call::json(
        StatusCode::OK,
        &json!({
            "sid": sid,
            "owner_account_sid": sid,
            "friendly_name": "Acme",
            "status": "active",
            "type": "Full",
            "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
            "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
            "uri": format!("{}{sid}.json", super::ACCOUNTS),
            "subresource_uris": {},
        }),
    )
}
