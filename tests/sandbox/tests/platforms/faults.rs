//! Planted faults, seen from the bridge.

use std::time::{Duration, Instant};

use http::Method;
use messaging_bridge_sandbox::{Effect, Endpoint, Fault, FinalStatus};
use rstest::rstest;

use crate::rig::{CUSTOMER, Rig, json, message};

const CALLBACK: (&str, &str) = (
    "StatusCallback",
    "https://bridge.example.com/acme/twilio/status/1",
);

#[tokio::test]
async fn a_lost_answer_leaves_a_message_that_the_caller_never_heard_of() {
    let rig = Rig::new().await;
    rig.sandbox
        .set_faults(Fault::new(Endpoint::TwilioSend, Effect::LostAnswer { status: None }).times(1));
    let error = rig.send(&[CALLBACK]).send().await.unwrap_err();
    assert!(
        !error.is_connect() && !error.is_timeout(),
        "the connection ended: {error:?}"
    );
    let log = rig
        .until("it is delivered all the same", |log| {
            log.callbacks.len() == 2
        })
        .await;
    assert_eq!(log.twilio_sends.len(), 1);
    assert!(!log.twilio_sends[0].answered);
    assert!(log.rejected.is_empty());
    let (_, list) = json(
        rig.twilio(Method::GET, "/Messages.json")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(list["messages"].as_array().unwrap().len(), 1);
    assert_eq!(
        rig.send(&[]).send().await.unwrap().status(),
        201,
        "the count is spent"
    );
}

#[tokio::test]
async fn a_lost_answer_may_also_be_a_500_after_the_work() {
    let rig = Rig::new().await;
    rig.sandbox.set_faults(Fault::new(
        Endpoint::GenesysMessage,
        Effect::LostAnswer { status: Some(500) },
    ));
    let token = rig.token().await;
    let answer = rig
        .inbound(&token, "message", &message("SM01", "Hello"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 500);
    let log = rig.sandbox.log();
    assert_eq!(log.genesys_inbound.len(), 1);
    assert!(!log.genesys_inbound[0].answered);
}

#[tokio::test]
async fn a_refused_connection_leaves_nothing_behind() {
    let rig = Rig::new().await;
    rig.sandbox
        .set_faults(Fault::new(Endpoint::TwilioApi, Effect::Refused).times(1));
    assert!(rig.send(&[]).send().await.is_err());
    assert!(rig.sandbox.log().twilio_sends.is_empty());
    assert_eq!(rig.send(&[]).send().await.unwrap().status(), 201);
}

#[rstest]
#[case(Endpoint::TwilioSend)]
#[case(Endpoint::TwilioApi)]
#[tokio::test]
async fn a_status_is_answered_with_the_platforms_body_and_nothing_is_done(
    #[case] endpoint: Endpoint,
) {
    let rig = Rig::new().await;
    rig.sandbox.set_faults(Fault::new(
        endpoint,
        Effect::Status {
            status: 503,
            body: None,
        },
    ));
    let (status, body) = json(rig.send(&[]).send().await.unwrap()).await;
    assert_eq!((status, body["code"].as_u64()), (503, Some(20503)));
    let own = serde_json::json!({"code": 30002, "message": "suspended", "status": 403});
    rig.sandbox.set_faults(Fault::new(
        endpoint,
        Effect::Status {
            status: 403,
            body: Some(own.clone()),
        },
    ));
    assert_eq!(json(rig.send(&[]).send().await.unwrap()).await, (403, own));
    assert!(rig.sandbox.log().twilio_sends.is_empty());
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back() {
    let rig = Rig::new().await;
    rig.sandbox.set_faults([
        Fault::new(Endpoint::TwilioSend, Effect::RateLimited { retry_after: 7 }),
        Fault::new(
            Endpoint::GenesysMessage,
            Effect::RateLimited { retry_after: 2 },
        )
        .times(1),
    ]);
    let answer = rig.send(&[]).send().await.unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    assert_eq!(json(answer).await.1["code"], 20429);
    let token = rig.token().await;
    let send = async || {
        rig.inbound(&token, "message", &message("SM01", "Hello"))
            .send()
            .await
            .unwrap()
    };
    let answer = send().await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "2")
    );
    assert_eq!(json(answer).await.1["code"], "too.many.requests");
    assert_eq!(send().await.status(), 200);
}

#[tokio::test]
async fn latency_delays_one_customer_and_not_another() {
    let rig = Rig::new().await;
    rig.sandbox.set_faults(
        Fault::new(Endpoint::TwilioSend, Effect::Latency { millis: 400 }).for_customer(CUSTOMER),
    );
    let time = async |to: &str| {
        let began = Instant::now();
        assert_eq!(rig.send(&[("To", to)]).send().await.unwrap().status(), 201);
        began.elapsed()
    };
    assert!(time(CUSTOMER).await >= Duration::from_millis(400));
    assert!(time("+15550100001").await < Duration::from_millis(400));
}

#[tokio::test]
async fn tokens_die_at_a_request_or_earlier_than_announced() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    rig.sandbox
        .set_faults(Fault::new(Endpoint::GenesysMessage, Effect::TokensDie).times(1));
    let send = async |token: &str| {
        rig.inbound(token, "message", &message("SM01", "Hello"))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(
        json(send(&token).await).await.1["code"],
        "credentials.expired"
    );
    assert_eq!(
        send(&rig.token().await).await.status(),
        200,
        "a new token lives"
    );
    rig.sandbox.set_faults(Fault::new(
        Endpoint::GenesysToken,
        Effect::ShortTokens { seconds: 0 },
    ));
    let (_, answer) = json(
        rig.token_request("grant_type=client_credentials")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(answer["expires_in"], 86_400, "announced as usual");
    assert_eq!(
        send(answer["access_token"].as_str().unwrap())
            .await
            .status(),
        401
    );
}

#[rstest]
#[case(Effect::Duplicated, &["sent", "sent", "delivered", "delivered"])]
#[case(Effect::Reordered, &["delivered", "sent"])]
#[tokio::test]
async fn callbacks_come_twice_or_turned_around(#[case] effect: Effect, #[case] expected: &[&str]) {
    let rig = Rig::new().await;
    rig.sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, effect));
    rig.send(&[CALLBACK]).send().await.unwrap();
    let log = rig
        .until("all callbacks", |log| log.callbacks.len() == expected.len())
        .await;
    let seen: Vec<_> = log
        .callbacks
        .iter()
        .map(|attempt| attempt.message_status.as_str())
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_callback_may_come_before_the_answer() {
    let rig = Rig::new().await;
    rig.sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, Effect::BeforeAnswer));
    let (status, message) = json(rig.send(&[CALLBACK]).send().await.unwrap()).await;
    assert_eq!((status, message["status"].as_str()), (201, Some("queued")));
    let first = rig.bridge.received().into_iter().next().unwrap();
    assert_eq!(
        first.field("MessageStatus").as_deref(),
        Some("sent"),
        "it was there when the answer came"
    );
}

#[tokio::test]
async fn callbacks_are_held_back_until_the_fault_is_removed() {
    let rig = Rig::new().await;
    rig.sandbox
        .set_faults(Fault::new(Endpoint::TwilioCallback, Effect::Held));
    rig.send(&[CALLBACK]).send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(rig.sandbox.log().callbacks.is_empty());
    rig.sandbox.set_faults([]);
    rig.until("both callbacks", |log| log.callbacks.len() == 2)
        .await;
}

#[tokio::test]
async fn the_carrier_ends_a_message_as_it_is_told() {
    let rig = Rig::new().await;
    let effect = Effect::FinalStatus {
        status: FinalStatus::Undelivered,
        error_code: Some(30005),
    };
    rig.sandbox
        .set_faults(Fault::new(Endpoint::TwilioSend, effect).times(1));
    rig.send(&[CALLBACK]).send().await.unwrap();
    let log = rig
        .until("both callbacks", |log| log.callbacks.len() == 2)
        .await;
    assert_eq!(log.callbacks[1].message_status, "undelivered");
    assert_eq!(log.callbacks[1].error_code, Some(30005));
}

#[tokio::test]
async fn after_a_shutdown_nothing_answers() {
    let rig = Rig::new().await;
    rig.send(&[]).send().await.unwrap();
    rig.sandbox.shutdown();
    let give_up = Instant::now() + Duration::from_secs(5);
    while rig.send(&[]).send().await.is_ok() {
        assert!(Instant::now() < give_up, "still answering");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
