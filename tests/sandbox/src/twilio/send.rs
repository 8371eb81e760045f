//! `POST Messages.json`: strict as Twilio is, then handed to the carrier.
//!
//! Numbers that fail on purpose: Twilio's own magic numbers, `+155501` followed by a five-digit code (refused with
//! that code) and `+155500` followed by one (taken, then failed by the carrier with that code).

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use url::Url;

use super::carrier::{self, Journey};
use super::message::Message;
use super::refusal::{bad, refuse};
use crate::call::{Call, Handled, Refusal, json, value};
use crate::faults::{Effect, Endpoint};
use crate::log::TwilioSend;
use crate::options::is_e164;
use crate::world::World;

/// Longest body, in UTF-16 units.
const MAX_BODY: usize = 1600;

/// Bounds of `ValidityPeriod`, in seconds.
const VALIDITY: std::ops::RangeInclusive<u32> = 1..=36_000;

/// What a valid request asks for.
#[derive(Debug, PartialEq, Eq)]
struct NewMessage {
    from: String,
    to: String,
    body: String,
    media: usize,
    status_callback: Option<String>,
    validity: Option<u32>,
}

pub(crate) async fn create(world: &Arc<World>, call: &Call) -> Handled {
    let fields = call.form().unwrap_or_default();
    let new = {
        let state = world.state();
        if !state.twilio.is_active() {
            return Err(suspended());
        }
        check(|number| state.twilio.number(number).is_some(), &fields)?
    };
    let message = take(world, call, &new)?;
    let mut plan = world.plan(Endpoint::TwilioCallback, Some(&new.to));
    plan.final_status = plan
        .final_status
        .or(call.plan.final_status)
        .or_else(|| carrier::destined(&new.to));
    let before_answer = plan.says(&Effect::BeforeAnswer) && new.status_callback.is_some();
    let resource = message.resource();
    let (journey, first_callback) = Journey::new(world, &message, new.status_callback, plan);
    world.spawn(journey.run());
    if before_answer {
        // An error means that the journey ended: there is nothing left to wait for.
        let _ = first_callback.await;
    }
    Ok(json(StatusCode::CREATED, &resource))
}

/// From here on the message exists, whether or not the caller learns of it.
fn take(world: &World, call: &Call, new: &NewMessage) -> Result<Message, Refusal> {
    let mut state = world.state();
    let pair = (new.from.clone(), new.to.clone());
    if state.twilio.opted_out.contains(&pair) {
        return Err(opted_out());
    }
    let message = Message::queued(&world.options, &new.from, &new.to, &new.body, new.media);
    state.log.twilio_sends.push(TwilioSend {
        sid: message.sid.clone(),
        to: new.to.clone(),
        from: message.from.clone(),
        body: new.body.clone(),
        status_callback: new.status_callback.clone(),
        validity: new.validity,
        at: Timestamp::now(),
        answered: call.plan.lost.is_none(),
    });
    state.twilio.add(message.clone());
    Ok(message)
}

/// `owned` says whether a number belongs to the account.
fn check(owned: impl Fn(&str) -> bool, fields: &[(String, String)]) -> Result<NewMessage, Refusal> {
    let given = |name| value(fields, name).filter(|value| !value.is_empty());
    let to = given("To").ok_or_else(|| bad(21604, "A 'To' phone number is required."))?;
    let from = check_from(owned, given("From"), given("MessagingServiceSid"))?;
    check_to(from, to)?;
    let body = value(fields, "Body").unwrap_or_default();
    let media = fields.iter().filter(|(name, _)| name == "MediaUrl").count();
    if given("ContentSid").is_some() {
        return Err(bad(21655, "The ContentSid is invalid"));
    }
    if body.is_empty() && media == 0 {
        return Err(bad(21602, "Message body is required."));
    }
    if body.encode_utf16().count() > MAX_BODY {
        return Err(bad(
            21617,
            "The concatenated message body exceeds the 1600 character limit.",
        ));
    }
    if media > 10 {
        return Err(bad(
            21623,
            "Number of media files exceeds allowed limit of 10",
        ));
    }
    let status_callback = given("StatusCallback");
    if let Some(url) = status_callback {
        check_callback(url)?;
    }
    Ok(NewMessage {
        from: from.to_owned(),
        to: to.to_owned(),
        body: body.to_owned(),
        media,
        status_callback: status_callback.map(str::to_owned),
        validity: given("ValidityPeriod").map(check_validity).transpose()?,
    })
}

fn check_from<'a>(
    owned: impl Fn(&str) -> bool,
    from: Option<&'a str>,
    service: Option<&str>,
) -> Result<&'a str, Refusal> {
    if service.is_some() {
        return Err(bad(21705, "The Messaging Service Sid is invalid."));
    }
    match from {
        None => Err(bad(21603, "A 'From' phone number is required.")),
        Some("+15005550008") => Err(refuse(
            StatusCode::TOO_MANY_REQUESTS,
            21611,
            "This 'From' number has exceeded the maximum number of queued messages",
        )),
        Some("+15005550001") => Err(bad(21212, "The 'From' number is not a valid phone number")),
        Some(from) if owned(from) => Ok(from),
        Some(from) if is_e164(from) => Err(bad(
            21606,
            "The 'From' phone number provided is not a valid message-capable Twilio phone number for this destination",
        )),
        Some(_) => Err(bad(21212, "Invalid From Number (caller ID)")),
    }
}

fn check_to(from: &str, to: &str) -> Result<(), Refusal> {
    if to == from {
        return Err(bad(21211, "'To' and 'From' number cannot be the same"));
    }
    if !is_e164(to) {
        return Err(bad(21211, "Invalid 'To' Phone Number"));
    }
    match to {
        "+15005550001" => Err(bad(21211, "Invalid 'To' Phone Number")),
        "+15005550002" => Err(bad(
            21612,
            "The 'To' phone number is not currently reachable via SMS",
        )),
        "+15005550003" => Err(bad(
            21408,
            "Permission to send an SMS has not been enabled for the region",
        )),
        "+15005550004" => Err(opted_out()),
        "+15005550009" => Err(bad(21614, "'To' number is not a valid mobile number")),
        _ => destined_refusal(to),
    }
}

/// `+155501` and a code: refused with it.
fn destined_refusal(to: &str) -> Result<(), Refusal> {
    match to
        .strip_prefix("+155501")
        .and_then(|code| code.parse::<u32>().ok())
    {
        Some(code @ (20_000..=21_999 | 30_000..=30_999 | 63_000..=63_999)) => {
            let status = match code {
                20003 => StatusCode::UNAUTHORIZED,
                20404 => StatusCode::NOT_FOUND,
                20429 | 21611 => StatusCode::TOO_MANY_REQUESTS,
                20500 => StatusCode::INTERNAL_SERVER_ERROR,
                20503 => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            Err(refuse(
                status,
                code,
                "Refused, as this number is made to be",
            ))
        }
        _ => Ok(()),
    }
}

fn suspended() -> Refusal {
    refuse(StatusCode::FORBIDDEN, 30002, "Account suspended")
}

fn opted_out() -> Refusal {
    bad(21610, "Attempt to send to unsubscribed recipient")
}

/// Twilio never calls a host with an underscore.
fn check_callback(url: &str) -> Result<(), Refusal> {
    let valid = Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.contains('_'))
    });
    if valid {
        Ok(())
    } else {
        Err(bad(21609, "The 'StatusCallback' URL is not a valid URL."))
    }
}

/// The code that Twilio uses here is not documented; 20001 is its general one for parameters.
fn check_validity(seconds: &str) -> Result<u32, Refusal> {
    seconds
        .parse()
        .ok()
        .filter(|seconds| VALIDITY.contains(seconds))
        .ok_or_else(|| bad(20001, "ValidityPeriod must be between 1 and 36000 seconds"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;

    const TO: (&str, &str) = ("To", "+15557654321");
    const FROM: (&str, &str) = ("From", "+15551230000");
    const BODY: (&str, &str) = ("Body", "hi");

    fn checked(fields: &[(&str, &str)]) -> Result<NewMessage, String> {
        let fields: Vec<_> = fields
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        check(|number| number == FROM.1, &fields).map_err(|refusal| refusal.why)
    }

    #[rstest]
    #[case(&[FROM, BODY], 21604)]
    #[case(&[TO, BODY], 21603)]
    #[case(&[TO, FROM], 21602)]
    #[case(&[TO, FROM, ("Body", "")], 21602)]
    #[case(&[("To", "5557654321"), FROM, BODY], 21211)]
    #[case(&[("To", "+15551230000"), FROM, BODY], 21211)]
    #[case(&[TO, ("From", "+15559999999"), BODY], 21606)]
    #[case(&[TO, ("From", "+15005550007"), BODY], 21606)]
    #[case(&[TO, ("From", "Acme"), BODY], 21212)]
    #[case(&[TO, ("From", "+15005550008"), BODY], 21611)]
    #[case(&[TO, FROM, ("MessagingServiceSid", "MG1"), BODY], 21705)]
    #[case(&[("To", "+15005550001"), FROM, BODY], 21211)]
    #[case(&[("To", "+15005550002"), FROM, BODY], 21612)]
    #[case(&[("To", "+15005550003"), FROM, BODY], 21408)]
    #[case(&[("To", "+15005550004"), FROM, BODY], 21610)]
    #[case(&[("To", "+15005550009"), FROM, BODY], 21614)]
    #[case(&[("To", "+15550121608"), FROM, BODY], 21608)]
    #[case(&[("To", "+15550120003"), FROM, BODY], 20003)]
    #[case(&[TO, FROM, ("ContentSid", "HX1")], 21655)]
    #[case(&[TO, FROM, BODY, ("StatusCallback", "/relative")], 21609)]
    #[case(&[TO, FROM, BODY, ("StatusCallback", "https://my_bridge.example/x")], 21609)]
    #[case(&[TO, FROM, BODY, ("ValidityPeriod", "0")], 20001)]
    #[case(&[TO, FROM, BODY, ("ValidityPeriod", "36001")], 20001)]
    #[case(&[TO, FROM, BODY, ("ValidityPeriod", "soon")], 20001)]
    fn what_twilio_would_refuse_is_refused_with_its_code(
        #[case] fields: &[(&str, &str)],
        #[case] code: u32,
    ) {
        let why = checked(fields).unwrap_err();
        assert!(why.starts_with(&code.to_string()), "{why}");
    }

    #[rstest]
    #[case(1600, true)]
    #[case(1601, false)]
    fn a_body_has_at_most_1600_utf_16_units(#[case] units: usize, #[case] fine: bool) {
        assert_eq!(
            checked(&[TO, FROM, ("Body", &"a".repeat(units))]).is_ok(),
            fine
        );
        let emoji = "😀".repeat(units / 2) + &"a".repeat(units % 2);
        assert_eq!(
            checked(&[TO, FROM, ("Body", &emoji)]).is_ok(),
            fine,
            "an emoji is two units"
        );
    }

    #[test]
    fn what_is_optional_is_kept() {
        let callback = (
            "StatusCallback",
            "https://bridge.example.com/acme/twilio/status/1",
        );
        let new = checked(&[TO, FROM, BODY, callback, ("ValidityPeriod", "14400")]).unwrap();
        assert_eq!(new.status_callback.as_deref(), Some(callback.1));
        assert_eq!(new.validity, Some(14_400));
    }
}
