//! `IncomingPhoneNumbers`: the account's numbers and their webhooks.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::refusal::{bad, not_found};
use crate::call::{self, Call, Handled, value};
use crate::ids;
use crate::options::Options;
use crate::settings::{NumberSettings, SettingsError, below, is_method, is_twilio_webhook, set};
use crate::world::World;

/// A number's configuration. A method other than POST is stored and shown, yet webhooks are always posted.
#[derive(Clone)]
pub(crate) struct PhoneNumber {
    pub(crate) sid: String,
    account: String,
    pub(crate) number: String,
    pub(crate) sms_url: String,
    sms_method: String,
    pub(crate) sms_fallback_url: String,
    pub(crate) sms_application_sid: String,
    sms: bool,
}

impl PhoneNumber {
    /// A number that goes nowhere.
    pub(crate) fn new(options: &Options, number: &str) -> Self {
        Self {
            sid: ids::sid("PN"),
            account: options.account_sid.clone(),
            number: number.to_owned(),
            sms_url: String::new(),
            sms_method: "POST".into(),
            sms_fallback_url: String::new(),
            sms_application_sid: String::new(),
            sms: true,
        }
    }

    /// The first number, which goes to the first bridge.
    pub(crate) fn first(options: &Options) -> Self {
        Self {
            sms_url: options.public("twilio/inbound"),
            ..Self::new(options, &options.number)
        }
    }

    /// The first number as it was at the start.
    pub(crate) fn go_back_to_start(&mut self, options: &Options) {
        let sid = std::mem::take(&mut self.sid);
        *self = Self {
            sid,
            ..Self::first(options)
        };
    }

    /// Changes it; nothing is changed if anything is wrong.
    pub(crate) fn change(&mut self, settings: &NumberSettings) -> Result<(), SettingsError> {
        let new = settings.clone();
        let url = new
            .public_url
            .map(|url| below(&url, "twilio/inbound"))
            .or(new.sms_url);
        for (field, url) in [("smsUrl", &url), ("smsFallbackUrl", &new.sms_fallback_url)] {
            if url.as_deref().is_some_and(|url| !is_twilio_webhook(url)) {
                return Err(SettingsError::field(field, "must be a URL, or empty"));
            }
        }
        if new
            .sms_method
            .as_deref()
            .is_some_and(|method| !is_method(method))
        {
            return Err(SettingsError::field("smsMethod", "must be GET or POST"));
        }
        set(&mut self.sms_url, url);
        set(&mut self.sms_method, new.sms_method);
        set(&mut self.sms_fallback_url, new.sms_fallback_url);
        set(&mut self.sms_application_sid, new.sms_application_sid);
        set(&mut self.sms, new.sms);
        Ok(())
    }

    pub(crate) fn resource(&self) -> Value {
        json!({
            "sid": self.sid,
            "account_sid": self.account,
            "phone_number": self.number,
            "friendly_name": self.number,
            "api_version": "2010-04-01",
            "capabilities": {"voice": true, "sms": self.sms, "mms": self.sms, "fax": false},
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

/// `GET IncomingPhoneNumbers.json`: all on one page.
pub(crate) fn list(world: &World, call: &Call) -> Response {
    let state = world.state();
    let matching = |number: &&PhoneNumber| {
        call.query("PhoneNumber")
            .is_none_or(|pattern| number.matches(pattern))
    };
    let all = state.twilio.numbers.iter();
    let numbers: Vec<Value> = all.filter(matching).map(PhoneNumber::resource).collect();
    call::json(
        StatusCode::OK,
        &json!({
            "end": numbers.len().saturating_sub(1),
            "incoming_phone_numbers": numbers,
            "page": 0,
            "page_size": 50,
            "start": 0,
            "uri": call.path,
            "first_page_uri": call.path,
            "next_page_uri": null,
            "previous_page_uri": null,
        }),
    )
}

pub(crate) fn read(world: &World, sid: &str, call: &Call) -> Handled {
    let mut state = world.state();
    let number = state.twilio.number_by_sid(sid);
    let number = number.ok_or_else(|| not_found(&call.path))?;
    Ok(call::json(StatusCode::OK, &number.resource()))
}

/// `POST IncomingPhoneNumbers/{sid}.json`
pub(crate) fn change(world: &World, sid: &str, call: &Call) -> Handled {
    let fields = call.form().unwrap_or_default();
    let given = |name| value(&fields, name).map(str::to_owned);
    let settings = NumberSettings {
        sms_url: given("SmsUrl"),
        sms_method: given("SmsMethod"),
        sms_fallback_url: given("SmsFallbackUrl"),
        sms_application_sid: given("SmsApplicationSid"),
        ..NumberSettings::default()
    };
    let mut state = world.state();
    let number = state.twilio.number_by_sid(sid);
    let number = number.ok_or_else(|| not_found(&call.path))?;
    number.change(&settings).map_err(|error| match error {
        SettingsError::Field {
            field: "smsMethod", ..
        } => bad(21403, "SmsMethod must be GET or POST"),
        _ => bad(21502, "SmsUrl or SmsFallbackUrl is not a valid URL"),
    })?;
    Ok(call::json(StatusCode::OK, &number.resource()))
}
