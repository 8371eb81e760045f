//! The Twilio client over real HTTP: what is sent, what a lost answer means, credentials, lists, the number.

use std::time::Duration;

use crate::support::{Platform, held, http, raw, reply, reply_with};
use messaging_bridge_clients::twilio::{
    AccountSid, AccountStatus, FormFields, MessageFilter, NewMessage, TwilioClient,
    TwilioCredentials, api_base, messaging_base,
};
use messaging_bridge_clients::{BlockedCause, ErrorKind};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::json;
use tokio::time;
use url::Url;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const MESSAGES: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json";
const NUMBERS: &str =
    "/2010-04-01/Accounts/AC00000000000000000000000000000001/IncomingPhoneNumbers.json";
const CREATED: &str =
    r#"{"sid":"SM00000000000000000000000000000001","status":"queued","error_code":null}"#;
const BLOCKED: ErrorKind = ErrorKind::Blocked(BlockedCause::Credentials);
/// `AC…1:token`, `SK1:secret` and `SK2:secret` as Basic credentials.
const TOKEN: &str = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTp0b2tlbg==";
const KEY_1: &str = "Basic U0sxOnNlY3JldA==";
const KEY_2: &str = "Basic U0syOnNlY3JldA==";

fn token() -> TwilioCredentials {
    TwilioCredentials::AuthToken(SecretString::from("token"))
}

fn key(sid: &str) -> TwilioCredentials {
    TwilioCredentials::ApiKey {
        sid: sid.to_owned(),
        secret: SecretString::from("secret"),
    }
}

fn client_of(base: &Url, credentials: Vec<TwilioCredentials>) -> TwilioClient {
    TwilioClient::new(http(), base.clone(), AccountSid::new(ACCOUNT), credentials)
}

fn client(platform: &Platform) -> TwilioClient {
    client_of(&platform.url, vec![token()])
}

fn message() -> NewMessage {
    NewMessage {
        to: "+15551230000".to_owned(),
        from: "+15550002222".to_owned(),
        body: "Grüße & more".to_owned(),
        status_callback: "https://bridge.example/acme/twilio/status/42"
            .parse()
            .unwrap(),
        validity: Duration::from_hours(4),
    }
}

#[tokio::test]
async fn a_message_is_posted_as_a_form_with_basic_auth() {
    let platform = Platform::start(|_, _| reply(201, CREATED)).await;
    let sent = client(&platform).send_message(&message()).await.unwrap();
    assert_eq!(sent.sid.as_str(), "SM00000000000000000000000000000001");
    assert_eq!(sent.status, "queued");

    let seen = platform.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("POST", MESSAGES)
    );
    assert_eq!(seen[0].header("authorization"), TOKEN);
    assert_eq!(seen[0].header("user-agent"), crate::support::USER_AGENT);
    let form = FormFields::parse(&seen[0].body);
    let expected = [
        ("To", "+15551230000"),
        ("From", "+15550002222"),
        ("Body", "Grüße & more"),
        (
            "StatusCallback",
            "https://bridge.example/acme/twilio/status/42",
        ),
        ("ValidityPeriod", "14400"),
    ];
    assert_eq!(form, expected.into_iter().collect());
}

#[rstest]
#[case::server_error(500, r#"{"code":20500,"message":"Internal error"}"#)]
#[case::unavailable(503, "<html>unavailable</html>")]
#[case::gateway_timeout(504, "")]
#[case::undecodable_success(201, "<html>")]
#[case::success_without_a_sid(201, "{}")]
#[tokio::test]
async fn a_send_that_may_have_been_done_is_ambiguous_and_never_repeated(
    #[case] status: u16,
    #[case] body: &'static str,
) {
    let platform = Platform::start(move |_, _| reply(status, body)).await;
    let credentials = vec![token(), key("SK1")];
    let error = client_of(&platform.url, credentials)
        .send_message(&message())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert_eq!(error.status, Some(status));
    assert_eq!(platform.seen().len(), 1);
}

#[rstest]
#[case::nothing(b"", ErrorKind::Ambiguous)]
#[case::half_a_status_line(b"HTTP/1.1 20", ErrorKind::Ambiguous)]
#[case::created_but_cut_off(
    b"HTTP/1.1 201 Created\r\nContent-Length: 999\r\n\r\n{\"sid\":",
    ErrorKind::Ambiguous
)]
#[case::refused_but_cut_off(
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 999\r\n\r\n{",
    ErrorKind::Permanent
)]
#[case::not_http(b"SMTP\r\n\r\n", ErrorKind::Ambiguous)]
#[tokio::test]
async fn a_connection_that_breaks_after_the_request_left_is_judged_by_what_came(
    #[case] answer: &'static [u8],
    #[case] expected: ErrorKind,
) {
    let base = raw(answer).await;
    let twilio = client_of(&base, vec![token()]);
    let error = twilio.send_message(&message()).await.unwrap_err();
    assert_eq!(error.kind, expected, "{error}");
    if expected == ErrorKind::Ambiguous {
        let error = twilio
            .list_messages(&MessageFilter::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    }
}

#[tokio::test]
async fn a_send_without_an_answer_in_time_is_ambiguous() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let twilio = client_of(&base, vec![token()]);
    let send = tokio::spawn(async move { twilio.send_message(&message()).await });
    let (connection, _) = listener.accept().await.unwrap();
    connection.readable().await.unwrap();
    // Nothing but the client's own limit is left to wait for: the paused clock runs straight to it.
    let started = time::Instant::now();
    time::pause();
    let error = send.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert!(error.message.contains("timed out"), "{error}");
    assert!(started.elapsed() <= Duration::from_secs(16));
    drop(connection);
}

#[tokio::test]
async fn a_send_that_never_left_is_transient() {
    for nowhere in ["http://127.0.0.1:1", "https://127.0.0.1:1"] {
        let twilio = client_of(&nowhere.parse().unwrap(), vec![token()]);
        let error = twilio.send_message(&message()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert_eq!(error.status, None);
    }
}

#[tokio::test]
async fn a_tls_handshake_that_fails_never_sent_the_message() {
    let base = raw(b"HTTP/1.1 400 plain text spoken here\r\n\r\n").await;
    let base: Url = base.as_str().replace("http:", "https:").parse().unwrap();
    let twilio = client_of(&base, vec![token()]);
    let error = twilio.send_message(&message()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
}

#[tokio::test]
async fn a_refusal_keeps_wait_code_and_request_id() {
    let platform = Platform::start(|_, _| {
        let headers = [("retry-after", "3"), ("twilio-request-id", "RQ1")];
        reply_with(
            429,
            &headers,
            r#"{"code":20429,"message":"Too Many Requests","status":429}"#,
        )
    })
    .await;
    let error = client(&platform)
        .send_message(&message())
        .await
        .unwrap_err();
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(error.kind, ErrorKind::Throttled { retry_after });
    assert_eq!(
        error.to_string(),
        "Twilio send message: HTTP 429, code 20429: Too Many Requests (request RQ1)"
    );
}

#[tokio::test]
async fn a_refusal_that_quotes_the_credentials_is_shown_without_them() {
    let platform = Platform::start(|_, _| {
        reply(
            400,
            r#"{"code":20001,"message":"bad password 0123456789abcdef0123456789abcdef"}"#,
        )
    })
    .await;
    let secret = SecretString::from("0123456789abcdef0123456789abcdef");
    let twilio = client_of(&platform.url, vec![TwilioCredentials::AuthToken(secret)]);
    let error = twilio.send_message(&message()).await.unwrap_err();
    assert_eq!(error.message, "bad password [withheld]");
}

/// A platform that accepts only the credentials of `known`.
async fn knowing(known: &'static [&'static str]) -> Platform {
    Platform::start(move |_, request| {
        if known.contains(&request.header("authorization")) {
            reply(201, CREATED)
        } else {
            reply(401, r#"{"code":20003,"message":"Authenticate"}"#)
        }
    })
    .await
}

#[tokio::test]
async fn refused_credentials_yield_to_the_next_which_are_then_kept() {
    let platform = knowing(&[KEY_2]).await;
    let twilio = client_of(&platform.url, vec![key("SK1"), key("SK2")]);
    twilio.send_message(&message()).await.unwrap();
    twilio.send_message(&message()).await.unwrap();
    let tried: Vec<_> = platform
        .seen()
        .iter()
        .map(|request| request.header("authorization").to_owned())
        .collect();
    assert_eq!(tried, [KEY_1, KEY_2, KEY_2]);
}

#[tokio::test]
async fn only_when_all_are_refused_the_credentials_are_to_blame() {
    let platform = knowing(&[]).await;
    let twilio = client_of(&platform.url, vec![key("SK1"), key("SK2")]);
    let error = twilio.send_message(&message()).await.unwrap_err();
    assert_eq!(error.kind, BLOCKED);
    assert_eq!(error.code.as_deref(), Some("20003"));
    assert_eq!(platform.seen().len(), 2);

    let none = client_of(&platform.url, Vec::new());
    assert_eq!(
        none.send_message(&message()).await.unwrap_err().kind,
        BLOCKED
    );
    assert_eq!(platform.seen().len(), 2);
}

#[tokio::test]
async fn new_credentials_work_at_once_and_from_the_first() {
    let platform = knowing(&[KEY_1, TOKEN]).await;
    let twilio = client_of(&platform.url, vec![key("SK2"), key("SK1")]);
    twilio.send_message(&message()).await.unwrap();
    twilio.set_credentials(AccountSid::new(ACCOUNT), vec![token(), key("SK1")]);
    twilio.send_message(&message()).await.unwrap();
    assert_eq!(platform.seen()[2].header("authorization"), TOKEN);
    assert_eq!(platform.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_during_a_call_does_not_keep_its_place_in_the_list() {
    let (hold, answer) = held();
    let platform = Platform::start(move |seen, request| match request.header("authorization") {
        KEY_1 => reply(401, r#"{"code":20003}"#),
        KEY_2 if seen == 1 => {
            hold();
            reply(201, CREATED)
        }
        _ => reply(201, CREATED),
    })
    .await;
    let twilio = client_of(&platform.url, vec![key("SK1"), key("SK2")]);
    let call = tokio::spawn({
        let twilio = twilio.clone();
        async move { twilio.send_message(&message()).await }
    });
    let go_on = answer.arrived().await;
    twilio.set_credentials(AccountSid::new(ACCOUNT), vec![token(), key("SK1")]);
    go_on.send(()).unwrap();
    call.await.unwrap().unwrap();
    twilio.send_message(&message()).await.unwrap();
    assert_eq!(platform.seen()[2].header("authorization"), TOKEN);
}

#[tokio::test]
async fn the_time_that_twilio_told_last_is_kept() {
    let platform = knowing(&[TOKEN]).await;
    let twilio = client(&platform);
    assert_eq!(twilio.server_time(), None);
    twilio.send_message(&message()).await.unwrap();
    // The server's date is in its answer.
    let told = twilio.server_time().unwrap().told;
    assert!((jiff::Timestamp::now() - told).get_hours() == 0, "{told}");
}

#[tokio::test]
async fn a_list_follows_its_pages_below_our_own_base() {
    let platform = Platform::start(|seen, _| {
        let next = match seen {
            0 => Some("/2010-04-01/Accounts/AC1/Messages.json?Page=1&PageToken=PA1"),
            1 => Some("https://elsewhere.example/2010-04-01/Accounts/AC1/Messages.json?Page=2"),
            _ => None,
        };
        let sid = format!("SM{seen}");
        reply(
            200,
            json!({"messages": [{"sid": sid}], "next_page_uri": next}).to_string(),
        )
    })
    .await;
    let base = platform.url.join("/twilio").unwrap();
    let filter = MessageFilter {
        to: Some("+15551230000".to_owned()),
        from: Some("+15550002222".to_owned()),
        page_size: 20,
        ..MessageFilter::default()
    };
    let list = client_of(&base, vec![token()])
        .list_messages(&filter)
        .await
        .unwrap();
    assert!(list.complete);
    let sids: Vec<_> = list
        .messages
        .iter()
        .map(|found| found.sid.as_str())
        .collect();
    assert_eq!(sids, ["SM0", "SM1", "SM2"]);
    let targets: Vec<_> = platform
        .seen()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert_eq!(
        targets,
        [
            &format!("/twilio{MESSAGES}?To=%2B15551230000&From=%2B15550002222&PageSize=20"),
            "/twilio/2010-04-01/Accounts/AC1/Messages.json?Page=1&PageToken=PA1",
            "/twilio/2010-04-01/Accounts/AC1/Messages.json?Page=2",
        ]
    );
}

#[tokio::test]
async fn a_list_without_end_is_bounded_and_says_so() {
    let page = json!({"messages": [{"sid": "SM1"}], "next_page_uri": "/2010-04-01/next"});
    let platform = Platform::start(move |_, _| reply(200, page.to_string())).await;
    let filter = MessageFilter {
        max_pages: 3,
        ..MessageFilter::default()
    };
    let list = client(&platform).list_messages(&filter).await.unwrap();
    assert!(!list.complete);
    assert_eq!(list.messages.len(), 3);
    assert_eq!(platform.seen().len(), 3);
}

#[tokio::test]
async fn a_list_that_fails_is_transient() {
    let platform = Platform::start(|_, _| reply(500, "")).await;
    let error = client(&platform)
        .list_messages(&MessageFilter::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
}

#[tokio::test]
async fn a_number_is_found_by_exact_match_only() {
    let platform = Platform::start(|_, _| {
        let numbers = json!({"incoming_phone_numbers": [
            {"sid": "PN1", "phone_number": "+155512300001", "sms_url": "https://other.example/"},
            {"sid": "PN2", "phone_number": "+15551230000", "sms_url": "https://bridge.example/acme/twilio/inbound",
             "sms_method": "POST", "sms_fallback_url": "", "sms_application_sid": "",
             "capabilities": {"sms": true, "mms": true, "voice": false, "fax": false}}
        ]});
        reply(200, numbers.to_string())
    })
    .await;
    let twilio = client(&platform);
    let found = twilio.phone_number("+15551230000").await.unwrap().unwrap();
    assert_eq!(found.sid, "PN2");
    assert_eq!(found.sms_application_sid, None);
    assert!(found.capabilities.sms);
    assert!(!format!("{found:?}").contains("5551230"));
    assert_eq!(twilio.phone_number("+1555123000").await.unwrap(), None);
    assert_eq!(
        platform.seen()[0].target,
        format!("{NUMBERS}?PhoneNumber=%2B15551230000&PageSize=100")
    );
}

#[rstest]
#[case::active(200, r#"{"status":"active"}"#, 200, Ok(AccountStatus::Active))]
#[case::suspended(200, r#"{"status":"suspended"}"#, 200, Ok(AccountStatus::Suspended))]
#[case::closed(200, r#"{"status":"closed"}"#, 200, Ok(AccountStatus::Closed))]
#[case::new_word(200, r#"{"status":"asleep"}"#, 200, Ok(AccountStatus::Other("asleep".to_owned())))]
#[case::key_may_not_read(401, r#"{"code":20003}"#, 200, Ok(AccountStatus::Unreadable))]
#[case::key_forbidden(403, "", 200, Ok(AccountStatus::Unreadable))]
#[case::wrong_credentials(401, r#"{"code":20003}"#, 401, Err(BLOCKED))]
#[case::down(503, "", 200, Err(ErrorKind::Transient))]
#[tokio::test]
async fn the_account_is_read_or_the_key_proved_otherwise(
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] messages_status: u16,
    #[case] expected: Result<AccountStatus, ErrorKind>,
) {
    let platform = Platform::start(move |_, request| {
        if request.target.starts_with(MESSAGES) {
            reply(messages_status, r#"{"messages":[],"code":20003}"#)
        } else {
            reply(status, body)
        }
    })
    .await;
    let found = client(&platform).account().await;
    assert_eq!(found.map_err(|error| error.kind), expected);
    let account = format!("/2010-04-01/Accounts/{ACCOUNT}.json");
    let seen = platform.seen();
    assert_eq!(seen[0].target, account);
    if let Some(proof) = seen.get(1) {
        assert_eq!(proof.target, format!("{MESSAGES}?PageSize=1"));
    }
}

#[rstest]
#[case(None, None, "https://api.twilio.com/")]
#[case(Some("ie1"), None, "https://api.ie1.twilio.com/")]
#[case(Some("ie1"), Some("dublin"), "https://api.dublin.ie1.twilio.com/")]
#[case(None, Some("ashburn"), "https://api.ashburn.us1.twilio.com/")]
fn the_host_names_edge_and_region(
    #[case] region: Option<&str>,
    #[case] edge: Option<&str>,
    #[case] expected: &str,
) {
    assert_eq!(api_base(region, edge).as_str(), expected);
}

#[rstest]
#[case("https://api.twilio.com/", "https://messaging.twilio.com/")]
#[case(
    "https://api.dublin.ie1.twilio.com/",
    "https://messaging.dublin.ie1.twilio.com/"
)]
#[case::a_replacement("http://127.0.0.1:4010/", "http://127.0.0.1:4010/")]
#[case::another_domain("https://api.example.com/x", "https://api.example.com/x")]
#[case::a_lookalike("https://api.eviltwilio.com/", "https://api.eviltwilio.com/")]
fn messaging_services_are_on_a_host_of_their_own(#[case] api: Url, #[case] expected: &str) {
    assert_eq!(messaging_base(&api).as_str(), expected);
}
