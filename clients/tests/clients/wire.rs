//! Golden JSON of every body that we send, in both wire profiles, and of what we read from the outbound webhook.

use std::collections::BTreeMap;

use messaging_bridge_clients::genesys::wire::{current, guide};
use messaging_bridge_clients::genesys::{
    Customer, EventKind, GenesysMessageId, IdType, InboundEvent, InboundMessage, IntegrationId,
    ReasonCode, Receipt, ReceiptStatus,
};

fn integration() -> IntegrationId {
    IntegrationId::new("11111111-2222-3333-4444-555555555555")
}

fn customer() -> Customer {
    Customer {
        id: "+15550001111".to_owned(),
        id_type: IdType::Phone,
        nickname: Some("+1 555-000-1111".to_owned()),
    }
}

fn message() -> InboundMessage {
    let attributes = [("twilioChannel", "sms"), ("twilioTo", "+15550002222")];
    InboundMessage {
        message_id: "SM00000000000000000000000000000001".to_owned(),
        time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        customer: customer(),
        our_number: "+15550002222".to_owned(),
        text: "Hello".to_owned(),
        custom_attributes: BTreeMap::from(
            attributes.map(|(key, value)| (key.to_owned(), value.to_owned())),
        ),
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

#[test]
fn current_message() {
    insta::assert_json_snapshot!(current::message(&message()));
    assert_eq!(
        current::inbound_path(&integration(), "message").join("/"),
        "api/v2/conversations/messages/11111111-2222-3333-4444-555555555555/inbound/open/message"
    );
}

#[test]
fn current_message_of_an_opaque_customer_without_name_and_attributes() {
    let mut message = message();
    message.customer = Customer {
        id: "12345".to_owned(),
        id_type: IdType::Opaque,
        nickname: None,
    };
    message.custom_attributes.clear();
    // Whole seconds are written with milliseconds too.
    message.time = "2026-01-02T03:04:05Z".parse().unwrap();
    insta::assert_json_snapshot!(current::message(&message));
}

#[test]
fn current_event() {
    let event = InboundEvent {
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        customer: customer(),
        kind: EventKind::Typing,
    };
    insta::assert_json_snapshot!(current::event(&event));
}

#[test]
fn current_receipt_failed() {
    insta::assert_json_snapshot!(current::receipt(&receipt(ReceiptStatus::Failed)));
}

#[test]
fn current_receipt_delivered_carries_no_reason() {
    insta::assert_json_snapshot!(current::receipt(&receipt(ReceiptStatus::Delivered)));
}

#[test]
fn guide_message() {
    insta::assert_json_snapshot!(guide::message(&integration(), &message()));
    assert_eq!(
        guide::inbound_path().join("/"),
        "api/v2/conversations/messages/inbound/open"
    );
}

#[test]
fn integrations_are_listed_where_each_profile_has_them() {
    assert_eq!(
        current::INTEGRATIONS.join("/"),
        "api/v2/conversations/messaging/integrations/open"
    );
    assert_eq!(
        guide::INTEGRATIONS.join("/"),
        "api/v2/messaging/integrations/open"
    );
}

#[test]
fn every_reason_code_of_the_sdk_is_known_by_its_own_name() {
    let names: Vec<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        names,
        [
            "MessageExpired",
            "RateLimited",
            "MessageNotAllowed",
            "GeneralError",
            "UnsupportedMessage",
            "UnknownMessage",
            "InvalidMessageStructure",
            "InvalidDestination",
            "ServerError",
            "MediaTypeNotAllowed",
            "InvalidMediaContentLength",
            "RecipientOptedOut",
            "DataFiltered",
        ]
    );
}
