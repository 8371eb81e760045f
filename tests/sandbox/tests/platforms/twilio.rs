//! Twilio's API: send, list, fetch, the number, the account; and what it refuses.

use std::collections::HashSet;

use http::Method;
use rstest::rstest;
use serde_json::Value;

use crate::rig::{CUSTOMER, NUMBER, Rig, json};

#[tokio::test]
async fn a_sent_text_travels_from_queued_to_delivered_and_calls_back_each_step_but_the_first() {
    let rig = Rig::new().await;
    let callback = "https://bridge.example.com/acme/twilio/status/42";
    let (status, message) = json(
        rig.send(&[("StatusCallback", callback)])
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 201);
    assert_eq!(message["status"], "queued");
    assert_eq!(message["date_sent"], Value::Null);
    assert_eq!(message["direction"], "outbound-api");
    assert_eq!(message["num_segments"], "1");

    let log = rig.until("delivered", |log| log.callbacks.len() == 2).await;
    let steps: Vec<_> = log
        .callbacks
        .iter()
        .map(|callback| callback.message_status.as_str())
        .collect();
    assert_eq!(steps, ["sent", "delivered"]);
    assert!(
        log.callbacks
            .iter()
            .all(|attempt| attempt.url == callback && attempt.status == Some(200))
    );
    let form = rig.bridge.received()[1].clone();
    assert_eq!(form.uri.path(), "/acme/twilio/status/42");
    assert_eq!(form.field("MessageSid").as_deref(), message["sid"].as_str());
    assert_eq!(form.field("MessageStatus").as_deref(), Some("delivered"));
    assert_eq!(form.field("ErrorCode"), None);

    let path = format!("/Messages/{}.json", message["sid"].as_str().unwrap());
    let (_, message) = json(rig.twilio(Method::GET, &path).send().await.unwrap()).await;
    assert_eq!(message["status"], "delivered");
    assert!(message["date_sent"].as_str().unwrap().ends_with(" +0000"));
}

#[rstest]
#[case(&[("To", "")], 400, 21604)]
#[case(&[("From", "")], 400, 21603)]
#[case(&[("Body", "")], 400, 21602)]
#[case(&[("To", "garbage")], 400, 21211)]
#[case(&[("From", "+15559999999")], 400, 21606)]
#[case(&[("From", "+15005550008")], 429, 21611)]
#[case(&[("To", "+15550120003")], 401, 20003)]
#[case(&[("To", "+15550120503")], 503, 20503)]
#[case(&[("StatusCallback", "https://under_score.example.com/x")], 400, 21609)]
#[tokio::test]
async fn a_refusal_has_twilios_error_body_and_is_in_the_log(
    #[case] fields: &[(&str, &str)],
    #[case] status: u16,
    #[case] code: u32,
) {
    let rig = Rig::new().await;
    let (answered, body) = json(rig.send(fields).send().await.unwrap()).await;
    assert_eq!(
        (answered, body["code"].as_u64()),
        (status, Some(code.into()))
    );
    assert_eq!(body["status"], status);
    assert!(
        body["more_info"]
            .as_str()
            .unwrap()
            .ends_with(&code.to_string())
    );
    let log = rig.sandbox.log();
    assert_eq!(log.twilio_sends.len(), 0);
    assert_eq!(log.rejected[0].status, status);
    assert!(log.rejected[0].why.starts_with(&code.to_string()));
}

#[tokio::test]
async fn a_json_body_is_no_form() {
    let rig = Rig::new().await;
    let request = rig
        .twilio(Method::POST, "/Messages.json")
        .json(&serde_json::json!({"To": CUSTOMER}));
    assert_eq!(json(request.send().await.unwrap()).await.1["code"], 21604);
}

#[tokio::test]
async fn only_the_auth_token_and_the_api_key_open_the_api_and_a_key_may_not_read_the_account() {
    let rig = Rig::new().await;
    let options = rig.sandbox.options().clone();
    let (key, secret) = options.api_key.clone().unwrap();
    let account = format!("/2010-04-01/Accounts/{}.json", options.account_sid);
    let messages = format!("/2010-04-01/Accounts/{}/Messages.json", options.account_sid);
    let other = messages.replace(&options.account_sid, "AC00000000000000000000000000000000");
    let table = [
        (
            &account,
            options.account_sid.as_str(),
            options.auth_token.as_str(),
            200,
        ),
        (&messages, &options.account_sid, &options.auth_token, 200),
        (&messages, &key, &secret, 200),
        (&account, &key, &secret, 401),
        (&messages, &options.account_sid, "wrong", 401),
        (&messages, &options.account_sid, &secret, 401),
        (
            &messages,
            "SK00000000000000000000000000000000",
            &secret,
            401,
        ),
        (&other, &options.account_sid, &options.auth_token, 404),
    ];
    for (path, user, password, expected) in table {
        let request = rig.http.get(rig.url(path)).basic_auth(user, Some(password));
        let (status, body) = json(request.send().await.unwrap()).await;
        assert_eq!(status, expected, "{user} at {path}");
        if expected == 401 {
            assert_eq!(body["code"], 20003);
        }
    }
    let bare = rig.http.get(rig.url(&messages)).send().await.unwrap();
    assert_eq!(bare.status(), 401);
}

#[tokio::test]
async fn pages_are_newest_first_and_stay_stable_while_messages_arrive() {
    let rig = Rig::new().await;
    for number in 0..7 {
        rig.send(&[("Body", &format!("{number}"))])
            .send()
            .await
            .unwrap();
    }
    let mut bodies = Vec::new();
    let mut sids = HashSet::new();
    let mut next = Some("/Messages.json?PageSize=3".to_owned());
    let prefix = format!("/2010-04-01/Accounts/{}", rig.sandbox.options().account_sid);
    while let Some(path) = next {
        let (_, page) = json(rig.twilio(Method::GET, &path).send().await.unwrap()).await;
        for message in page["messages"].as_array().unwrap() {
            bodies.push(message["body"].as_str().unwrap().to_owned());
            assert!(sids.insert(message["sid"].clone()), "no message twice");
        }
        rig.send(&[("Body", "later")]).send().await.unwrap();
        next = page["next_page_uri"]
            .as_str()
            .map(|uri| uri.strip_prefix(&prefix).unwrap().to_owned());
    }
    assert_eq!(bodies, ["6", "5", "4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn lists_are_narrowed_by_address_and_a_queued_message_has_no_date_to_match() {
    let rig = Rig::with(|options| options.time_scale = 100.0).await;
    rig.send(&[]).send().await.unwrap();
    rig.sandbox.customer_sends("+15550100099", "hello").await;
    let count = async |query: &str| {
        let path = format!("/Messages.json?{query}");
        json(rig.twilio(Method::GET, &path).send().await.unwrap())
            .await
            .1["messages"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("").await, 2);
    assert_eq!(count("To=%2B15557654321").await, 1);
    assert_eq!(count("From=%2B15557654321").await, 0);
    assert_eq!(count("To=%2B15551230000&From=%2B15550100099").await, 1);
    assert_eq!(
        count("DateSent%3E=2026-01-01").await,
        1,
        "the inbound one only"
    );
    assert_eq!(count("DateSent%3E=2026-01-02T03%3A04%3A05Z").await, 1);
    assert_eq!(count("DateSent%3C=2026-01-01").await, 0);
}

#[tokio::test]
async fn the_number_is_found_by_a_part_of_it_and_its_webhook_can_be_changed() {
    let rig = Rig::new().await;
    let find = async |pattern: &str| {
        let path = format!("/IncomingPhoneNumbers.json?PhoneNumber={pattern}");
        let (_, body) = json(rig.twilio(Method::GET, &path).send().await.unwrap()).await;
        body["incoming_phone_numbers"].as_array().unwrap().clone()
    };
    assert_eq!(
        find("%2B1555123").await.len(),
        1,
        "a part matches: compare exactly"
    );
    assert_eq!(find("%2B15550000000").await.len(), 0);
    let number = find("%2B15551230000").await[0].clone();
    assert_eq!(number["phone_number"], NUMBER);
    assert_eq!(
        number["sms_url"],
        "https://bridge.example.com/acme/twilio/inbound"
    );

    let path = format!(
        "/IncomingPhoneNumbers/{}.json",
        number["sid"].as_str().unwrap()
    );
    let change = |url: &str| rig.twilio(Method::POST, &path).form(&[("SmsUrl", url)]);
    assert_eq!(change("not a url").send().await.unwrap().status(), 400);
    let (status, number) = json(
        change("https://bridge.example.com/other")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (status, number["sms_url"].as_str()),
        (200, Some("https://bridge.example.com/other"))
    );
    rig.sandbox.customer_sends(CUSTOMER, "hi").await;
    rig.until("the new webhook", |log| {
        log.webhooks.iter().any(|hook| hook.url.ends_with("/other"))
    })
    .await;
}

#[tokio::test]
async fn stop_blocks_sends_until_start_and_reaches_the_webhook_all_the_same() {
    let rig = Rig::new().await;
    rig.sandbox.customer_sends(CUSTOMER, "Stop").await;
    assert_eq!(
        json(rig.send(&[]).send().await.unwrap()).await.1["code"],
        21610
    );
    rig.sandbox.customer_sends(CUSTOMER, "START").await;
    assert_eq!(rig.send(&[]).send().await.unwrap().status(), 201);
    rig.until("both webhooks", |log| log.webhooks.len() == 2)
        .await;
    let (_, list) = json(
        rig.twilio(Method::GET, "/Messages.json")
            .send()
            .await
            .unwrap(),
    )
    .await;
    let replies = list["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["direction"] == "outbound-reply");
    assert_eq!(replies.count(), 2, "Twilio itself answers");
}

#[tokio::test]
async fn some_numbers_are_taken_and_then_failed_by_the_carrier() {
    let rig = Rig::new().await;
    let callback = (
        "StatusCallback",
        "https://bridge.example.com/acme/twilio/status/1",
    );
    for (to, steps, code) in [
        ("+15550030003", &["sent", "undelivered"][..], 30003),
        ("+15550063016", &["failed"][..], 63016),
    ] {
        rig.sandbox.reset();
        assert_eq!(
            rig.send(&[("To", to), callback])
                .send()
                .await
                .unwrap()
                .status(),
            201
        );
        let log = rig
            .until("the last callback", |log| {
                log.callbacks.len() == steps.len()
            })
            .await;
        let seen: Vec<_> = log
            .callbacks
            .iter()
            .map(|attempt| attempt.message_status.as_str())
            .collect();
        assert_eq!(seen, steps);
        assert_eq!(log.callbacks.last().unwrap().error_code, Some(code));
        let form = rig.bridge.received().last().unwrap().field("ErrorCode");
        assert_eq!(form, Some(code.to_string()));
    }
}
