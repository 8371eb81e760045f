//! Messaging Services over real HTTP: one, all, pools, and the service of a number.

use crate::support::{Platform, Seen, http, reply};
use axum::response::Response;
use messaging_bridge_clients::twilio::{
    AccountSid, MessagingService, MessagingServiceSid, ServiceView, TwilioClient, TwilioCredentials,
};
use messaging_bridge_clients::{BlockedCause, ErrorKind};
use secrecy::SecretString;
use serde_json::json;

const SERVICES: &str = "/v1/Services";

fn client(platform: &Platform) -> TwilioClient {
    let token = TwilioCredentials::AuthToken(SecretString::from("token"));
    let account = AccountSid::new("AC1");
    TwilioClient::new(http(), platform.url.clone(), account, vec![token])
}

fn sid(number: u32) -> MessagingServiceSid {
    MessagingServiceSid::new(format!("MG{number}"))
}

fn service(number: u32) -> MessagingService {
    MessagingService {
        sid: sid(number),
        friendly_name: format!("service {number}"),
        inbound_request_url: None,
        inbound_method: Some("POST".to_owned()),
        fallback_url: None,
        use_inbound_webhook_on_number: false,
    }
}

/// An account with the services MG1 to MG3, two a page; the number PN1 is in the pool of MG3.
fn account(request: &Seen) -> Response {
    let resource = |number: u32| {
        json!({"sid": sid(number), "friendly_name": format!("service {number}"), "inbound_request_url": "",
            "inbound_method": "POST", "fallback_url": null, "use_inbound_webhook_on_number": null})
    };
    let page = |numbers: &[u32], next: Option<&str>| {
        let services: Vec<_> = numbers.iter().map(|&number| resource(number)).collect();
        json!({"services": services, "meta": {"key": "services", "next_page_url": next}})
            .to_string()
    };
    match request.target.as_str() {
        "/v1/Services?PageSize=100" => {
            let next = "https://messaging.twilio.com/v1/Services?PageSize=100&Page=1&PageToken=PT1";
            reply(200, page(&[1, 2], Some(next)))
        }
        "/v1/Services?PageSize=100&Page=1&PageToken=PT1" => reply(200, page(&[3], None)),
        "/v1/Services/MG3" => reply(200, resource(3).to_string()),
        "/v1/Services/MG3/PhoneNumbers/PN1" => reply(200, r#"{"sid":"PN1"}"#),
        _ => reply(404, r#"{"code":20404,"message":"not found","status":404}"#),
    }
}

#[tokio::test]
async fn all_pages_of_services_are_read_below_our_own_host() {
    let platform = Platform::start(|_, request| account(request)).await;
    let services = client(&platform).messaging_services().await.unwrap();
    assert_eq!(services, [service(1), service(2), service(3)]);
    assert_eq!(platform.count(SERVICES), 2);
    assert!(
        platform.seen()[1]
            .header("authorization")
            .starts_with("Basic ")
    );
}

#[tokio::test]
async fn one_service_and_its_pool_are_read_and_may_be_missing() {
    let platform = Platform::start(|_, request| account(request)).await;
    let twilio = client(&platform);
    assert_eq!(
        twilio.messaging_service(&sid(3)).await,
        Ok(Some(service(3)))
    );
    assert_eq!(twilio.messaging_service(&sid(9)).await, Ok(None));
    let has = async |number: &str| twilio.messaging_service_has_number(&sid(3), number).await;
    assert_eq!(has("PN1").await, Ok(true));
    assert_eq!(has("PN2").await, Ok(false));
}

#[tokio::test]
async fn the_service_of_a_number_is_found_in_the_pools_or_checked_by_name() {
    let platform = Platform::start(|_, request| account(request)).await;
    let twilio = client(&platform);
    let view = async |number: &str, named: Option<u32>| {
        let named = named.map(sid);
        twilio.service_view(number, named.as_ref()).await.unwrap()
    };
    assert_eq!(view("PN1", None).await, ServiceView::In(service(3)));
    assert_eq!(platform.count(SERVICES), 5, "two pages and three pools");
    assert_eq!(view("PN2", None).await, ServiceView::InNone);
    assert_eq!(view("PN1", Some(3)).await, ServiceView::In(service(3)));
    assert_eq!(
        view("PN2", Some(3)).await,
        ServiceView::NotInPool(service(3))
    );
    assert_eq!(view("PN1", Some(9)).await, ServiceView::Missing(sid(9)));
}

#[tokio::test]
async fn a_failure_is_no_missing_service() {
    let platform = Platform::start(|_, request| match request.target.as_str() {
        "/v1/Services/MG1" => reply(503, ""),
        _ => reply(401, r#"{"code":20003}"#),
    })
    .await;
    let twilio = client(&platform);
    let down = twilio.messaging_service(&sid(1)).await.unwrap_err();
    assert_eq!(down.kind, ErrorKind::Transient);
    let refused = twilio.service_view("PN1", None).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Blocked(BlockedCause::Credentials));
    assert_eq!(refused.operation, "list Messaging Services");
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let page =
        json!({"services": [], "meta": {"next_page_url": "/v1/Services?Page=1"}}).to_string();
    let platform = Platform::start(move |_, _| reply(200, page.clone())).await;
    let error = client(&platform).messaging_services().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Permanent);
    assert_eq!(platform.seen().len(), 50);
}
