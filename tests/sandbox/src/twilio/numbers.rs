//! `IncomingPhoneNumbers`: the account's one number and its webhooks.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::refusal::{bad, not_found};
use crate::call::{self, Call, Handled, value};
use crate::ids;
use crate::options::Options;
use crate::world::World;

/// The number's configuration. A method other than POST is stored and shown, yet webhooks are always posted.
#[derive(Clone)]
pub(crate) struct PhoneNumber {
    sid: String,
    account: String,
    number: String,
    pub(crate) sms_url: String,
    sms_method: String,
    pub(crate) sms_fallback_url: String,
    sms_application_sid: String,
}

impl PhoneNumber {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            sid: ids::sid("PN"),
            account: options.account_sid.clone(),
            number: options.number.clone(),
            sms_url: options.public("twilio/inbound"),
            sms_method: "POST".into(),
            sms_fallback_url: String::new(),
            sms_application_sid: String::new(),
        }
    }

    fn resource(&self) -> Value {
        json!({
            "sid": self.sid,
            "account_sid": self.account,
            "phone_number": self.number,
            "friendly_name": self.number,
            "api_version": "2010-04-01",
            "capabilities": {"voice": true, "sms": true, "mms": true, "fax": false},
            "sms_url": self.sms_url,
            "sms_method": self.sms_method,
            "sms_fallback_url": self.sms_fallback_url,
            "sms_fallback_method": "POST",
            "sms_application_sid": self.sms_application_sid,
            "status_callback": "",
            "status_callback_method": "POST",
            "voice_url": "",
            "voice_method": "POST",
            "trunk_sid": null,
            "origin": "twilio",
            "beta": false,
            "status": "in-use",
            "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
            "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
            "uri": format!("{}{}/IncomingPhoneNumbers/{}.json", super::ACCOUNTS, self.account, self.sid),
        })
    }

    /// Twilio's filter matches a part of the number, so that the caller must compare exactly.
    fn matches(&self, pattern: &str) -> bool {
        let digits = |text: &str| {
            text.chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
        };
        digits(&self.number).contains(&digits(pattern))
    }
}

pub(crate) fn list(world: &World, call: &Call) -> Response {
    let state = world.state();
    let number = &state.twilio.number;
    let found = call
        .query("PhoneNumber")
        .is_none_or(|pattern| number.matches(pattern));
    let numbers: Vec<Value> = found.then(|| number.resource()).into_iter().collect();
    call::json(
        StatusCode::OK,
        &json!({
            "incoming_phone_numbers": numbers,
            "page": 0,
            "page_size": 50,
            "start": 0,
            "end": 0,
            "uri": call.path,
            "first_page_uri": call.path,
            "next_page_uri": null,
            "previous_page_uri": null,
        }),
    )
}

pub(crate) fn read(world: &World, sid: &str, call: &Call) -> Handled {
    let state = world.state();
    if state.twilio.number.sid != sid {
        return Err(not_found(&call.path));
    }
    Ok(call::json(StatusCode::OK, &state.twilio.number.resource()))
}

pub(crate) fn change(world: &World, sid: &str, call: &Call) -> Handled {
    let fields = call.form().unwrap_or_default();
    let mut state = world.state();
    let number = &mut state.twilio.number;
    if number.sid != sid {
        return Err(not_found(&call.path));
    }
    if value(&fields, "SmsMethod").is_some_and(|method| !matches!(method, "GET" | "POST")) {
        return Err(bad(21403, "SmsMethod must be GET or POST"));
    }
    for name in ["SmsUrl", "SmsFallbackUrl"] {
        if value(&fields, name).is_some_and(|url| !url.is_empty() && url::Url::parse(url).is_err())
        {
            return Err(bad(21502, &format!("{name} is not a valid URL")));
        }
    }
    for (name, field) in [
        ("SmsUrl", &mut number.sms_url),
        ("SmsMethod", &mut number.sms_method),
        ("SmsFallbackUrl", &mut number.sms_fallback_url),
        ("SmsApplicationSid", &mut number.sms_application_sid),
    ] {
        if let Some(value) = value(&fields, name) {
            value.clone_into(field);
        }
    }
    Ok(call::json(StatusCode::OK, &number.resource()))
}
