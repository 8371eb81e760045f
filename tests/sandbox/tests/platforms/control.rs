//! The control API, and the command line's words.

use std::process::Command;

use futures_util::StreamExt;
use serde_json::{Value, json as body};

use crate::rig::{CUSTOMER, Rig, json};

#[tokio::test]
async fn both_sides_are_driven_over_http_and_the_log_is_read_back() {
    let rig = Rig::new().await;
    let post = async |path: &str, body: Value| {
        json(
            rig.http
                .post(rig.url(path))
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let (status, sent) = post("/sandbox/customer/messages", body!({"text": "hello"})).await;
    assert_eq!(status, 202);
    let (status, reply) = post(
        "/sandbox/agent/messages",
        body!({"to": CUSTOMER, "text": "hi"}),
    )
    .await;
    assert_eq!(status, 202);
    let (status, raw) = post(
        "/sandbox/agent/messages",
        body!({"raw": {"id": "1", "type": "Unheard"}}),
    )
    .await;
    assert_eq!((status, raw["accepted"].as_bool()), (200, Some(true)));
    rig.until("all webhooks", |log| log.webhooks.len() == 3)
        .await;
    let (_, log) = json(rig.http.get(rig.url("/sandbox/log")).send().await.unwrap()).await;
    let ids: Vec<_> = log["webhooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hook| hook["message_id"].clone())
        .collect();
    assert!(ids.contains(&sent["sid"]) && ids.contains(&reply["id"]));
    assert_eq!(post("/sandbox/reset", body!({})).await.0, 204);
    assert!(rig.sandbox.log().webhooks.is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_fix() {
    let rig = Rig::new().await;
    let table = [
        (
            "POST",
            "/sandbox/customer/messages",
            body!({"from": "nobody", "text": "x"}),
            400,
        ),
        (
            "POST",
            "/sandbox/customer/messages",
            body!({"txet": "x"}),
            422,
        ),
        ("POST", "/sandbox/agent/messages", body!({}), 400),
        (
            "POST",
            "/sandbox/connect",
            body!({"host": "a", "to": "nowhere"}),
            400,
        ),
        (
            "PUT",
            "/sandbox/faults",
            body!({"rules": [{"endpoint": "genesys-token", "effect": "held"}]}),
            400,
        ),
        (
            "PUT",
            "/sandbox/faults/coffee-machine",
            body!({"on": true}),
            404,
        ),
    ];
    for (method, path, body, expected) in table {
        let request = rig
            .http
            .request(method.parse().unwrap(), rig.url(path))
            .json(&body);
        assert_eq!(
            request.send().await.unwrap().status(),
            expected,
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn what_is_not_declared_as_json_is_refused_so_that_a_foreign_page_cannot_post() {
    let rig = Rig::new().await;
    let undeclared = rig
        .http
        .post(rig.url("/sandbox/customer/messages"))
        .body(r#"{"text":"x"}"#);
    assert_eq!(undeclared.send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn faults_are_set_read_and_switched() {
    let rig = Rig::new().await;
    let put = async |path: &str, body: Value| {
        rig.http
            .put(rig.url(path))
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let get = async || {
        json(
            rig.http
                .get(rig.url("/sandbox/faults"))
                .send()
                .await
                .unwrap(),
        )
        .await
        .1
    };
    let rules =
        body!({"rules": [{"endpoint": "twilio-send", "effect": {"lost_answer": {}}, "count": 2}]});
    assert_eq!(put("/sandbox/faults", rules).await, 204);
    assert!(rig.send(&[]).send().await.is_err());
    assert_eq!(get().await["rules"][0]["count"], 1, "one is left");
    assert_eq!(put("/sandbox/faults", body!({"rules": []})).await, 204);
    assert_eq!(
        put("/sandbox/faults/twilio-down", body!({"on": true})).await,
        204
    );
    assert_eq!(rig.send(&[]).send().await.unwrap().status(), 503);
    assert_eq!(
        put("/sandbox/faults/twilio-down", body!({"on": false})).await,
        204
    );
    assert_eq!(rig.send(&[]).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn the_tenant_is_complete_enough_to_write_secrets_from() {
    let rig = Rig::new().await;
    let (_, tenant) = json(
        rig.http
            .get(rig.url("/sandbox/tenant"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    for pointer in [
        "/genesys/clientId",
        "/genesys/clientSecret",
        "/genesys/webhookSecret",
        "/genesys/integrationName",
        "/twilio/accountSid",
        "/twilio/authToken",
        "/twilio/apiKeySid",
        "/twilio/number",
        "/publicUrl",
        "/customer",
    ] {
        assert!(
            tenant.pointer(pointer).is_some_and(Value::is_string),
            "{pointer}"
        );
    }
}

#[tokio::test]
async fn the_log_never_holds_a_secret() {
    let rig = Rig::new().await;
    let token = rig.token().await;
    rig.inbound(&token, "message", &crate::rig::message("SM01", "Hello"))
        .send()
        .await
        .unwrap();
    rig.inbound("wrong", "message", &body!({}))
        .send()
        .await
        .unwrap();
    rig.send(&[]).send().await.unwrap();
    rig.sandbox.customer_sends(CUSTOMER, "hello").await;
    rig.sandbox.agent_sends(CUSTOMER, "hello").await;
    rig.until("both webhooks", |log| log.webhooks.len() == 2)
        .await;
    let log = serde_json::to_string(&rig.sandbox.log()).unwrap();
    let options = rig.sandbox.options();
    for secret in [
        &token,
        &options.auth_token,
        &options.client_secret,
        &options.integration.webhook_secret,
    ] {
        assert!(!log.contains(secret.as_str()));
    }
}

#[tokio::test]
async fn events_begin_with_a_snapshot_and_tell_each_change() {
    let rig = Rig::new().await;
    let answer = rig
        .http
        .get(rig.url("/sandbox/events"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut seen = String::new();
    let mut chunks = std::pin::pin!(futures_util::stream::unfold(answer, |mut answer| async {
        answer
            .chunk()
            .await
            .ok()
            .flatten()
            .map(|chunk| (chunk, answer))
    }));
    while !seen.contains("event: snapshot") {
        seen += &String::from_utf8_lossy(&chunks.next().await.unwrap());
    }
    let options = rig.sandbox.options();
    for secret in [
        &options.auth_token,
        &options.client_secret,
        &options.integration.webhook_secret,
    ] {
        assert!(
            !seen.contains(secret.as_str()),
            "no secret reaches the browser"
        );
    }
    rig.sandbox.customer_sends(CUSTOMER, "<b>hello</b>").await;
    while !seen.contains("event: update") || !seen.contains("<b>hello</b>") {
        seen += &String::from_utf8_lossy(&chunks.next().await.unwrap());
    }
}

#[test]
fn the_command_line_names_the_flag_and_the_fix() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_messaging-bridge-sandbox"))
            .args(arguments)
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let table: [(&[&str], i32, &[&str]); 5] = [
        (
            &["serve", "--connect", "bridge.example.com"],
            2,
            &["--connect", "HOST=http://ADDR:PORT"],
        ),
        (
            &["serve", "--connect", "a=ftp://b"],
            2,
            &["--connect", "127.0.0.1:8080"],
        ),
        (&["serve", "--listen", "256.0.0.1:1"], 2, &["--listen"]),
        (
            &["serve", "--listen", "127.0.0.1:0", "--number", "12"],
            1,
            &["number", "+15551230000"],
        ),
        (
            &["serve", "--listen", "127.0.0.1:0", "--time-scale=-1"],
            1,
            &["time scale", "0.02"],
        ),
    ];
    for (arguments, code, words) in table {
        let (exit, said) = run(arguments);
        assert_eq!(exit, code, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is missing in {said}");
        }
    }
}
