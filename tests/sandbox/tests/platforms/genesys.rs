//! Genesys' API: tokens, the inbound endpoints, the integrations; and what it refuses.

use std::time::Duration;

use http::Method;
use messaging_bridge_sandbox::{Integration, Options};
use rstest::rstest;
use serde_json::{Value, json as body};

use crate::rig::{CUSTOMER, Rig, json, message, receipt};

#[tokio::test]
async fn a_message_lies_on_the_desk_and_a_second_one_with_its_id_is_marked_as_a_repeat() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    for _ in 0..2 {
        let answer = rig
            .inbound(&token, "message", &message("SM01", "Hello"))
            .send()
            .await
            .unwrap();
        assert!(answer.headers().contains_key("inin-correlation-id"));
        assert_eq!(answer.headers()["inin-ratelimit-allowed"], "300");
        let (status, answer) = json(answer).await;
        assert_eq!(status, 200);
        assert_eq!(answer["type"], "Text");
        assert_eq!(answer["channel"]["messageId"], "SM01");
        assert_eq!(answer.get("conversationId"), None);
    }
    let log = rig.sandbox.log();
    let repeats: Vec<_> = log
        .genesys_inbound
        .iter()
        .map(|inbound| inbound.repeat)
        .collect();
    assert_eq!(repeats, [false, true]);
    let first = &log.genesys_inbound[0];
    assert_eq!(
        (first.customer.as_str(), first.text.as_str()),
        (CUSTOMER, "Hello")
    );
    assert_eq!(first.nickname.as_deref(), Some("Ann"));
    assert_eq!(first.attributes["twilioTo"], "+15551230000");
    assert_eq!(first.time.unwrap().to_string(), "2026-01-02T03:04:05.678Z");
}

#[tokio::test]
async fn a_conversation_is_named_when_asked_for_and_stays_the_same() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let ask = async |id: &str| {
        let request = rig.inbound(
            &token,
            "message?prefetchConversationId=true",
            &message(id, "Hello"),
        );
        json(request.send().await.unwrap()).await.1["conversationId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(ask("SM01").await, ask("SM02").await);
}

#[rstest]
#[case("grant_type=client_credentials", 200, None)]
#[case("grant_type=password", 400, Some("unsupported_grant_type"))]
#[case("scope=all", 400, Some("invalid_request"))]
#[tokio::test]
async fn the_token_endpoint_has_its_own_error_body(
    #[case] form: &'static str,
    #[case] status: u16,
    #[case] error: Option<&str>,
) {
    let rig = Rig::new().await;
    let (answered, answer) = json(rig.token_request(form).send().await.unwrap()).await;
    assert_eq!((answered, answer["error"].as_str()), (status, error));
    assert_eq!(answer["description"].is_string(), error.is_some());
    if error.is_none() {
        assert_eq!(answer["expires_in"], 86_400);
        assert_eq!(answer["token_type"], "bearer");
    }
}

#[tokio::test]
async fn wrong_client_credentials_are_401_and_not_in_the_log() {
    let rig = Rig::new().await;
    let request = rig
        .http
        .post(rig.url("/oauth/token"))
        .basic_auth("someone", Some("a-wrong-secret"));
    let (status, answer) = json(request.send().await.unwrap()).await;
    assert_eq!(
        (status, answer["error"].as_str()),
        (401, Some("invalid_client"))
    );
    let log = serde_json::to_string(&rig.sandbox.log()).unwrap();
    assert!(
        log.contains("invalid_client") && !log.contains("a-wrong-secret"),
        "{log}"
    );
}

#[tokio::test]
async fn tokens_are_required_known_and_mortal() {
    let rig = Rig::with(|options| options.token_life = Duration::from_millis(300)).await;
    let hello = message("SM01", "Hello");
    let code = async |token: &str| {
        let (status, answer) =
            json(rig.inbound(token, "message", &hello).send().await.unwrap()).await;
        (status, answer["code"].as_str().map(str::to_owned))
    };
    let token = rig.token().await;
    assert_eq!(code(&token).await.0, 200);
    assert_eq!(code("unknown").await, (401, Some("bad.credentials".into())));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(
        code(&token).await,
        (401, Some("credentials.expired".into()))
    );
    let fresh = rig.token().await;
    rig.sandbox.kill_tokens();
    assert_eq!(
        code(&fresh).await,
        (401, Some("credentials.expired".into()))
    );
    let bare = rig
        .http
        .get(rig.url("/api/v2/conversations/messaging/integrations/open"))
        .send()
        .await
        .unwrap();
    assert_eq!(json(bare).await.1["code"], "authentication.required");
}

#[tokio::test]
async fn above_the_allowance_a_token_is_answered_429_and_another_token_is_not() {
    let rig = Rig::with(|options| options.genesys_limit_per_minute = 2).await;
    let token = rig.token().await;
    let send = async |token: &str| {
        rig.inbound(token, "message", &message("SM01", "Hello"))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(send(&token).await.headers()["inin-ratelimit-count"], "1");
    assert_eq!(send(&token).await.status(), 200);
    let refused = send(&token).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["inin-ratelimit-count"], "3");
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(json(refused).await.1["code"], "too.many.requests");
    assert_eq!(send(&rig.token().await).await.status(), 200);
    assert_eq!(rig.sandbox.log().genesys_inbound.len(), 3);
}

#[tokio::test]
async fn what_is_malformed_is_refused_with_the_platforms_error_body() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let mut no_time = message("SM01", "Hello");
    no_time["channel"].as_object_mut().unwrap().remove("time");
    let mut unknown_type = message("SM01", "Hello");
    unknown_type["channel"]["from"]["idType"] = "Fax".into();
    let mut nested = message("SM01", "Hello");
    nested["metadata"] = body!({"customAttributes": {"a": "b"}});
    let table = [
        ("message", no_time, 400, "bad.request"),
        ("message", unknown_type, 400, "invalid.value"),
        ("message", nested, 400, "bad.request"),
        ("message", message("SM01", ""), 400, "bad.request"),
        (
            "message",
            message("SM01", &"x".repeat(512_000)),
            413,
            "request.entity.too.large",
        ),
        ("receipt", receipt("1", "Read"), 400, "invalid.value"),
        ("structured/response", body!({}), 404, "not.found"),
    ];
    for (kind, body, status, code) in table {
        let (answered, answer) = json(rig.inbound(&token, kind, &body).send().await.unwrap()).await;
        assert_eq!(
            (answered, answer["code"].as_str()),
            (status, Some(code)),
            "{answer}"
        );
        assert_eq!(answer["status"], status);
        assert!(answer["contextId"].is_string() && answer["message"].is_string());
    }
    assert!(rig.sandbox.log().genesys_inbound.is_empty());
    assert_eq!(rig.sandbox.log().rejected.len(), 7);
}

#[tokio::test]
async fn another_content_type_is_415_and_an_unknown_integration_404() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let hello = message("SM01", "Hello");
    let id = &rig.sandbox.options().integration.id;
    let path = format!("/api/v2/conversations/messages/{id}/inbound/open/message");
    let text = rig
        .http
        .post(rig.url(&path))
        .bearer_auth(&token)
        .body(hello.to_string());
    assert_eq!(text.send().await.unwrap().status(), 415);
    let path =
        "/api/v2/conversations/messages/00000000-0000-0000-0000-000000000000/inbound/open/message";
    let elsewhere = rig
        .http
        .post(rig.url(path))
        .bearer_auth(&token)
        .json(&hello);
    assert_eq!(
        json(elsewhere.send().await.unwrap()).await.1["code"],
        "not.found"
    );
}

#[tokio::test]
async fn a_receipt_for_no_message_of_an_agent_is_2xx_with_failed_in_the_body() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let id = rig.sandbox.agent_sends(CUSTOMER, "Hi").await;
    let (status, answer) = json(
        rig.inbound(&token, "receipt", &receipt(&id, "Delivered"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (status, answer["status"].as_str()),
        (200, Some("Delivered"))
    );
    let (status, answer) = json(
        rig.inbound(&token, "receipt", &receipt("x", "Delivered"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((status, answer["status"].as_str()), (200, Some("Failed")));
    assert_eq!(answer["reasons"][0]["code"], "UnknownMessage");
    let log = rig.sandbox.log();
    let accepted: Vec<_> = log
        .genesys_receipts
        .iter()
        .map(|receipt| receipt.accepted)
        .collect();
    assert_eq!(accepted, [true, false]);
    assert!(log.genesys_receipts[0].is_final);
}

#[tokio::test]
async fn typing_is_taken_as_an_event() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let event = body!({
        "channel": {"time": "2026-01-02T03:04:05Z", "from": {"id": CUSTOMER, "idType": "Phone"}},
        "events": [{"eventType": "Typing"}],
    });
    assert_eq!(
        rig.inbound(&token, "event", &event)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(rig.sandbox.log().genesys_events[0].kind, "Typing");
}

#[tokio::test]
async fn the_guides_message_has_the_customer_in_to() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let id = rig.sandbox.options().integration.id.clone();
    let mut guide = body!({
        "id": "SM01",
        "channel": {"type": "Open", "id": id, "to": {"id": CUSTOMER}, "from": {"id": "+15551230000"}},
        "normalizedMessage": {"type": "Text", "text": "Hello"},
    });
    let post = async |guide: &Value| {
        let url = rig.url("/api/v2/conversations/messages/inbound/open");
        rig.http
            .post(url)
            .bearer_auth(&token)
            .json(guide)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(post(&guide).await, 200);
    let log = rig.sandbox.log();
    assert_eq!(log.genesys_inbound[0].customer, CUSTOMER);
    assert_eq!(log.genesys_inbound[0].message_id.as_deref(), Some("SM01"));
    guide["normalizedMessage"]["type"] = "Picture".into();
    assert_eq!(post(&guide).await, 400);
}

fn many(options: &mut Options) {
    let more = (0..6).map(|number| Integration {
        id: format!("00000000-0000-0000-0000-00000000000{number}"),
        name: "other".into(),
        webhook_secret: "0123456789abcdef".into(),
    });
    options.other_integrations = more.collect();
}

#[rstest]
#[case("/api/v2/conversations/messaging/integrations/open")]
#[case("/api/v2/messaging/integrations/open")]
#[tokio::test]
async fn integrations_come_in_pages_with_masked_secrets(#[case] path: &str) {
    let rig = Rig::with(many).await;
    let token = rig.token().await;
    let get = async |path: &str| {
        json(
            rig.http
                .get(rig.url(path))
                .bearer_auth(&token)
                .send()
                .await
                .unwrap(),
        )
        .await
        .1
    };
    let mut names = Vec::new();
    let mut next = Some(format!("{path}?pageSize=3"));
    while let Some(path) = next {
        let page = get(&path).await;
        assert_eq!(
            (page["total"].as_u64(), page["pageCount"].as_u64()),
            (Some(7), Some(3))
        );
        assert!(!page.to_string().contains("0123456789"), "{page}");
        names.extend(
            page["entities"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| e["name"].as_str().unwrap().to_owned()),
        );
        next = page["nextUri"].as_str().map(str::to_owned);
    }
    assert_eq!(names.len(), 7);
    assert_eq!(names[0], "acme-sms");
}

#[tokio::test]
async fn a_change_of_an_integration_needs_its_name_and_applies_to_the_next_webhook() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let id = rig.sandbox.options().integration.id.clone();
    let path = format!("/api/v2/conversations/messaging/integrations/open/{id}");
    let answered = async |change: Value| {
        let request = rig
            .http
            .request(Method::PATCH, rig.url(&path))
            .bearer_auth(&token)
            .json(&change);
        json(request.send().await.unwrap()).await.0
    };
    let url = "https://bridge.example.com/moved";
    assert_eq!(
        answered(body!({"outboundNotificationWebhookUrl": url})).await,
        400,
        "no name"
    );
    let port = "https://bridge.example.com:8443/x";
    assert_eq!(
        answered(body!({"name": "n", "outboundNotificationWebhookUrl": port})).await,
        400,
        "not port 443"
    );
    let short = "fifteen-letters";
    assert_eq!(
        answered(body!({"name": "n", "outboundNotificationWebhookSignatureSecretToken": short}))
            .await,
        400
    );
    let change = body!({"name": "n", "outboundNotificationWebhookUrl": url, "webhookHeaders": {"X-Relay": "abc"}});
    assert_eq!(answered(change).await, 200);
    rig.sandbox.agent_sends(CUSTOMER, "Hi").await;
    rig.until("the webhook", |log| {
        log.webhooks.iter().any(|hook| hook.url == url)
    })
    .await;
    assert_eq!(rig.bridge.received()[0].header("x-relay"), "abc");
}
