//! Messaging Services and their pools of numbers (`https://messaging.twilio.com/v1/Services`).
//!
//! Not modelled: other senders than numbers, sending through a service, and what a service does to the text.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::account::Account;
use super::numbers::PhoneNumber;
use super::refusal::{bad, not_found};
use crate::call::{self, Call, Handled, value};
use crate::ids;
use crate::settings::{ServiceSettings, SettingsError, is_method, is_twilio_webhook, set};
use crate::world::World;

pub(super) const SERVICES: &str = "/v1/Services";

/// Bounds of `PageSize`; Twilio clamps, it does not refuse.
const MAX_PAGE: usize = 100;
const DEFAULT_PAGE: usize = 50;

/// A service. An empty URL is none: without one, and without deferring, inbound messages are dropped.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) sid: String,
    account: String,
    name: String,
    pub(crate) inbound_request_url: String,
    inbound_method: String,
    pub(crate) fallback_url: String,
    pub(crate) defers: bool,
    /// SIDs of the numbers in its pool.
    pub(crate) pool: Vec<String>,
}

impl Service {
    pub(crate) fn new(account: &str) -> Self {
        Self {
            sid: ids::sid("MG"),
            account: account.to_owned(),
            name: String::new(),
            inbound_request_url: String::new(),
            inbound_method: "POST".into(),
            fallback_url: String::new(),
            defers: false,
            pool: Vec::new(),
        }
    }

    /// Changes everything but the pool; nothing is changed if anything is wrong.
    pub(crate) fn change(&mut self, settings: ServiceSettings) -> Result<(), SettingsError> {
        for (field, url) in [
            ("inboundRequestUrl", &settings.inbound_request_url),
            ("fallbackUrl", &settings.fallback_url),
        ] {
            if url.as_deref().is_some_and(|url| !is_twilio_webhook(url)) {
                return Err(SettingsError::field(field, "must be a URL, or empty"));
            }
        }
        let method = settings.inbound_method;
        if method.as_deref().is_some_and(|method| !is_method(method)) {
            return Err(SettingsError::field("inboundMethod", "must be GET or POST"));
        }
        let name = settings.friendly_name.unwrap_or_else(|| self.name.clone());
        if name.is_empty() {
            return Err(SettingsError::field("friendlyName", "a service has a name"));
        }
        self.name = name;
        set(&mut self.inbound_request_url, settings.inbound_request_url);
        set(&mut self.inbound_method, method);
        set(&mut self.fallback_url, settings.fallback_url);
        set(&mut self.defers, settings.use_inbound_webhook_on_number);
        Ok(())
    }

    pub(crate) fn resource(&self) -> Value {
        let none_if_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        json!({
            "sid": self.sid,
            "account_sid": self.account,
            "friendly_name": self.name,
            "inbound_request_url": none_if_empty(&self.inbound_request_url),
            "inbound_method": self.inbound_method,
            "fallback_url": none_if_empty(&self.fallback_url),
            "fallback_method": "POST",
            "status_callback": null,
            "sticky_sender": true,
            "mms_converter": true,
            "smart_encoding": true,
            "fallback_to_long_code": true,
            "area_code_geomatch": true,
            "validity_period": 36_000,
            "synchronous_validation": false,
            "scan_message_content": "inherit",
            "usecase": "undeclared",
            "us_app_to_person_registered": false,
            "use_inbound_webhook_on_number": self.defers,
            "date_created": "2026-01-01T00:00:00Z",
            "date_updated": "2026-01-01T00:00:00Z",
            "url": format!("https://messaging.twilio.com{SERVICES}/{}", self.sid),
            "links": {"phone_numbers": format!("https://messaging.twilio.com{SERVICES}/{}/PhoneNumbers", self.sid)},
        })
    }

    fn sender(&self, number: &PhoneNumber) -> Value {
        json!({
            "sid": number.sid,
            "account_sid": self.account,
            "service_sid": self.sid,
            "phone_number": number.number,
            "country_code": "US",
            "capabilities": ["SMS", "MMS", "Voice"],
            "date_created": "2026-01-01T00:00:00Z",
            "date_updated": "2026-01-01T00:00:00Z",
            "url": format!("https://messaging.twilio.com{SERVICES}/{}/PhoneNumbers/{}", self.sid, number.sid),
        })
    }
}

/// `GET Services`
pub(super) fn list(world: &World, call: &Call) -> Response {
    let services = &world.state().twilio.services;
    let all: Vec<Value> = services.iter().map(Service::resource).collect();
    page(world, call, "services", &all)
}

/// `POST Services`
pub(super) fn create(world: &World, call: &Call) -> Handled {
    let state = &mut *world.state();
    let mut service = Service::new(&world.options.account_sid);
    service
        .change(settings(call))
        .map_err(|error| refused(&error))?;
    let answer = call::json(StatusCode::CREATED, &service.resource());
    state.twilio.services.push(service);
    Ok(answer)
}

/// `GET Services/{sid}`
pub(super) fn read(world: &World, sid: &str, call: &Call) -> Handled {
    let mut state = world.state();
    let service = find(&mut state.twilio, sid, call)?;
    Ok(call::json(StatusCode::OK, &service.resource()))
}

/// `POST Services/{sid}`
pub(super) fn change(world: &World, sid: &str, call: &Call) -> Handled {
    let mut state = world.state();
    let service = find(&mut state.twilio, sid, call)?;
    service
        .change(settings(call))
        .map_err(|error| refused(&error))?;
    Ok(call::json(StatusCode::OK, &service.resource()))
}

/// `DELETE Services/{sid}`
pub(super) fn delete(world: &World, sid: &str, call: &Call) -> Handled {
    let mut state = world.state();
    find(&mut state.twilio, sid, call)?;
    state.twilio.services.retain(|service| service.sid != sid);
    Ok(gone())
}

/// `GET Services/{sid}/PhoneNumbers`
pub(super) fn pool(world: &World, sid: &str, call: &Call) -> Handled {
    let senders: Vec<Value> = {
        let mut state = world.state();
        let service = find(&mut state.twilio, sid, call)?.clone();
        let numbers = state.twilio.numbers.iter();
        numbers
            .filter(|number| service.pool.contains(&number.sid))
            .map(|number| service.sender(number))
            .collect()
    };
    Ok(page(world, call, "phone_numbers", &senders))
}

/// `POST Services/{sid}/PhoneNumbers`
pub(super) fn add_sender(world: &World, sid: &str, call: &Call) -> Handled {
    let fields = call.form().unwrap_or_default();
    let number_sid = value(&fields, "PhoneNumberSid").unwrap_or_default();
    let mut state = world.state();
    find(&mut state.twilio, sid, call)?;
    let number = state.twilio.number_by_sid(number_sid).cloned();
    let number = number.ok_or_else(|| bad(21701, "The Phone Number resource does not exist"))?;
    match state.twilio.service_of(number_sid) {
        Some(service) if service.sid == sid => {
            return Err(bad(
                21710,
                "Phone Number is already in the Messaging Service",
            ));
        }
        Some(_) => {
            return Err(bad(
                21712,
                "Phone Number is associated with another Messaging Service",
            ));
        }
        None => {}
    }
    let service = find(&mut state.twilio, sid, call)?;
    service.pool.push(number_sid.to_owned());
    Ok(call::json(StatusCode::CREATED, &service.sender(&number)))
}

/// `GET Services/{sid}/PhoneNumbers/{number}`
pub(super) fn sender(world: &World, sid: &str, number_sid: &str, call: &Call) -> Handled {
    let mut state = world.state();
    let service = find(&mut state.twilio, sid, call)?.clone();
    let number = state.twilio.number_by_sid(number_sid);
    let pooled = number.filter(|number| service.pool.contains(&number.sid));
    let number = pooled.ok_or_else(|| not_found(&call.path))?;
    Ok(call::json(StatusCode::OK, &service.sender(number)))
}

/// `DELETE Services/{sid}/PhoneNumbers/{number}`
pub(super) fn remove_sender(world: &World, sid: &str, number_sid: &str, call: &Call) -> Handled {
    let mut state = world.state();
    let service = find(&mut state.twilio, sid, call)?;
    let before = service.pool.len();
    service.pool.retain(|pooled| pooled != number_sid);
    if service.pool.len() == before {
        return Err(not_found(&call.path));
    }
    Ok(gone())
}

fn find<'a>(
    account: &'a mut Account,
    sid: &str,
    call: &Call,
) -> Result<&'a mut Service, call::Refusal> {
    let mut services = account.services.iter_mut();
    services
        .find(|service| service.sid == sid)
        .ok_or_else(|| not_found(&call.path))
}

fn settings(call: &Call) -> ServiceSettings {
    let fields = call.form().unwrap_or_default();
    let given = |name| value(&fields, name).map(str::to_owned);
    ServiceSettings {
        friendly_name: given("FriendlyName"),
        inbound_request_url: given("InboundRequestUrl"),
        inbound_method: given("InboundMethod"),
        fallback_url: given("FallbackUrl"),
        use_inbound_webhook_on_number: value(&fields, "UseInboundWebhookOnNumber")
            .map(|text| text == "true"),
        numbers: None,
    }
}

/// The code that Twilio uses here is not documented; 20001 is its general one for parameters.
fn refused(error: &SettingsError) -> call::Refusal {
    bad(20001, &error.to_string())
}

fn gone() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A page as Twilio's newer products have it: `meta` names the array and the next page's whole URL.
fn page(world: &World, call: &Call, key: &str, all: &[Value]) -> Response {
    let number = |name| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("PageSize")
        .unwrap_or(DEFAULT_PAGE)
        .clamp(1, MAX_PAGE);
    let page = number("Page").unwrap_or(0);
    let url = |page: usize| {
        let base = world.url.as_str().trim_end_matches('/');
        format!(
            "{base}{}?PageSize={size}&Page={page}&PageToken=PT{page}",
            call.path
        )
    };
    let items: Vec<&Value> = all
        .iter()
        .skip(page.saturating_mul(size))
        .take(size)
        .collect();
    let more = all.len() > page.saturating_add(1).saturating_mul(size);
    call::json(
        StatusCode::OK,
        &json!({
            key: items,
            "meta": {
                "key": key,
                "page": page,
                "page_size": size,
                "first_page_url": url(0),
                "previous_page_url": (page > 0).then(|| url(page - 1)),
                "next_page_url": more.then(|| url(page + 1)),
                "url": url(page),
            },
        }),
    )
}
