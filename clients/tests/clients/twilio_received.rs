//! Listing what a number received, fetching one message and the kinds of its attachments, over real HTTP.

use crate::support::{Platform, http, reply, reply_with};
use messaging_bridge_clients::ErrorKind;
use messaging_bridge_clients::twilio::{
    AccountSid, MessageSid, ReceivedFilter, TwilioClient, TwilioCredentials,
};
use secrecy::SecretString;
use serde_json::json;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const MESSAGES: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages";

fn client(platform: &Platform) -> TwilioClient {
    TwilioClient::new(
        http(),
        platform.url.clone(),
        AccountSid::new(ACCOUNT),
        vec![TwilioCredentials::AuthToken(SecretString::from("token"))],
    )
}

fn filter() -> ReceivedFilter {
    ReceivedFilter {
        to: "+15551230000".to_owned(),
        since: "2026-01-02T03:04:05Z".parse().unwrap(),
        until: None,
        page_size: 50,
    }
}

#[tokio::test]
async fn pages_are_read_one_at_a_time_with_twilios_own_time() {
    let platform = Platform::start(|seen, _| {
        let next = (seen == 0).then_some("/2010-04-01/Accounts/AC1/Messages.json?Page=1");
        let page = json!({"messages": [{"sid": format!("SM{seen}")}], "next_page_uri": next});
        let date = [("date", "Fri, 02 Jan 2026 03:30:00 GMT")];
        reply_with(200, &date, page.to_string())
    })
    .await;
    let twilio = client(&platform);
    let first = twilio.received(&filter()).await.unwrap();
    assert_eq!(first.served, Some("2026-01-02T03:30:00Z".parse().unwrap()));
    let second = twilio
        .received_next(first.next.as_ref().unwrap())
        .await
        .unwrap();
    assert_eq!(second.messages[0].sid.as_str(), "SM1");
    assert_eq!(second.next, None);
    let targets: Vec<_> = platform
        .seen()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert_eq!(
        targets,
        [
            &format!(
                "{MESSAGES}.json?To=%2B15551230000&DateSent%3E=2026-01-02T03%3A04%3A05Z&PageSize=50"
            ),
            "/2010-04-01/Accounts/AC1/Messages.json?Page=1",
        ]
    );
}

#[tokio::test]
async fn a_message_is_fetched_by_its_sid_and_one_that_is_gone_is_no_error() {
    let platform = Platform::start(|_, request| {
        if request.target.ends_with("/SM1.json") {
            reply(
                200,
                r#"{"sid":"SM1","status":"undelivered","error_code":30003}"#,
            )
        } else {
            reply(404, r#"{"code":20404,"message":"not found"}"#)
        }
    })
    .await;
    let twilio = client(&platform);
    let found = twilio
        .message(&MessageSid::new("SM1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.status, "undelivered");
    assert_eq!(found.error_code, Some(30003));
    let gone = twilio.message(&MessageSid::new("SM2")).await.unwrap();
    assert_eq!(gone, None);
    assert_eq!(
        platform.seen()[0].target,
        format!("{MESSAGES}/SM1.json"),
        "the account is in the path"
    );
}

#[tokio::test]
async fn the_kinds_of_attachments_are_listed_and_deleted_ones_are_none() {
    let platform = Platform::start(|_, request| {
        if request.target.contains("/MM1/") {
            let list = json!([{"sid": "ME1", "content_type": "image/jpeg"}, {"content_type": ""}]);
            reply(200, json!({ "media_list": list }).to_string())
        } else {
            reply(404, "")
        }
    })
    .await;
    let twilio = client(&platform);
    let kinds = twilio.media_types(&MessageSid::new("MM1")).await.unwrap();
    assert_eq!(kinds, [Some("image/jpeg".to_owned()), None]);
    assert!(
        twilio
            .media_types(&MessageSid::new("MM2"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_only_reads_is_transient_when_its_answer_is_lost() {
    let platform = Platform::start(|_, _| reply(500, "")).await;
    let twilio = client(&platform);
    let sid = MessageSid::new("SM1");
    let kinds = [
        twilio.received(&filter()).await.unwrap_err().kind,
        twilio.message(&sid).await.unwrap_err().kind,
        twilio.media_types(&sid).await.unwrap_err().kind,
    ];
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Transient));
}
