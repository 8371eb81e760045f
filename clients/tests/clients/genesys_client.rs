//! The Genesys client over real HTTP: calls, wire profiles, receipts, integrations, limits. Tokens have their own file.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Platform, Seen, http, reply, reply_with};
use axum::response::Response;
use messaging_bridge_clients::genesys::{
    ClientCredentials, Customer, EventKind, GenesysClient, GenesysHosts, GenesysMessageId, IdType,
    InboundEvent, InboundMessage, IntegrationId, RateLimit, ReasonCode, Receipt, ReceiptAnswer,
    ReceiptStatus, WireProfile,
};
use messaging_bridge_clients::{BlockedCause, ErrorKind};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::{Value, json};

const TOKEN: &str = r#"{"access_token":"t0ken","expires_in":86400,"token_type":"bearer"}"#;

/// A platform that grants a token and answers every other call with `answer`.
async fn platform(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Platform {
    Platform::start(move |_, request| match request.target.as_str() {
        "/oauth/token" => reply(200, TOKEN),
        _ => answer(request),
    })
    .await
}

fn client(platform: &Platform, profile: WireProfile) -> GenesysClient {
    let hosts = GenesysHosts {
        api: platform.url.clone(),
        login: platform.url.clone(),
    };
    let credentials = ClientCredentials {
        client_id: "id".to_owned(),
        client_secret: SecretString::from("secret"),
    };
    GenesysClient::new(http(), hosts, profile, vec![credentials])
}

fn integration() -> IntegrationId {
    IntegrationId::new("11111111-2222-3333-4444-555555555555")
}

fn customer() -> Customer {
    Customer {
        id: "+15551230000".to_owned(),
        id_type: IdType::Phone,
        nickname: Some("Ann".to_owned()),
    }
}

fn message() -> InboundMessage {
    InboundMessage {
        message_id: "SM00000000000000000000000000000001".to_owned(),
        time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        customer: customer(),
        our_number: "+15550002222".to_owned(),
        text: "Hello".to_owned(),
        custom_attributes: BTreeMap::new(),
    }
}

fn receipt(status: ReceiptStatus) -> Receipt {
    Receipt {
        message_id: GenesysMessageId::new("d7d58935af65a45e5234ac77de017a0a"),
        customer: customer(),
        time: "2026-01-02T03:06:03Z".parse().unwrap(),
        status,
        reason: Some((ReasonCode::RecipientOptedOut, "Opted out.".to_owned())),
        is_final: true,
    }
}

#[tokio::test]
async fn a_message_goes_to_the_integrations_endpoint_with_the_token() {
    let platform = platform(|_| reply(202, "")).await;
    let genesys = client(&platform, WireProfile::Current);
    genesys
        .send_message(&integration(), &message())
        .await
        .unwrap();

    let seen = platform.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].text(), "grant_type=client_credentials");
    assert_eq!(seen[0].header("authorization"), "Basic aWQ6c2VjcmV0");
    assert_eq!(seen[1].method, "POST");
    assert_eq!(
        seen[1].target,
        "/api/v2/conversations/messages/11111111-2222-3333-4444-555555555555/inbound/open/message"
    );
    assert_eq!(seen[1].header("authorization"), "Bearer t0ken");
    assert_eq!(seen[1].header("content-type"), "application/json");
    assert_eq!(seen[1].header("user-agent"), crate::support::USER_AGENT);
    let body: Value = serde_json::from_slice(&seen[1].body).unwrap();
    assert_eq!(body["channel"]["from"]["id"], "+15551230000");
}

#[tokio::test]
async fn the_guide_profile_uses_the_guides_endpoint() {
    let platform = platform(|_| reply(200, "{}")).await;
    let genesys = client(&platform, WireProfile::Guide);
    genesys
        .send_message(&integration(), &message())
        .await
        .unwrap();
    assert_eq!(
        platform.count("/api/v2/conversations/messages/inbound/open"),
        1
    );
}

#[tokio::test]
async fn the_guide_profile_sends_neither_receipts_nor_events() {
    let platform = platform(|_| reply(200, "{}")).await;
    let genesys = client(&platform, WireProfile::Guide);
    let answer = genesys
        .send_receipt(&integration(), &receipt(ReceiptStatus::Sent))
        .await
        .unwrap();
    assert!(matches!(answer, ReceiptAnswer::Refused { .. }));
    let event = InboundEvent {
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        customer: customer(),
        kind: EventKind::Typing,
    };
    let error = genesys
        .send_event(&integration(), &event)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Permanent);
    assert!(platform.seen().is_empty());
}

#[tokio::test]
async fn an_event_goes_to_an_endpoint_of_its_own() {
    let platform = platform(|_| reply(202, "{}")).await;
    let event = InboundEvent {
        customer: customer(),
        time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        kind: EventKind::Typing,
    };
    let genesys = client(&platform, WireProfile::Current);
    genesys.send_event(&integration(), &event).await.unwrap();
    let target = &platform.seen()[1].target;
    assert!(target.ends_with("/inbound/open/event"), "{target}");
}

#[test]
fn a_reason_is_shown_by_its_name() {
    assert_eq!(ReasonCode::MessageExpired.to_string(), "MessageExpired");
}

#[tokio::test]
async fn only_the_current_profile_takes_receipts() {
    let platform = platform(|_| reply(200, "{}")).await;
    assert!(client(&platform, WireProfile::Current).takes_receipts());
    assert!(!client(&platform, WireProfile::Guide).takes_receipts());
}

#[tokio::test]
async fn a_second_token_that_is_refused_is_not_used_again() {
    let grants = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let platform = Platform::start(move |_, request| {
        if request.target != "/oauth/token" {
            return reply(401, "{}");
        }
        let grant = grants.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        reply(
            200,
            format!(r#"{{"access_token":"t{grant}","expires_in":86400}}"#),
        )
    })
    .await;
    let genesys = client(&platform, WireProfile::Current);
    for calls in [2, 4] {
        let error = genesys.send_message(&integration(), &message()).await;
        let blocked = ErrorKind::Blocked(BlockedCause::Credentials);
        assert_eq!(error.unwrap_err().kind, blocked);
        assert_eq!(platform.count("/oauth/token"), calls);
    }
}

#[tokio::test]
async fn hosts_may_have_a_path_and_an_id_cannot_leave_its_segment() {
    let platform = platform(|_| reply(200, "{}")).await;
    let hosts = GenesysHosts {
        api: platform.url.join("/genesys/").unwrap(),
        login: platform.url.clone(),
    };
    let credentials = ClientCredentials {
        client_id: "id".to_owned(),
        client_secret: SecretString::from("secret"),
    };
    let genesys = GenesysClient::new(http(), hosts, WireProfile::Current, vec![credentials]);
    let hostile = IntegrationId::new("../../x?y#z");
    genesys.send_message(&hostile, &message()).await.unwrap();
    assert_eq!(
        platform.seen()[1].target,
        "/genesys/api/v2/conversations/messages/..%2F..%2Fx%3Fy%23z/inbound/open/message"
    );
}

#[rstest]
#[case::accepted(ReceiptStatus::Sent, json!({"status": "Sent"}), None)]
#[case::failed(
    ReceiptStatus::Sent,
    json!({"status": "Failed", "reasons": [{"code": "UnknownMessage", "message": "no message for +15551230000"}]}),
    Some("UnknownMessage: no message for +1•••••••00")
)]
#[case::failed_without_reasons(ReceiptStatus::Delivered, json!({"status": "Failed"}), Some(""))]
#[case::the_echo_of_a_failed_receipt(
    ReceiptStatus::Failed,
    json!({"status": "Failed", "reasons": [{"code": "RecipientOptedOut", "message": "Opted out."}]}),
    None
)]
#[case::not_json(ReceiptStatus::Sent, Value::Null, None)]
#[tokio::test]
async fn a_receipt_may_be_refused_although_http_succeeds(
    #[case] status: ReceiptStatus,
    #[case] body: Value,
    #[case] refusal: Option<&str>,
) {
    let platform = platform(move |_| reply(200, body.to_string())).await;
    let genesys = client(&platform, WireProfile::Current);
    let answer = genesys
        .send_receipt(&integration(), &receipt(status))
        .await
        .unwrap();
    let expected = refusal.map_or(ReceiptAnswer::Accepted, |reason| ReceiptAnswer::Refused {
        reason: reason.to_owned(),
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn every_page_of_integrations_is_read_and_no_secret_is_kept() {
    let platform = platform(|request| {
        let last = request.target.ends_with("pageNumber=3");
        let page = json!({
            "entities": [{
                "id": format!("id-{}", if last { 3 } else { 1 }), "name": "acme",
                "outboundNotificationWebhookUrl": "https://bridge.example/genesys",
                "outboundNotificationWebhookSignatureSecretToken": "a-secret-of-theirs",
                "status": "active", "createStatus": "Completed"
            }],
            "pageSize": 100, "pageCount": 3
        });
        reply(200, page.to_string())
    })
    .await;
    let genesys = client(&platform, WireProfile::Current);
    let found = genesys.open_integrations().await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[2].id, IntegrationId::new("id-3"));
    assert_eq!(found[0].create_status.as_deref(), Some("Completed"));
    assert!(!format!("{found:?}").contains("a-secret-of-theirs"));
    let path = "/api/v2/conversations/messaging/integrations/open?pageSize=100&pageNumber=";
    assert_eq!(platform.count(path), 3);
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let page = json!({"entities": [{"id": "x", "name": "x"}], "nextUri": "/more"}).to_string();
    let platform = platform(move |_| reply(200, page.clone())).await;
    let error = client(&platform, WireProfile::Guide)
        .open_integrations()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Permanent);
    assert_eq!(platform.count("/api/v2/messaging/integrations/open?"), 50);
}

#[tokio::test]
async fn one_integration_is_read_by_its_id_and_may_be_gone() {
    let platform = platform(|request| {
        if request.target.ends_with("/gone") {
            return reply(404, r#"{"code":"not.found"}"#);
        }
        let integration = json!({"id": "id-1", "name": "acme", "createStatus": "Error",
            "createError": {"message": "no answer from +15551230000", "code": "bad.request"}});
        reply(200, integration.to_string())
    })
    .await;
    let genesys = client(&platform, WireProfile::Current);
    let found = genesys.open_integration(&IntegrationId::new("id-1")).await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.name, "acme");
    let why = found.create_error.as_deref();
    assert_eq!(why, Some("no answer from +1•••••••00"));
    let path = "/api/v2/conversations/messaging/integrations/open/id-1";
    assert_eq!(platform.count(path), 1);
    let gone = genesys.open_integration(&IntegrationId::new("gone")).await;
    assert_eq!(gone, Ok(None));
}

#[tokio::test]
async fn a_missing_right_to_read_integrations_is_told_apart_and_named() {
    let platform = platform(|_| reply(403, r#"{"code":"missing.permissions"}"#)).await;
    let genesys = client(&platform, WireProfile::Current);
    let by_list = genesys.open_integrations().await.unwrap_err();
    let by_id = genesys.open_integration(&IntegrationId::new("id-1")).await;
    for error in [by_list, by_id.unwrap_err()] {
        assert_eq!(error.kind, ErrorKind::Blocked(BlockedCause::Permission));
        assert!(
            error.message.contains("messaging:integration:view"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_budget_is_the_one_last_stated() {
    let platform = platform(|_| {
        let headers = [
            ("inin-ratelimit-allowed", "180"),
            ("inin-ratelimit-count", "12"),
            ("inin-ratelimit-reset", "48"),
        ];
        reply_with(200, &headers, "{}")
    })
    .await;
    let genesys = client(&platform, WireProfile::Current);
    assert_eq!(genesys.rate_limit(), None);
    assert_eq!(genesys.server_time(), None);
    genesys
        .send_message(&integration(), &message())
        .await
        .unwrap();
    let stated = RateLimit {
        allowed: 180,
        count: 12,
        reset: Duration::from_secs(48),
    };
    assert_eq!(genesys.clone().rate_limit(), Some(stated));
    // The server's date is in its answer.
    let told = genesys.server_time().unwrap().told;
    assert!((jiff::Timestamp::now() - told).get_hours() == 0, "{told}");
}

#[tokio::test]
async fn a_refusal_keeps_wait_code_and_correlation_id() {
    let platform = platform(|_| {
        let headers = [("retry-after", "7"), ("inin-correlation-id", "corr-1")];
        reply_with(
            429,
            &headers,
            r#"{"code":"too.many.requests","message":"slow down"}"#,
        )
    })
    .await;
    let error = client(&platform, WireProfile::Current)
        .send_message(&integration(), &message())
        .await
        .unwrap_err();
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(error.kind, ErrorKind::Throttled { retry_after });
    assert_eq!(
        error.to_string(),
        "Genesys send message: HTTP 429, code too.many.requests: slow down (request corr-1)"
    );
}

#[tokio::test]
async fn a_gone_integration_blocks() {
    let platform = platform(|_| reply(404, r#"{"code":"not.found"}"#)).await;
    let error = client(&platform, WireProfile::Current)
        .send_message(&integration(), &message())
        .await
        .unwrap_err();
    let gone = ErrorKind::Blocked(BlockedCause::IntegrationGone);
    assert_eq!(error.kind, gone);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let platform = platform(|_| reply_with(302, &[("location", "/elsewhere")], "")).await;
    let error = client(&platform, WireProfile::Current)
        .send_message(&integration(), &message())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert_eq!(platform.count("/elsewhere"), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut_and_transient() {
    let platform = platform(|_| reply(200, vec![b' '; 1024 * 1024 + 1])).await;
    let error = client(&platform, WireProfile::Current)
        .send_message(&integration(), &message())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("longer than"), "{error}");
}

#[tokio::test]
async fn errors_and_debug_output_hold_no_number_and_no_text() {
    let shown = format!("{:?} {:?}", message(), receipt(ReceiptStatus::Sent));
    for secret in ["5551230", "Hello"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let platform = platform(|_| reply(400, r#"{"message":"bad id +15551230000"}"#)).await;
    let error = client(&platform, WireProfile::Current)
        .send_message(&integration(), &message())
        .await
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("5551230"));
}
