//! `POST /genesys/outbound`: an agent's (or a bot's) message.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;
use messaging_bridge_clients::genesys::{
    GenesysMessageId, OutboundNotification, ReasonCode, WireProfile, parse_outbound, signature,
};
use sha2::{Digest as _, Sha256};

use super::{Intake, KEY_LIFE, answer, committed, handshake};
use crate::admin::vitals::{Hook, Verdict};
use crate::message::{CustomerId, Message, OutboundText, without_control_characters};
use crate::outbox::{
    Appended, DedupKey, Direction, LaneKey, NewRow, Order, OutboxError, ReceiptReason, Refusal,
};

/// The guide's profile may send no id: then the body itself is the key, for this long.
const BODY_KEY_LIFE: Duration = Duration::from_mins(2);

/// Verifies, stores and answers.
pub(super) async fn receive(
    State(intake): State<Arc<Intake>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed_with = headers.get(signature::HEADER);
    let query = uri.query().unwrap_or_default();
    if signed_with.is_none() && body.is_empty() && handshake::asks(query) {
        return handshake::answer_query(&intake, query);
    }
    let (verdict, response) = take(
        &intake,
        signed_with.and_then(|value| value.to_str().ok()),
        &body,
    )
    .await;
    intake.vitals.webhook(Hook::GenesysOutbound, verdict);
    response
}

async fn take(intake: &Arc<Intake>, signed_with: Option<&str>, body: &[u8]) -> (Verdict, Response) {
    let received = Instant::now();
    if signature::verify(&intake.secrets_now().webhook_secrets, signed_with, body).is_err() {
        return (Verdict::BadSignature, answer::bad_signature());
    }
    let profile = intake.settings.profile;
    let Ok(notification) = parse_outbound(profile, body) else {
        return (Verdict::Malformed, answer::malformed());
    };
    let Some(integration) = intake.integration.borrow().clone() else {
        return (
            Verdict::Refused,
            answer::unavailable("integration-unresolved"),
        );
    };
    if notification
        .channel_id
        .as_deref()
        .is_some_and(|id| id != integration.as_str())
    {
        tracing::warn!("a message of another integration was refused");
        return (Verdict::Misrouted, answer::misrouted());
    }
    let key = key(&notification, body);
    let stored = match intent(profile, notification) {
        Intent::Ignore => return (Verdict::Ignored, answer::accepted()),
        Intent::Drop(why) => {
            tracing::error!(
                why,
                "a message cannot be carried, and the agent cannot be told"
            );
            return (Verdict::Unsupported, answer::accepted());
        }
        Intent::Send(text, time) => append(intake, key, text, time, received).await,
        Intent::Refuse(id, customer, reason) => refuse(intake, key, id, customer, reason).await,
    };
    match stored {
        Ok(verdict) => (verdict, answer::accepted()),
        Err(error) => answer::not_stored(&error),
    }
}

async fn append(
    intake: &Arc<Intake>,
    key: DedupKey,
    text: OutboundText,
    time: Option<Timestamp>,
    received: Instant,
) -> Result<Verdict, OutboxError> {
    let id = text.id.clone();
    let row = NewRow {
        lane: LaneKey::new(Direction::Outbound, &text.customer),
        key,
        order: Order::Claimed(time),
        accepted: intake.clock.now(),
        genesys_id: text.id.clone(),
        payload: Message::OutboundText(text).to_stored(),
    };
    fail::fail_point!("accept");
    let appending = Instant::now();
    let storing = Arc::clone(intake);
    let appended = committed(async move {
        let lane = row.lane.clone();
        let appended = storing.outbox.append(row).await?;
        storing.wake.lane(lane);
        Ok(appended)
    })
    .await?;
    fail::fail_point!("acknowledge");
    Ok(match appended {
        Appended::Duplicate => Verdict::Duplicate,
        Appended::Stored(_) => {
            if let Some(id) = id {
                let (received, append) = (received.elapsed(), appending.elapsed());
                let direction = Direction::Outbound;
                intake
                    .vitals
                    .stored(direction, id.as_str(), received, append);
            }
            Verdict::Accepted
        }
    })
}

async fn refuse(
    intake: &Arc<Intake>,
    key: DedupKey,
    genesys_id: GenesysMessageId,
    customer: CustomerId,
    reason: ReceiptReason,
) -> Result<Verdict, OutboxError> {
    let refusal = Refusal {
        key,
        genesys_id,
        customer,
        reason,
        accepted: intake.clock.now(),
    };
    let intake = Arc::clone(intake);
    let appended = committed(async move {
        let appended = intake.outbox.refuse(refusal).await?;
        intake.wake.receipts();
        Ok(appended)
    })
    .await?;
    Ok(match appended {
        Appended::Duplicate => Verdict::Duplicate,
        Appended::Stored(_) => Verdict::Unsupported,
    })
}

/// What makes two of these webhooks the same message.
pub(super) fn key(notification: &OutboundNotification, body: &[u8]) -> DedupKey {
    if let Some(id) = &notification.id {
        let channel = notification.channel_id.as_deref().unwrap_or_default();
        return DedupKey {
            text: format!("genesys/{channel}/{}/{id}", notification.kind),
            life: KEY_LIFE,
        };
    }
    let hash = Sha256::digest(body);
    let hex = hash
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    DedupKey {
        text: format!("genesys-body/{hex}"),
        life: BODY_KEY_LIFE,
    }
}

/// What is to be done with a webhook.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Intent {
    /// Nothing that goes to the customer.
    Ignore,
    /// A message that cannot be carried, and nobody can be told: it has no id that a receipt could name.
    Drop(&'static str),
    /// A text to send, and the time that Genesys gave it.
    Send(OutboundText, Option<Timestamp>),
    /// A message that cannot be carried; the agent is told.
    Refuse(GenesysMessageId, CustomerId, ReceiptReason),
}

/// Decides by kind and content. Unknown kinds are treated as messages that cannot be carried: silence would leave the
/// agent believing.
pub(super) fn intent(profile: WireProfile, notification: OutboundNotification) -> Intent {
    let OutboundNotification {
        id,
        kind,
        direction,
        customer,
        text,
        time,
        content,
        ..
    } = notification;
    // The guide's profile knows no receipts.
    let id = id
        .filter(|_| profile == WireProfile::Current)
        .map(GenesysMessageId::new);
    let from_customer = direction
        .as_deref()
        .is_some_and(|direction| direction.eq_ignore_ascii_case("inbound"));
    if from_customer || matches!(kind.as_str(), "Event" | "Receipt") {
        return Intent::Ignore;
    }
    let Some(customer) = customer
        .filter(|customer| !customer.is_empty())
        .map(CustomerId::new)
    else {
        return Intent::Ignore;
    };
    let text = text
        .map(|text| without_control_characters(&text))
        .filter(|text| !text.trim().is_empty());
    match (text, kind.as_str()) {
        (Some(text), "Text") if content.is_empty() => {
            Intent::Send(OutboundText { id, customer, text }, time)
        }
        _ => {
            let reason = unsupported(&kind, &content);
            match id {
                Some(id) => Intent::Refuse(
                    id,
                    customer,
                    ReceiptReason {
                        code: ReasonCode::UnsupportedMessage,
                        sentence: reason.into(),
                    },
                ),
                None => Intent::Drop(reason),
            }
        }
    }
}

fn unsupported(kind: &str, content: &[String]) -> &'static str {
    match (kind, content.first().map(String::as_str)) {
        (_, Some("Attachment")) => "Attachments cannot be sent by text message yet.",
        ("Text", None) => "An empty message was not sent.",
        _ => "This kind of message cannot be sent by text message yet.",
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn notification(body: &serde_json::Value) -> OutboundNotification {
        parse_outbound(WireProfile::Current, body.to_string().as_bytes()).unwrap()
    }

    fn described(intent: &Intent) -> String {
        match intent {
            Intent::Ignore => "ignored".into(),
            Intent::Drop(why) => format!("dropped: {why}"),
            Intent::Send(text, time) => format!("sent: {} ({})", text.text, time.is_some()),
            Intent::Refuse(_, _, reason) => format!("refused: {}", reason.sentence),
        }
    }

    #[rstest]
    #[case("a text", json!({"type": "Text", "text": "Hi", "direction": "Outbound"}), "sent: Hi (true)")]
    #[case("without a direction", json!({"type": "Text", "text": "Hi"}), "sent: Hi (true)")]
    #[case("control characters go", json!({"type": "Text", "text": "a\u{7}b"}), "sent: ab (true)")]
    #[case("the customer's own", json!({"type": "Text", "text": "Hi", "direction": "Inbound"}), "ignored")]
    #[case("typing", json!({"type": "Event", "events": [{"eventType": "Typing"}]}), "ignored")]
    #[case("a receipt", json!({"type": "Receipt", "status": "Published"}), "ignored")]
    #[case("an empty text", json!({"type": "Text", "text": "  "}), "refused: An empty message was not sent.")]
    #[case("an attachment", json!({"type": "Text", "content": [{"contentType": "Attachment", "attachment": {}}]}),
        "refused: Attachments cannot be sent by text message yet.")]
    #[case("a text with an attachment",
        json!({"type": "Text", "text": "see", "content": [{"contentType": "Attachment", "attachment": {}}]}),
        "refused: Attachments cannot be sent by text message yet.")]
    #[case("quick replies", json!({"type": "Structured", "text": "Proceed?", "content": [{"contentType": "QuickReply"}]}),
        "refused: This kind of message cannot be sent by text message yet.")]
    #[case("a kind of the future", json!({"type": "Hologram"}),
        "refused: This kind of message cannot be sent by text message yet.")]
    fn each_kind_has_its_intent(
        #[case] case: &str,
        #[case] mut body: serde_json::Value,
        #[case] expected: &str,
    ) {
        body["id"] = json!("g1");
        body["channel"] =
            json!({"id": "i1", "to": {"id": "+15557654321"}, "time": "2026-01-02T03:06:00.427Z"});
        assert_eq!(
            described(&intent(WireProfile::Current, notification(&body))),
            expected,
            "{case}"
        );
    }

    #[test]
    fn the_guides_profile_has_no_receipts_so_what_cannot_be_carried_is_dropped_aloud() {
        let body = br#"{"id":"g1","type":"Structured","recipientId":"+15557654321"}"#;
        let notification = parse_outbound(WireProfile::Guide, body).unwrap();
        let intent = intent(WireProfile::Guide, notification);
        assert!(
            described(&intent).starts_with("dropped: This kind"),
            "{}",
            described(&intent)
        );
    }

    #[test]
    fn the_key_tells_channel_kind_and_id_apart() {
        let of = |body: serde_json::Value| key(&notification(&body), b"").text;
        let text = json!({"id": "g1", "type": "Text", "channel": {"id": "i1"}});
        assert_eq!(of(text.clone()), "genesys/i1/Text/g1");
        let mut other = text;
        other["type"] = json!("Structured");
        assert_eq!(of(other), "genesys/i1/Structured/g1");
    }

    #[test]
    fn without_an_id_the_body_is_the_key_for_two_minutes() {
        let notification =
            parse_outbound(WireProfile::Guide, br#"{"recipientId":"+1","text":"x"}"#).unwrap();
        let first = key(&notification, b"body-1");
        assert_eq!(first.life, BODY_KEY_LIFE);
        assert_ne!(first.text, key(&notification, b"body-2").text);
    }
}
