//! Webhooks: signed for the public URL, carried to where the bridge listens, tried again by each platform's rules.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use messaging_bridge_sandbox::{Answer, Effect, Endpoint, Fault, Log, Platform, Profile};
use rstest::rstest;
use sha2::Sha256;
use url::Url;

use crate::rig::{CUSTOMER, HOST, NUMBER, Rig, Script, json};

fn statuses(log: &Log) -> Vec<Option<u16>> {
    log.webhooks.iter().map(|attempt| attempt.status).collect()
}

#[tokio::test]
async fn a_customers_text_arrives_as_a_signed_form_with_the_public_host() {
    let rig = Rig::new().await;
    let sid = rig
        .sandbox
        .customer_sends(CUSTOMER, "Où ça? 😀 a+b=c&d")
        .await;
    let log = rig
        .until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    let received = &rig.bridge.received()[0];
    assert_eq!(received.uri.path(), "/acme/twilio/inbound");
    assert_eq!(received.header("host"), HOST);
    assert_eq!(
        received.header("content-type"),
        "application/x-www-form-urlencoded; charset=UTF-8"
    );
    assert!(!received.header("x-twilio-signature").is_empty());
    assert!(!received.header("i-twilio-idempotency-token").is_empty());
    for (name, value) in [
        ("MessageSid", sid.as_str()),
        ("From", CUSTOMER),
        ("To", NUMBER),
        ("Body", "Où ça? 😀 a+b=c&d"),
        ("NumMedia", "0"),
        ("SmsStatus", "received"),
        ("FromCity", ""),
    ] {
        assert_eq!(received.field(name).as_deref(), Some(value), "{name}");
    }
    let attempt = &log.webhooks[0];
    assert_eq!(
        attempt.url,
        "https://bridge.example.com/acme/twilio/inbound"
    );
    assert_eq!(
        (attempt.platform, attempt.answer.clone()),
        (Platform::Twilio, Answer::Accepted)
    );
}

#[tokio::test]
async fn more_fields_can_be_given_and_replace_the_usual_ones() {
    let rig = Rig::new().await;
    let media = [
        ("NumMedia", "1"),
        ("MediaUrl0", "https://api.twilio.com/x"),
        ("SomethingNew", "y"),
    ];
    let sid = rig
        .sandbox
        .customer_sends_fields(CUSTOMER, "", &media)
        .await;
    rig.until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    let received = &rig.bridge.received()[0];
    assert!(sid.starts_with("MM"));
    assert_eq!(
        received
            .form()
            .iter()
            .filter(|(name, _)| name == "NumMedia")
            .count(),
        1
    );
    assert_eq!(received.field("NumMedia").as_deref(), Some("1"));
    assert_eq!(received.field("SomethingNew").as_deref(), Some("y"));
}

#[tokio::test]
async fn by_default_twilio_does_not_retry_an_answer() {
    let rig = Rig::new().await;
    rig.bridge.then([Script::Status(503)]);
    rig.sandbox.customer_sends(CUSTOMER, "lost").await;
    rig.until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    rig.sandbox.customer_sends(CUSTOMER, "next").await;
    let log = rig
        .until("the next webhook", |log| log.webhooks.len() == 2)
        .await;
    assert_eq!(statuses(&log), [Some(503), Some(200)]);
}

#[tokio::test]
async fn by_default_twilio_retries_a_failed_connection_once() {
    let rig = Rig::new().await;
    rig.sandbox
        .connect(HOST, Url::parse("http://127.0.0.1:1").unwrap());
    rig.sandbox.customer_sends(CUSTOMER, "lost").await;
    let log = rig.until("two tries", |log| log.webhooks.len() == 2).await;
    assert!(
        log.webhooks
            .iter()
            .all(|attempt| attempt.answer == Answer::Unreachable)
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.sandbox.log().webhooks.len(), 2);
}

async fn set_number(rig: &Rig, fields: &[(&str, &str)]) {
    let (_, list) = json(
        rig.twilio(Method::GET, "/IncomingPhoneNumbers.json")
            .send()
            .await
            .unwrap(),
    )
    .await;
    let sid = list["incoming_phone_numbers"][0]["sid"].as_str().unwrap();
    let path = format!("/IncomingPhoneNumbers/{sid}.json");
    assert_eq!(
        rig.twilio(Method::POST, &path)
            .form(fields)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn the_fragment_asks_for_retries_and_is_not_signed() {
    let rig = Rig::new().await;
    set_number(
        &rig,
        &[(
            "SmsUrl",
            "https://bridge.example.com/in#rc=3&rp=ct,rt,5xx&rt=4000",
        )],
    )
    .await;
    rig.bridge.then([
        Script::Status(500),
        Script::Status(503),
        Script::Status(200),
    ]);
    rig.sandbox.customer_sends(CUSTOMER, "hi").await;
    let log = rig
        .until("three tries", |log| log.webhooks.len() == 3)
        .await;
    assert_eq!(statuses(&log), [Some(500), Some(503), Some(200)]);
    assert_eq!(log.webhooks[2].attempt, 3);
    assert!(
        log.webhooks
            .iter()
            .all(|attempt| attempt.url == "https://bridge.example.com/in")
    );
    let received = rig.bridge.received();
    let header = |index: usize, name: &str| received[index].header(name).to_owned();
    assert_eq!(
        header(0, "i-twilio-idempotency-token"),
        header(2, "i-twilio-idempotency-token")
    );
    assert_eq!(
        header(0, "x-twilio-signature"),
        header(2, "x-twilio-signature")
    );
}

#[tokio::test]
async fn the_fallback_gets_what_the_webhook_refused_with_the_reason() {
    let rig = Rig::new().await;
    set_number(
        &rig,
        &[("SmsFallbackUrl", "https://bridge.example.com/fallback")],
    )
    .await;
    rig.bridge.then([Script::Status(500)]);
    rig.sandbox.customer_sends(CUSTOMER, "hi").await;
    rig.until("both", |log| log.webhooks.len() == 2).await;
    let fallback = &rig.bridge.received()[1];
    assert_eq!(fallback.uri.path(), "/fallback");
    assert_eq!(fallback.field("ErrorCode").as_deref(), Some("11200"));
    assert!(
        fallback
            .field("ErrorUrl")
            .unwrap()
            .ends_with("/twilio/inbound")
    );
}

#[tokio::test]
async fn a_plain_text_answer_is_texted_to_the_customer() {
    let rig = Rig::new().await;
    rig.bridge.then([Script::PlainText("OK")]);
    rig.sandbox.customer_sends(CUSTOMER, "hi").await;
    let log = rig
        .until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    assert_eq!(
        log.webhooks[0].answer,
        Answer::TextedToCustomer("OK".into())
    );
}

#[tokio::test]
async fn twilio_gives_up_on_silence_after_its_time_limit() {
    let rig = Rig::with(|options| options.twilio_time_limit = Duration::from_millis(100)).await;
    rig.bridge.then([Script::Silence]);
    rig.sandbox.customer_sends(CUSTOMER, "hi").await;
    let log = rig
        .until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    assert_eq!(
        (log.webhooks[0].status, log.webhooks[0].answer.clone()),
        (None, Answer::TimedOut)
    );
}

#[tokio::test]
async fn the_agents_message_is_signed_json_in_the_captured_shape() {
    let rig = Rig::new().await;
    let id = rig.sandbox.agent_sends(CUSTOMER, "Grüezi").await;
    rig.until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    let received = &rig.bridge.received()[0];
    assert_eq!(received.uri.path(), "/acme/genesys/outbound");
    let options = rig.sandbox.options();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(options.integration.webhook_secret.as_bytes()).unwrap();
    mac.update(&received.body);
    let expected = format!("sha256={}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(received.header("x-hub-signature-256"), expected);

    let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body["id"], id.as_str());
    assert_eq!(body["channel"]["id"], options.integration.id.as_str());
    assert_eq!(body["channel"]["to"]["id"], CUSTOMER);
    assert_eq!(body["channel"]["from"]["nickname"], "acme-sms");
    assert_eq!(body["text"], "Grüezi");
    assert_eq!(body["direction"], "Outbound");
    assert!(
        body["channel"]["time"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    assert!(body["conversationId"].is_string());
}

#[tokio::test]
async fn the_guides_shape_is_recipient_and_text() {
    let rig = Rig::with(|options| options.profile = Profile::Guide).await;
    rig.sandbox.agent_sends(CUSTOMER, "Hi").await;
    rig.until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    let body: serde_json::Value = serde_json::from_slice(&rig.bridge.received()[0].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"recipientId": CUSTOMER, "text": "Hi"})
    );
}

#[rstest]
#[case(&[503, 429, 500, 204], &[503, 429, 500, 204])]
#[case(&[503, 503, 503, 503, 503, 503, 200], &[503, 503, 503, 503, 503, 503])]
#[case(&[403, 200], &[403])]
#[case(&[400, 200], &[400])]
#[case(&[302, 200], &[302])]
#[tokio::test]
async fn genesys_tries_429_and_5xx_up_to_six_times_and_nothing_else(
    #[case] script: &[u16],
    #[case] expected: &[u16],
) {
    let rig = Rig::new().await;
    rig.bridge
        .then(script.iter().map(|status| Script::Status(*status)));
    let body = serde_json::json!({"id": "m1", "type": "Text", "text": "Hi", "channel": {"to": {"id": CUSTOMER}}});
    let outcome = rig.sandbox.agent_sends_raw(body).await;
    assert_eq!(usize::try_from(outcome.attempts).unwrap(), expected.len());
    assert_eq!(outcome.status, expected.last().copied());
    assert_eq!(outcome.accepted, outcome.status.unwrap() < 300);
    let seen: Vec<_> = statuses(&rig.sandbox.log()).into_iter().flatten().collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn genesys_tries_silence_and_a_failed_connection_again() {
    let rig = Rig::with(|options| options.genesys_time_limit = Duration::from_millis(100)).await;
    rig.bridge.then([Script::Silence, Script::Status(200)]);
    let outcome = rig
        .sandbox
        .agent_sends_raw(serde_json::json!({"id": "m1"}))
        .await;
    assert_eq!((outcome.accepted, outcome.attempts), (true, 2));
    rig.sandbox
        .connect(HOST, Url::parse("http://127.0.0.1:1").unwrap());
    let outcome = rig
        .sandbox
        .agent_sends_raw(serde_json::json!({"id": "m2"}))
        .await;
    assert_eq!(
        (outcome.accepted, outcome.attempts, outcome.status),
        (false, 6, None)
    );
}

#[tokio::test]
async fn first_tries_keep_the_order_of_a_conversation_and_retries_do_not_hold_it_up() {
    let rig = Rig::new().await;
    rig.bridge.then([Script::Status(503)]);
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(rig.sandbox.agent_sends(CUSTOMER, &number.to_string()).await);
    }
    let log = rig.until("all", |log| log.webhooks.len() == 6).await;
    let first: Vec<_> = log
        .webhooks
        .iter()
        .filter(|a| a.attempt == 1)
        .map(|a| a.message_id.clone())
        .collect();
    assert_eq!(first, ids);
    assert_eq!(
        log.webhooks.last().unwrap().attempt,
        2,
        "the retry came after the others"
    );
}

#[tokio::test]
async fn a_duplicated_webhook_has_the_same_id_and_signature() {
    let rig = Rig::new().await;
    rig.sandbox.set_faults([
        Fault::new(Endpoint::TwilioWebhook, Effect::Duplicated),
        Fault::new(Endpoint::GenesysWebhook, Effect::Duplicated),
    ]);
    rig.sandbox.customer_sends(CUSTOMER, "hi").await;
    rig.sandbox.agent_sends(CUSTOMER, "hi").await;
    let log = rig
        .until("four webhooks", |log| log.webhooks.len() == 4)
        .await;
    for platform in [Platform::Twilio, Platform::Genesys] {
        let ids: Vec<_> = log
            .webhooks
            .iter()
            .filter(|a| a.platform == platform)
            .map(|a| &a.message_id)
            .collect();
        assert_eq!(ids[0], ids[1]);
    }
}
