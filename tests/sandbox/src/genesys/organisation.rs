//! What Genesys keeps of the organisation: OAuth clients and tokens, integrations, conversations, and which messages it
//! knows.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::tokens::{Client, Token};
use crate::ids;
use crate::options::{self, Options};
use crate::settings::{
    ClientSettings, IntegrationSettings, MIN_WEBHOOK_SECRET, SettingsError, below,
    is_genesys_webhook, set,
};

/// The organisation's state.
pub(crate) struct Organisation {
    pub(crate) clients: Vec<Client>,
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
    status: String,
    create_status: String,
    create_error: String,
}

impl Organisation {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            clients: vec![Client::new(&options.client_id, &options.client_secret)],
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

    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// Makes an OAuth client, or changes one that is there.
    pub(crate) fn put_client(
        &mut self,
        id: &str,
        settings: ClientSettings,
    ) -> Result<(), SettingsError> {
        let mut clients = self.clients.iter_mut();
        if let Some(client) = clients.find(|client| client.id == id) {
            return client.change(settings);
        }
        let mut client = Client::new(id, "");
        client.change(settings)?;
        self.clients.push(client);
        Ok(())
    }

    /// Removes a client; its tokens are refused from now on.
    pub(crate) fn remove_client(&mut self, id: &str) -> Result<(), SettingsError> {
        let before = self.clients.len();
        self.clients.retain(|client| client.id != id);
        if self.clients.len() == before {
            return Err(SettingsError::unknown("OAuth client", id));
        }
        Ok(())
    }

    /// Makes an integration (without an id), or changes one.
    pub(crate) fn put_integration(
        &mut self,
        options: &Options,
        id: Option<&str>,
        settings: IntegrationSettings,
    ) -> Result<&Integration, SettingsError> {
        let at = if let Some(id) = id {
            let at = self.integrations.iter().position(|known| known.id == id);
            let at = at.ok_or_else(|| SettingsError::unknown("integration", id))?;
            self.integrations[at].change(settings)?;
            at
        } else {
            let blank = options::Integration {
                id: ids::uuid(),
                name: String::new(),
                webhook_secret: options.integration.webhook_secret.clone(),
            };
            let mut new = Integration::new(&blank, options);
            new.webhook_url.clear();
            new.change(settings)?;
            self.integrations.push(new);
            self.integrations.len() - 1
        };
        Ok(&self.integrations[at])
    }

    pub(crate) fn remove_integration(&mut self, id: &str) -> Result<(), SettingsError> {
        let before = self.integrations.len();
        self.integrations.retain(|known| known.id != id);
        if self.integrations.len() == before {
            return Err(SettingsError::unknown("integration", id));
        }
        Ok(())
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
            status: "active".into(),
            create_status: "Completed".into(),
            create_error: String::new(),
        }
    }

    /// Changes it; nothing is changed if anything is wrong.
    fn change(&mut self, settings: IntegrationSettings) -> Result<(), SettingsError> {
        let name = settings.name.unwrap_or_else(|| self.name.clone());
        if name.is_empty() {
            return Err(SettingsError::field("name", "an integration has a name"));
        }
        let url = settings
            .public_url
            .map(|url| below(&url, "genesys/outbound"))
            .or(settings.webhook_url);
        if url.as_deref().is_some_and(|url| !is_genesys_webhook(url)) {
            return Err(SettingsError::field(
                "webhookUrl",
                "must be https on port 443, or empty",
            ));
        }
        let secret = settings.webhook_secret;
        if secret
            .as_deref()
            .is_some_and(|secret| secret.chars().count() < MIN_WEBHOOK_SECRET)
        {
            return Err(SettingsError::field(
                "webhookSecret",
                "must be longer than 15 characters",
            ));
        }
        self.name = name;
        set(&mut self.webhook_url, url);
        set(&mut self.webhook_secret, secret);
        set(&mut self.status, settings.status);
        set(&mut self.create_status, settings.create_status);
        set(&mut self.create_error, settings.create_error);
        Ok(())
    }

    /// The read model. The secret is masked: whether the platform does that is unknown.
    pub(crate) fn resource(&self) -> Value {
        let mut resource = json!({
            "id": self.id,
            "name": self.name,
            "outboundNotificationWebhookUrl": self.webhook_url,
            "outboundNotificationWebhookSignatureSecretToken": "****************",
            "webhookHeaders": self.webhook_headers,
            "status": self.status,
            "createStatus": self.create_status,
            "dateCreated": "2026-01-01T00:00:00.000Z",
            "dateModified": "2026-01-01T00:00:00.000Z",
            "selfUri": format!("{}/{}", super::INTEGRATIONS, self.id),
        });
        if !self.create_error.is_empty() {
            resource["createError"] =
                json!({"message": self.create_error, "code": "bad.request", "status": 400});
        }
        if self.webhook_url.is_empty() {
            resource["outboundNotificationWebhookUrl"] = Value::Null;
        }
        resource
    }
}
