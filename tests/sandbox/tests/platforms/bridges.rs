//! Several bridges on one sandbox, put wrong at run time by the control API, and who called whom.

use http::Method;
use messaging_bridge_sandbox::{IntegrationSettings, NumberSettings, by_user_agent};
use rstest::rstest;
use serde_json::{Value, json as body};

use crate::rig::{CUSTOMER, NUMBER, Rig, json, message};

const SECOND: &str = "+15551230001";

/// One call of the control API.
async fn control(rig: &Rig, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = rig.http.request(method, rig.url(path));
    if let Some(body) = body {
        request = request.json(&body);
    }
    json(request.send().await.unwrap()).await
}

async fn token_of(rig: &Rig, client: &str, secret: &str) -> (u16, Value) {
    let request = rig
        .http
        .post(rig.url("/oauth/token"))
        .basic_auth(client, Some(secret))
        .form(&[("grant_type", "client_credentials")]);
    json(request.send().await.unwrap()).await
}

async fn integrations(rig: &Rig, token: &str) -> (u16, Value) {
    let path = "/api/v2/conversations/messaging/integrations/open";
    let request = rig.http.get(rig.url(path)).bearer_auth(token);
    json(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_second_bridge_has_its_own_number_integration_and_address() {
    let rig = Rig::new().await;
    let public_url = "https://bridge.example.com/other";
    let number = format!("/sandbox/numbers/{SECOND}");
    let put = body!({"publicUrl": public_url});
    assert_eq!(control(&rig, Method::PUT, &number, Some(put)).await.0, 200);
    let (status, made) = control(
        &rig,
        Method::POST,
        "/sandbox/integrations",
        Some(body!({"name": "other-sms", "publicUrl": public_url, "webhookSecret": "another-secret-1"})),
    )
    .await;
    assert_eq!(status, 200);
    let text = body!({"to": SECOND, "text": "hello"});
    let path = "/sandbox/customer/messages";
    assert_eq!(control(&rig, Method::POST, path, Some(text)).await.0, 202);
    let reply = body!({"integration": made["id"], "to": CUSTOMER, "text": "hi"});
    let path = "/sandbox/agent/messages";
    assert_eq!(control(&rig, Method::POST, path, Some(reply)).await.0, 202);
    rig.until("both webhooks", |log| log.webhooks.len() == 2)
        .await;
    for received in rig.bridge.received() {
        assert!(
            received.uri.path().starts_with("/other/"),
            "{}",
            received.uri
        );
        if received.uri.path() == "/other/twilio/inbound" {
            assert_eq!(received.field("To").as_deref(), Some(SECOND));
        } else {
            let body: Value = serde_json::from_slice(&received.body).unwrap();
            assert_eq!(body["channel"]["id"], made["id"]);
        }
    }
    let sent = rig.send(&[("From", SECOND)]).send().await.unwrap();
    assert_eq!(json(sent).await.1["from"], SECOND);
}

#[tokio::test]
async fn what_a_customer_opted_out_of_is_one_number() {
    let rig = Rig::new().await;
    rig.sandbox
        .put_number(SECOND, &NumberSettings::default())
        .unwrap();
    rig.sandbox.customer_sends(CUSTOMER, "STOP").await;
    let send = async |from| rig.send(&[("From", from)]).send().await.unwrap().status();
    assert_eq!(send(NUMBER).await, 400);
    assert_eq!(send(SECOND).await, 201);
}

#[tokio::test]
async fn a_number_is_moved_away_and_given_back() {
    let rig = Rig::new().await;
    let path = format!("/sandbox/numbers/{NUMBER}");
    let moved = body!({"smsUrl": "https://elsewhere.example.com/", "smsMethod": "GET",
        "smsFallbackUrl": "https://bridge.example.com/acme/twilio/inbound", "smsApplicationSid": "AP1", "sms": false});
    assert_eq!(control(&rig, Method::PUT, &path, Some(moved)).await.0, 200);
    let list = format!("/IncomingPhoneNumbers.json?PhoneNumber=%2B{}", &NUMBER[1..]);
    let (_, found) = json(rig.twilio(Method::GET, &list).send().await.unwrap()).await;
    let number = &found["incoming_phone_numbers"][0];
    assert_eq!(number["sms_url"], "https://elsewhere.example.com/");
    assert_eq!(number["sms_method"], "GET");
    assert_eq!(number["sms_application_sid"], "AP1");
    assert_eq!(number["capabilities"]["sms"], false);
    assert_eq!(control(&rig, Method::DELETE, &path, None).await.0, 204);
    let (_, found) = json(rig.twilio(Method::GET, &list).send().await.unwrap()).await;
    assert_eq!(found["incoming_phone_numbers"], body!([]));
    assert_eq!(control(&rig, Method::DELETE, &path, None).await.0, 404);
    assert_eq!(rig.send(&[]).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_integration_is_renamed_duplicated_put_wrong_and_deleted() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    let path = format!(
        "/sandbox/integrations/{}",
        rig.sandbox.options().integration.id
    );
    let wrong = body!({"name": "renamed", "webhookUrl": "https://elsewhere.example.com/", "status": "inactive",
        "createStatus": "Error", "createError": "the address is not reachable"});
    assert_eq!(
        control(&rig, Method::PATCH, &path, Some(wrong)).await.0,
        200
    );
    let twin = IntegrationSettings {
        name: Some("renamed".into()),
        ..IntegrationSettings::default()
    };
    let twin = rig.sandbox.create_integration(twin).unwrap();
    let entities = integrations(&rig, &token).await.1["entities"].clone();
    assert_eq!(entities[0]["name"], entities[1]["name"]);
    assert_eq!(entities[0]["status"], "inactive");
    assert_eq!(
        entities[0]["createError"]["message"],
        "the address is not reachable"
    );
    assert_eq!(entities[1]["id"], twin);
    assert_eq!(entities[1]["outboundNotificationWebhookUrl"], Value::Null);
    assert_eq!(control(&rig, Method::DELETE, &path, None).await.0, 204);
    assert_eq!(integrations(&rig, &token).await.1["total"], 1);
    let posted = rig.inbound(&token, "message", &message("SM1", "Hello"));
    assert_eq!(posted.send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_deleted_integration_posts_no_more() {
    let rig = Rig::new().await;
    let id = rig.sandbox.options().integration.id.clone();
    let twin = IntegrationSettings {
        name: Some("x".into()),
        public_url: Some("https://bridge.example.com/acme".into()),
        ..IntegrationSettings::default()
    };
    let twin = rig.sandbox.create_integration(twin).unwrap();
    rig.sandbox.remove_integration(&id).unwrap();
    rig.sandbox.agent_sends(CUSTOMER, "lost").await;
    rig.sandbox.agent_sends_by(&twin, CUSTOMER, "hi");
    let log = rig.until("a webhook", |log| !log.webhooks.is_empty()).await;
    assert_eq!(log.webhooks.len(), 1);
    assert_eq!(rig.bridge.received().len(), 1);
}

#[tokio::test]
async fn a_second_client_has_its_own_permissions_which_can_be_taken_away() {
    let rig = Rig::new().await;
    let path = "/sandbox/clients/operator";
    let put =
        body!({"clientSecret": "operators-secret", "permissions": ["messaging:integration:view"]});
    assert_eq!(control(&rig, Method::PUT, path, Some(put)).await.0, 204);
    assert_eq!(token_of(&rig, "operator", "wrong").await.0, 401);
    let (_, issued) = token_of(&rig, "operator", "operators-secret").await;
    let token = issued["access_token"].as_str().unwrap().to_owned();
    assert_eq!(integrations(&rig, &token).await.0, 200);
    let posted = rig.inbound(&token, "message", &message("SM1", "Hello"));
    let (status, refusal) = json(posted.send().await.unwrap()).await;
    assert_eq!(
        (status, refusal["code"].as_str()),
        (403, Some("missing.any.permissions"))
    );

    let none = body!({"permissions": []});
    assert_eq!(control(&rig, Method::PUT, path, Some(none)).await.0, 204);
    let (status, refusal) = integrations(&rig, &token).await;
    let said = refusal["message"].as_str().unwrap();
    assert!(
        status == 403 && said.contains("[messaging:integration:view]"),
        "{refusal}"
    );

    assert_eq!(control(&rig, Method::DELETE, path, None).await.0, 204);
    assert_eq!(integrations(&rig, &token).await.0, 401);
    let (_, left) = control(&rig, Method::GET, "/sandbox/clients", None).await;
    assert_eq!(left["clients"].as_array().unwrap().len(), 1);
    assert!(!left.to_string().contains("secret"), "{left}");
}

#[tokio::test]
async fn a_rotated_token_signs_and_the_old_one_is_refused() {
    let rig = Rig::new().await;
    let rotated = body!({"authToken": "the-next-token"});
    let path = "/sandbox/account";
    assert_eq!(
        control(&rig, Method::PATCH, path, Some(rotated)).await.0,
        204
    );
    assert_eq!(rig.send(&[]).send().await.unwrap().status(), 401);
    let before = rig.sandbox.customer_sends(CUSTOMER, "hello").await;
    rig.until("the webhook", |log| log.webhooks.len() == 1)
        .await;
    assert_eq!(rig.bridge.received()[0].field("MessageSid"), Some(before));
}

#[tokio::test]
async fn a_suspended_account_says_so_and_sends_nothing() {
    let rig = Rig::new().await;
    let suspended = body!({"status": "suspended"});
    let path = "/sandbox/account";
    assert_eq!(
        control(&rig, Method::PATCH, path, Some(suspended)).await.0,
        204
    );
    let (status, refusal) = json(rig.send(&[]).send().await.unwrap()).await;
    assert_eq!((status, refusal["code"].as_u64()), (403, Some(30002)));
    let account = rig.twilio(Method::GET, ".json").send().await.unwrap();
    assert_eq!(json(account).await.1["status"], "suspended");
}

#[tokio::test]
async fn requests_are_told_apart_by_user_agent_and_counted_since_a_mark() {
    let rig = Rig::new().await;
    let ask = async |agent: &str| {
        rig.twilio(Method::GET, "/Messages.json?PageSize=1")
            .header("user-agent", agent)
            .send()
            .await
            .unwrap()
    };
    ask("operator/1").await;
    let mark = rig.sandbox.request_mark();
    ask("relay/1").await;
    ask("relay/1").await;
    ask("operator/1").await;
    let since = by_user_agent(&rig.sandbox.requests_since(mark));
    assert_eq!((since["relay/1"], since["operator/1"]), (2, 1));

    let (_, all) = control(&rig, Method::GET, "/sandbox/requests", None).await;
    assert_eq!(all["by_user_agent"]["operator/1"], 2);
    assert_eq!(all["mark"], 4);
    let path = format!("/sandbox/requests?since={mark}&user_agent=operator/");
    let (_, one) = control(&rig, Method::GET, &path, None).await;
    assert_eq!(one["by_user_agent"], body!({"operator/1": 1}));
    let request = &one["requests"][0];
    assert_eq!(request["platform"], "twilio");
    assert!(
        request["path"]
            .as_str()
            .unwrap()
            .ends_with("/Messages.json")
    );
    assert_eq!(request["query"]["PageSize"], "1");
    let (_, later) = control(&rig, Method::GET, "/sandbox/requests?since=99", None).await;
    assert_eq!(later["by_user_agent"], body!({}));
}

#[rstest]
#[case("PUT", "/sandbox/numbers/12", body!({}), 400, "E.164")]
#[case("PUT", "/sandbox/numbers/+15551230000", body!({"smsUrl": "nowhere"}), 400, "smsUrl")]
#[case("PUT", "/sandbox/numbers/+15551230000", body!({"smsMethod": "PUT"}), 400, "smsMethod")]
#[case("PUT", "/sandbox/numbers/+15557654321", body!({}), 400, "the customer's")]
#[case("POST", "/sandbox/services", body!({}), 400, "friendlyName")]
#[case("PATCH", "/sandbox/services/MG0", body!({}), 404, "MG0")]
#[case("POST", "/sandbox/services", body!({"friendlyName": "x", "numbers": ["+15550000000"]}), 404, "+15550000000")]
#[case("POST", "/sandbox/integrations", body!({}), 400, "name")]
#[case("PATCH", "/sandbox/integrations/ID", body!({"publicUrl": "http://b.example.com"}), 400, "443")]
#[case("PATCH", "/sandbox/integrations/ID", body!({"webhookUrl": "https://b.example.com:8443/x"}), 400, "443")]
#[case("PATCH", "/sandbox/integrations/ID", body!({"webhookSecret": "short"}), 400, "15 characters")]
#[case("PUT", "/sandbox/clients/new", body!({}), 400, "clientSecret")]
#[case("PATCH", "/sandbox/account", body!({"status": "asleep"}), 400, "suspended")]
#[case("POST", "/sandbox/agent/messages", body!({"integration": "x", "text": "x"}), 400, "integration")]
#[case("POST", "/sandbox/customer/messages", body!({"to": "+15551230001", "text": "x"}), 400, "to must be")]
#[tokio::test]
async fn what_neither_platform_would_take_is_refused_and_changes_nothing(
    #[case] method: Method,
    #[case] path: &str,
    #[case] body: Value,
    #[case] expected: u16,
    #[case] says: &str,
) {
    let rig = Rig::new().await;
    let configured = async || {
        let mut all = Vec::new();
        for path in ["numbers", "services", "integrations", "clients"] {
            let path = format!("/sandbox/{path}");
            all.push(control(&rig, Method::GET, &path, None).await);
        }
        all
    };
    let before = configured().await;
    let path = path.replace("ID", &rig.sandbox.options().integration.id);
    let (status, refusal) = control(&rig, method, &path, Some(body)).await;
    let said = refusal["error"].as_str().unwrap_or_default();
    assert!(status == expected && said.contains(says), "{refusal}");
    assert_eq!(configured().await, before);
}
