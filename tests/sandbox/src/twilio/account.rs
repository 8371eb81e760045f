//! What Twilio keeps of the account: its messages, its numbers and services, who opted out.

use std::collections::{BTreeMap, HashMap, HashSet};

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::message::Message;
use super::numbers::PhoneNumber;
use super::services::Service;
use crate::call;
use crate::options::{Options, is_e164};
use crate::settings::{AccountSettings, NumberSettings, ServiceSettings, SettingsError, set};

const ACTIVE: &str = "active";

/// The account's state.
pub(crate) struct Account {
    sid: String,
    pub(crate) auth_token: String,
    /// SID and secret of each.
    pub(crate) api_keys: BTreeMap<String, String>,
    status: String,
    pub(crate) numbers: Vec<PhoneNumber>,
    pub(crate) services: Vec<Service>,
    /// Number and customer who wrote STOP to it.
    pub(crate) opted_out: HashSet<(String, String)>,
    messages: Vec<Message>,
    by_sid: HashMap<String, usize>,
}

/// Where a number's inbound messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To a webhook and, if that fails, a fallback.
    Webhook { url: String, fallback: String },
    /// The message is stored, and nobody is told.
    Nobody,
    /// A service disabled inbound: the message is not even stored.
    Dropped,
}

impl Account {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            sid: options.account_sid.clone(),
            auth_token: options.auth_token.clone(),
            api_keys: options.api_key.clone().into_iter().collect(),
            status: ACTIVE.into(),
            numbers: vec![PhoneNumber::first(options)],
            services: Vec::new(),
            opted_out: HashSet::new(),
            messages: Vec::new(),
            by_sid: HashMap::new(),
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.status == ACTIVE
    }

    /// Changes token, keys and status.
    pub(crate) fn change(&mut self, settings: AccountSettings) -> Result<(), SettingsError> {
        let words = [ACTIVE, "suspended", "closed"];
        let status = settings.status;
        if status
            .as_deref()
            .is_some_and(|status| !words.contains(&status))
        {
            return Err(SettingsError::field(
                "status",
                "must be active, suspended or closed",
            ));
        }
        if settings.auth_token.as_deref() == Some("") {
            return Err(SettingsError::field("authToken", "must not be empty"));
        }
        set(&mut self.status, status);
        set(&mut self.auth_token, settings.auth_token);
        set(&mut self.api_keys, settings.api_keys);
        Ok(())
    }

    pub(crate) fn number(&self, number: &str) -> Option<&PhoneNumber> {
        self.numbers.iter().find(|owned| owned.number == number)
    }

    pub(crate) fn number_by_sid(&mut self, sid: &str) -> Option<&mut PhoneNumber> {
        self.numbers.iter_mut().find(|number| number.sid == sid)
    }

    /// Buys a number, or changes one that is there.
    pub(crate) fn put_number(
        &mut self,
        options: &Options,
        number: &str,
        settings: &NumberSettings,
    ) -> Result<&PhoneNumber, SettingsError> {
        if let Some(at) = self.numbers.iter().position(|owned| owned.number == number) {
            self.numbers[at].change(settings)?;
            return Ok(&self.numbers[at]);
        }
        if !is_e164(number) {
            return Err(SettingsError::field(
                "number",
                "must be in E.164 form, such as +15551230000",
            ));
        }
        let mut new = PhoneNumber::new(options, number);
        new.change(settings)?;
        self.numbers.push(new);
        Ok(&self.numbers[self.numbers.len() - 1])
    }

    /// Gives a number back; it leaves its service.
    pub(crate) fn remove_number(&mut self, number: &str) -> Result<(), SettingsError> {
        let at = self.numbers.iter().position(|owned| owned.number == number);
        let at = at.ok_or_else(|| SettingsError::unknown("number", number))?;
        let removed = self.numbers.remove(at);
        self.leave_services(&[removed.sid]);
        Ok(())
    }

    /// The service whose pool has a number.
    pub(crate) fn service_of(&self, number_sid: &str) -> Option<&Service> {
        let mut services = self.services.iter();
        services.find(|service| service.pool.iter().any(|pooled| pooled == number_sid))
    }

    /// Makes a service (without a SID), or changes one; and then its pool.
    pub(crate) fn put_service(
        &mut self,
        sid: Option<&str>,
        mut settings: ServiceSettings,
    ) -> Result<&Service, SettingsError> {
        let pool = settings
            .numbers
            .take()
            .map(|numbers| self.sids_of(&numbers));
        let pool = pool.transpose()?;
        let at = match sid {
            Some(sid) => {
                let at = self.services.iter().position(|service| service.sid == sid);
                at.ok_or_else(|| SettingsError::unknown("Messaging Service", sid))?
            }
            None => self.services.len(),
        };
        let known = self.services.get(at).cloned();
        let mut changed = known.unwrap_or_else(|| Service::new(&self.sid));
        changed.change(settings)?;
        if let Some(pool) = pool {
            self.leave_services(&pool);
            changed.pool = pool;
        }
        if at == self.services.len() {
            self.services.push(changed);
        } else {
            self.services[at] = changed;
        }
        Ok(&self.services[at])
    }

    pub(crate) fn remove_service(&mut self, sid: &str) -> Result<(), SettingsError> {
        let before = self.services.len();
        self.services.retain(|service| service.sid != sid);
        if self.services.len() == before {
            return Err(SettingsError::unknown("Messaging Service", sid));
        }
        Ok(())
    }

    fn sids_of(&self, numbers: &[String]) -> Result<Vec<String>, SettingsError> {
        let sid = |number: &String| {
            let owned = self.number(number);
            owned
                .map(|owned| owned.sid.clone())
                .ok_or_else(|| SettingsError::unknown("number", number))
        };
        numbers.iter().map(sid).collect()
    }

    fn leave_services(&mut self, sids: &[String]) {
        for service in &mut self.services {
            service.pool.retain(|pooled| !sids.contains(pooled));
        }
    }

    /// Where a message to this number goes now, and the service that it came through. A service wins over the number
    /// unless it defers; an application wins over the number's URL.
    pub(crate) fn destination(&self, number: &str) -> (Destination, Option<String>) {
        let Some(number) = self.number(number) else {
            return (Destination::Nobody, None);
        };
        let service = self.service_of(&number.sid);
        let sid = service.map(|service| service.sid.clone());
        let (url, fallback) = match service {
            Some(service) if !service.defers => {
                if service.inbound_request_url.is_empty() {
                    return (Destination::Dropped, sid);
                }
                (&service.inbound_request_url, &service.fallback_url)
            }
            _ => (&number.sms_url, &number.sms_fallback_url),
        };
        let by_number = service.is_none_or(|service| service.defers);
        if url.is_empty() || (by_number && !number.sms_application_sid.is_empty()) {
            return (Destination::Nobody, sid);
        }
        let destination = Destination::Webhook {
            url: url.clone(),
            fallback: fallback.clone(),
        };
        (destination, sid)
    }

    /// Forgets messages and who opted out; the first number is configured as at the start, if it is still there.
    pub(crate) fn forget_messages(&mut self, options: &Options) {
        self.messages.clear();
        self.by_sid.clear();
        self.opted_out.clear();
        let mut numbers = self.numbers.iter_mut();
        if let Some(first) = numbers.find(|number| number.number == options.number) {
            first.go_back_to_start(options);
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
pub(crate) fn resource(options: &Options, account: &Account) -> Response {
    let sid = &options.account_sid;
    call::json(
        StatusCode::OK,
        &json!({
            "sid": sid,
            "owner_account_sid": sid,
            "friendly_name": "Acme",
            "status": account.status,
            "type": "Full",
            "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
            "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
            "uri": format!("{}{sid}.json", super::ACCOUNTS),
            "subresource_uris": {},
        }),
    )
}
