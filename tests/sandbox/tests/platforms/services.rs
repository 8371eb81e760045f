//! Messaging Services: whose webhook a message goes to.

use messaging_bridge_sandbox::{Answer, NumberSettings, ServiceSettings};

use crate::rig::{CUSTOMER, NUMBER, Rig};

const OWN: &str = "/acme/twilio/inbound";
const SERVICES: &str = "/acme/service";

fn service(url: &str) -> ServiceSettings {
    ServiceSettings {
        friendly_name: Some("Support".into()),
        inbound_request_url: Some(url.to_owned()),
        numbers: Some(vec![NUMBER.into()]),
        ..ServiceSettings::default()
    }
}

/// Sends one text, and returns the path that was called and the service in it.
async fn called(rig: &Rig) -> (String, Option<String>) {
    let before = rig.bridge.received().len();
    rig.sandbox.customer_sends(CUSTOMER, "hello").await;
    rig.until("the webhook", |log| log.webhooks.len() > before)
        .await;
    let received = rig.bridge.received();
    let last = received.last().unwrap();
    (
        last.uri.path().to_owned(),
        last.field("MessagingServiceSid"),
    )
}

#[tokio::test]
async fn a_service_takes_its_numbers_messages_until_it_defers_or_lets_the_number_go() {
    let rig = Rig::new().await;
    assert_eq!(called(&rig).await, (OWN.into(), None));
    let sid = rig
        .sandbox
        .create_service(service("https://bridge.example.com/acme/service"))
        .unwrap();
    assert_eq!(called(&rig).await, (SERVICES.into(), Some(sid.clone())));
    let defer = ServiceSettings {
        use_inbound_webhook_on_number: Some(true),
        ..ServiceSettings::default()
    };
    rig.sandbox.change_service(&sid, defer).unwrap();
    assert_eq!(called(&rig).await, (OWN.into(), Some(sid.clone())));
    rig.sandbox.remove_service(&sid).unwrap();
    assert_eq!(called(&rig).await, (OWN.into(), None));
}

#[tokio::test]
async fn a_service_without_an_address_drops_messages_that_nobody_can_list_later() {
    let rig = Rig::new().await;
    rig.sandbox.create_service(service("")).unwrap();
    rig.sandbox.customer_sends(CUSTOMER, "lost").await;
    let list = rig.twilio(http::Method::GET, "/Messages.json");
    let (_, listed) = crate::rig::json(list.send().await.unwrap()).await;
    assert_eq!(listed["messages"].as_array().unwrap().len(), 0);
    assert!(rig.sandbox.log().webhooks.is_empty());
}

#[tokio::test]
async fn a_number_is_in_one_service_only() {
    let rig = Rig::new().await;
    let first = service("https://bridge.example.com/acme/first");
    rig.sandbox.create_service(first).unwrap();
    let second = service("https://bridge.example.com/acme/service");
    let second = rig.sandbox.create_service(second).unwrap();
    assert_eq!(called(&rig).await, (SERVICES.into(), Some(second)));
}

#[tokio::test]
async fn an_application_takes_the_messages_away() {
    let rig = Rig::new().await;
    let settings = NumberSettings {
        sms_application_sid: Some("AP1".into()),
        ..NumberSettings::default()
    };
    rig.sandbox.put_number(NUMBER, &settings).unwrap();
    rig.sandbox.customer_sends(CUSTOMER, "elsewhere").await;
    let back = NumberSettings {
        sms_application_sid: Some(String::new()),
        ..NumberSettings::default()
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    rig.sandbox.put_number(NUMBER, &back).unwrap();
    assert_eq!(called(&rig).await.0, OWN);
    let log = rig.sandbox.log();
    assert_eq!(log.webhooks.len(), 1);
    assert_eq!(log.webhooks[0].answer, Answer::Accepted);
}
