//! What Genesys keeps of the organisation: tokens, integrations, conversations, and which messages it knows.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::tokens::Token;
use crate::ids;
use crate::options::{self, Options};

/// The organisation's state.
pub(crate) struct Organisation {
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) integrations: Vec<Integration>,
    /// `channel.messageId` of every inbound message: a second one is a repeat.
    seen: HashSet<String>,
    /// Ids of the agents' messages: receipts for others are refused.
    sent: HashSet<String>,
    /// Integration and customer → conversation.
    conversations: HashMap<(String, String), String>,
    last_sent: Timestamp,
}

/// An Open Messaging integration.
#[derive(Clone)]
pub(crate) struct Integration {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) webhook_url: String,
    pub(crate) webhook_secret: String,
    pub(crate) webhook_headers: BTreeMap<String, String>,
}

impl Organisation {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            tokens: HashMap::new(),
            integrations: options
                .integrations()
                .map(|i| Integration::new(i, options))
                .collect(),
            seen: HashSet::new(),
            sent: HashSet::new(),
            conversations: HashMap::new(),
            last_sent: Timestamp::UNIX_EPOCH,
        }
    }

    pub(crate) fn integration(&self, id: &str) -> Option<&Integration> {
        self.integrations
            .iter()
            .find(|integration| integration.id == id)
    }

    /// Notes an inbound message. True if its id was seen before.
    pub(crate) fn is_repeat(&mut self, message_id: Option<&str>) -> bool {
        message_id.is_some_and(|id| !self.seen.insert(id.to_owned()))
    }

    pub(crate) fn note_sent(&mut self, id: &str) {
        self.sent.insert(id.to_owned());
    }

    pub(crate) fn knows(&self, id: &str) -> bool {
        self.sent.contains(id)
    }

    /// The conversation with this customer, begun if there is none.
    pub(crate) fn conversation(&mut self, integration: &str, customer: &str) -> String {
        let key = (integration.to_owned(), customer.to_owned());
        self.conversations
            .entry(key)
            .or_insert_with(ids::uuid)
            .clone()
    }

    /// The time of the next agent's message: now, but later than that of every earlier one, to the millisecond.
    pub(crate) fn next_time(&mut self) -> Timestamp {
        let now =
            Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
        self.last_sent = now.max(self.last_sent + jiff::SignedDuration::from_millis(1));
        self.last_sent
    }

    /// All tokens die now.
    pub(crate) fn kill_tokens(&mut self) {
        for token in self.tokens.values_mut() {
            token.die();
        }
    }

    /// Forgets messages and conversations; tokens and integrations stay.
    pub(crate) fn forget_messages(&mut self) {
        self.seen.clear();
        self.sent.clear();
        self.conversations.clear();
    }
}

impl Integration {
    fn new(integration: &options::Integration, options: &Options) -> Self {
        Self {
            id: integration.id.clone(),
            name: integration.name.clone(),
            webhook_url: options.public("genesys/outbound"),
            webhook_secret: integration.webhook_secret.clone(),
            webhook_headers: BTreeMap::new(),
        }
    }

    /// The read model. The secret is masked: whether the platform does that is unknown.
    pub(crate) fn resource(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "outboundNotificationWebhookUrl": self.webhook_url,
            "outboundNotificationWebhookSignatureSecretToken": "****************",
            "webhookHeaders": self.webhook_headers,
            "status": "active",
            "createStatus": "Completed",
            "dateCreated": "2026-01-01T00:00:00.000Z",
            "dateModified": "2026-01-01T00:00:00.000Z",
            "selfUri": format!("{}/{}", super::INTEGRATIONS, self.id),
        })
    }
}
