//! Twilio's side of a webhook: signed form, limited patience, few retries, and what it makes of the answer.

use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};

use super::overrides::Overrides;
use super::signature;
use crate::courier::{Outcome, Parcel};
use crate::ids;
use crate::log::Answer;
use crate::world::World;

/// One try that is over.
pub(crate) struct Try<'a> {
    pub(crate) url: &'a str,
    pub(crate) number: u32,
    pub(crate) outcome: &'a Outcome,
}

/// Posts a form until it is answered or the rules of its URL say that it is enough.
pub(crate) async fn post(
    world: &World,
    url: &str,
    fields: &[(String, String)],
    mut tried: impl FnMut(&Try<'_>),
) -> Outcome {
    let overrides = Overrides::of(url, world.options.twilio_time_limit);
    let requested = signature::requested(url);
    let mut parcel = Parcel {
        connect: world.connect_for(&requested),
        headers: headers(&world.state().twilio.auth_token, url, fields),
        body: encode(fields),
        time_limit: overrides.read,
        url: requested,
    };
    let started = Instant::now();
    let mut number = 1;
    loop {
        parcel.time_limit = overrides
            .read
            .min(overrides.total.saturating_sub(started.elapsed()));
        let outcome = world.carry(parcel.clone()).await;
        tried(&Try {
            url: &parcel.url,
            number,
            outcome: &outcome,
        });
        if number > overrides.retries
            || !overrides.retries(&outcome)
            || started.elapsed() >= overrides.total
        {
            return outcome;
        }
        number += 1;
    }
}

fn headers(auth_token: &str, url: &str, fields: &[(String, String)]) -> HeaderMap {
    let signature = signature::sign(auth_token, url, fields);
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("TwilioProxy/1.1"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8"),
    );
    headers.insert(
        "x-twilio-signature",
        signature.parse().expect("Base64 is visible ASCII"),
    );
    headers.insert(
        "i-twilio-idempotency-token",
        ids::uuid().parse().expect("a UUID is visible ASCII"),
    );
    headers
}

fn encode(fields: &[(String, String)]) -> Bytes {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
        .into()
}

/// What Twilio makes of the answer to an inbound message.
pub(crate) fn inbound_answer(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Answered {
            status: 200..300,
            content_type,
            body,
        } => {
            if matches!(media_type(content_type.as_deref()), "text/plain") && !body.is_empty() {
                return Answer::TextedToCustomer(String::from_utf8_lossy(body).into_owned());
            }
            success(outcome)
        }
        _ => failure(outcome),
    }
}

/// What Twilio makes of the answer to a status callback.
pub(crate) fn callback_answer(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Answered {
            status: 200..300, ..
        } => success(outcome),
        _ => failure(outcome),
    }
}

fn success(outcome: &Outcome) -> Answer {
    let Outcome::Answered {
        status,
        content_type,
        body,
    } = outcome
    else {
        return failure(outcome);
    };
    match media_type(content_type.as_deref()) {
        _ if *status == 204 => Answer::Accepted,
        "text/xml" | "application/xml" | "text/html" if !body.is_empty() => Answer::Accepted,
        "" if body.is_empty() => {
            Answer::Warning("11200: empty answer without a content type".into())
        }
        "" => Answer::Warning("12300: answer without a content type".into()),
        other => Answer::Warning(format!("12300: the content type {other} is not TwiML")),
    }
}

fn failure(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Answered { .. } => Answer::Refused,
        Outcome::Unreachable => Answer::Unreachable,
        Outcome::TimedOut => Answer::TimedOut,
    }
}

fn media_type(content_type: Option<&str>) -> &str {
    content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
}

/// The status of an answer, if there was one.
pub(crate) fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered { status, .. } => Some(*status),
        Outcome::Unreachable | Outcome::TimedOut => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn answered(status: u16, content_type: &str, body: &'static str) -> Outcome {
        let content_type = (!content_type.is_empty()).then(|| content_type.to_owned());
        Outcome::Answered {
            status,
            content_type,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[rstest]
    #[case(answered(200, "text/xml", "<Response/>"), Answer::Accepted)]
    #[case(
        answered(200, "text/xml; charset=utf-8", "<Response/>"),
        Answer::Accepted
    )]
    #[case(answered(204, "", ""), Answer::Accepted)]
    #[case(answered(200, "text/plain", "OK"), Answer::TextedToCustomer("OK".into()))]
    #[case(answered(200, "", ""), Answer::Warning("11200: empty answer without a content type".into()))]
    #[case(answered(200, "application/json", "{}"), Answer::Warning("12300: the content type application/json is not TwiML".into()))]
    #[case(answered(301, "", ""), Answer::Refused)]
    #[case(answered(503, "text/xml", "<Response/>"), Answer::Refused)]
    #[case(Outcome::Unreachable, Answer::Unreachable)]
    #[case(Outcome::TimedOut, Answer::TimedOut)]
    fn an_inbound_answer_is_read_as_twilio_reads_it(
        #[case] outcome: Outcome,
        #[case] answer: Answer,
    ) {
        assert_eq!(inbound_answer(&outcome), answer);
    }

    #[test]
    fn plain_text_to_a_status_callback_is_not_texted_to_anyone() {
        assert!(matches!(
            callback_answer(&answered(200, "text/plain", "OK")),
            Answer::Warning(_)
        ));
    }
}
