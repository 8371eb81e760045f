//! `POST /twilio/inbound`: a customer's message.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use messaging_bridge_clients::twilio::{FormFields, InboundSms, parse_inbound};

use super::twilio_request::{self, Refused};
use super::{Intake, answer, committed};
use crate::admin::vitals::{Hook, Verdict};
use crate::message::{InboundText, Message, without_control_characters};
use crate::outbox::{Appended, Direction, LaneKey, NewRow, Order};
use crate::received::{self, Received};

/// Verifies, stores and answers.
pub(super) async fn receive(
    State(intake): State<Arc<Intake>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (verdict, response) = take(&intake, &uri, &headers, &body).await;
    intake.vitals.webhook(Hook::TwilioInbound, verdict);
    response
}

async fn take(
    intake: &Arc<Intake>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (Verdict, Response) {
    let received = Instant::now();
    let form = match twilio_request::verified_form(intake, uri, headers, body) {
        Ok(form) => form,
        Err(refused) => return refused.answer(),
    };
    let Ok(sms) = parse_inbound(&form) else {
        return Refused::Malformed.answer();
    };
    if sms.account_sid != intake.secrets_now().account || sms.to != intake.settings.number {
        tracing::warn!(sid = %sms.message_sid, "a message for another account or number was refused");
        return Refused::Misrouted.answer();
    }
    planted_canary(&sms);
    let sid = sms.message_sid.clone();
    let row = row(intake, &form, sms);
    let lane = row.lane.clone();
    fail::fail_point!("accept");
    let appending = Instant::now();
    let stored = committed({
        let intake = Arc::clone(intake);
        async move {
            let appended = intake.outbox.append(row).await?;
            intake.wake.lane(lane);
            Ok(appended)
        }
    });
    match stored.await {
        Ok(appended) => {
            fail::fail_point!("acknowledge");
            let verdict = match appended {
                Appended::Stored(_) => {
                    let (received, append) = (received.elapsed(), appending.elapsed());
                    let direction = Direction::Inbound;
                    intake
                        .vitals
                        .stored(direction, sid.as_str(), received, append);
                    Verdict::Accepted
                }
                Appended::Duplicate => Verdict::Duplicate,
            };
            (verdict, answer::twiml())
        }
        Err(error) => {
            // Twilio may not come again: the message is looked for in its list.
            intake.missed.notify_one();
            answer::not_stored(&error)
        }
    }
}

fn row(intake: &Intake, form: &FormFields, sms: InboundSms) -> NewRow {
    let text = canonical(form, sms);
    NewRow {
        lane: LaneKey::new(Direction::Inbound, &text.customer),
        key: received::key(&text.sid),
        order: Order::Arrival,
        accepted: intake.clock.now(),
        payload: Message::InboundText(text).to_stored(),
        genesys_id: None,
    }
}

/// The canonical message of a webhook, with what only the webhook knows.
pub(super) fn canonical(form: &FormFields, sms: InboundSms) -> InboundText {
    let mut text = received::inbound_text(Received {
        attachments: sms
            .media
            .iter()
            .map(|media| media.content_type.as_deref())
            .collect(),
        body: &sms.body,
        from: sms.from,
        to: sms.to,
        sid: sms.message_sid,
    });
    // Best effort of Twilio, mostly for numbers of North America; flows route by them.
    for (field, name) in [
        ("FromCountry", "twilioFromCountry"),
        ("FromState", "twilioFromState"),
        ("FromCity", "twilioFromCity"),
        ("FromZip", "twilioFromZip"),
        ("OptOutType", "twilioOptOutType"),
    ] {
        if let Some(value) = form.get(field).filter(|value| !value.is_empty()) {
            let value = without_control_characters(value);
            let bounded = value.chars().take(64).collect();
            text.attributes.insert(name.to_owned(), bounded);
        }
    }
    text
}

/// A planted fault: the suite must notice a number in a log.
fn planted_canary(sms: &InboundSms) {
    fail::fail_point!("fault-number-in-log", |_| tracing::info!(
        from = sms.from,
        "received"
    ));
    let _ = sms;
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::*;
    use rstest::rstest;

    fn parsed(fields: &str) -> InboundText {
        let account = "AccountSid=AC1&MessageSid=SM1&From=%2B15557654321&To=%2B15551230000";
        let form = FormFields::parse(format!("{account}&{fields}").as_bytes());
        let sms = parse_inbound(&form).unwrap();
        canonical(&form, sms)
    }

    #[rstest]
    #[case("a text", "Body=Hello%20you", "Hello you")]
    #[case("several lines", "Body=a%0D%0Ab", "a\nb")]
    #[case("nothing", "Body=", "[empty message]")]
    #[case("blanks", "Body=%20%20", "[empty message]")]
    #[case("control characters alone", "Body=%00%07", "[empty message]")]
    #[case(
        "a photo",
        "Body=&NumMedia=1&MediaUrl0=https%3A%2F%2Fx%2F1&MediaContentType0=image%2Fjpeg",
        "[photo]"
    )]
    #[case(
        "a text with a photo",
        "Body=see&NumMedia=1&MediaUrl0=https%3A%2F%2Fx&MediaContentType0=image%2Fpng",
        "see\n[photo]"
    )]
    #[case(
        "a voice note",
        "NumMedia=1&MediaUrl0=https%3A%2F%2Fx&MediaContentType0=audio%2Fogg",
        "[audio]"
    )]
    #[case(
        "a card",
        "NumMedia=1&MediaUrl0=https%3A%2F%2Fx&MediaContentType0=text%2Fvcard",
        "[attachment]"
    )]
    fn every_message_has_a_text(#[case] case: &str, #[case] fields: &str, #[case] expected: &str) {
        assert_eq!(parsed(fields).text, expected, "{case}");
    }

    #[test]
    fn what_twilio_knows_of_the_place_becomes_attributes_and_is_bounded() {
        let message = parsed(&format!(
            "Body=x&FromCountry=US&FromState=&FromCity={}",
            "y".repeat(500)
        ));
        assert_eq!(message.attributes["twilioFromCountry"], "US");
        assert!(!message.attributes.contains_key("twilioFromState"));
        assert_eq!(message.attributes["twilioFromCity"].len(), 64);
        assert_eq!(message.attributes["twilioTo"], "+15551230000");
    }
}
