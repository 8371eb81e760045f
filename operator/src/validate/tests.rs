#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use messaging_bridge_clients::genesys::{IntegrationId, IntegrationLookupError, OpenIntegration};
use messaging_bridge_clients::twilio::{
    Capabilities, IncomingPhoneNumber, MessagingService, MessagingServiceSid, ServiceView,
};
use messaging_bridge_crds::{ConditionStatus, MessagingBridgeStatus, check_manifest};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::build::fixture;
use crate::dereference::{LiveChildren, SecretSeen, SecretsSeen, WorkloadSeen};
use crate::platforms::{NumberFacts, PlatformFacts, Remembered};
use crate::relay_status::RelaySeen;

const WEBHOOK: &str = "https://bridge.example.com/acme/genesys/outbound";
const INBOUND: &str = "https://bridge.example.com/acme/twilio/inbound#rc=3&rp=ct,rt,5xx&rt=4000";

fn bridge(change: impl FnOnce(&mut MessagingBridge)) -> MessagingBridge {
    let manifest = include_str!("../../../crds/examples/minimal.yaml");
    let mut bridge = check_manifest(manifest).unwrap();
    change(&mut bridge);
    bridge
}

fn secret(name: &str, keys: &[(&str, &str)]) -> SecretSeen {
    let keys: BTreeMap<String, Vec<u8>> = keys
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
        .collect();
    SecretSeen::Keys {
        name: name.to_owned(),
        keys: Arc::new(keys),
    }
}

fn secrets() -> SecretsSeen {
    SecretsSeen {
        genesys: secret(
            "genesys",
            &[
                ("clientId", "id"),
                ("clientSecret", "hush-hush"),
                ("webhookSecret", "0123456789abcdef"),
            ],
        ),
        twilio: secret(
            "twilio",
            &[
                ("accountSid", "AC0123456789abcdef0123456789abcdef"),
                ("authToken", "hush-hush"),
            ],
        ),
        operator: None,
    }
}

fn integration() -> OpenIntegration {
    OpenIntegration {
        id: IntegrationId::new("id-1"),
        name: "acme-sms".to_owned(),
        webhook_url: Some(WEBHOOK.to_owned()),
        status: Some("active".to_owned()),
        create_status: Some("Completed".to_owned()),
        create_error: None,
    }
}

fn number() -> NumberFacts {
    NumberFacts {
        number: Some(IncomingPhoneNumber {
            sid: "PN1".to_owned(),
            phone_number: "+15551230000".to_owned(),
            sms_url: Some(INBOUND.to_owned()),
            sms_method: Some("POST".to_owned()),
            sms_fallback_url: Some(INBOUND.to_owned()),
            sms_application_sid: None,
            capabilities: Capabilities {
                sms: true,
                ..Capabilities::default()
            },
        }),
        service: ServiceView::InNone,
        service_unread: None,
    }
}

fn facts() -> PlatformFacts {
    PlatformFacts {
        token: Answer::Said(()).into(),
        integration: Answer::Said(Ok(integration())).into(),
        number: Answer::Said(number()).into(),
        checked: None,
        deferred: false,
    }
}

fn observed(secrets: &SecretsSeen, platform: PlatformFacts) -> Observed {
    Observed {
        secrets: ParsedSecrets::of(secrets, "tenant-acme", "tenant-acme/acme"),
        platform,
        children: LiveChildren::default(),
        workload: WorkloadSeen::default(),
        relay: RelaySeen::NotAsked,
        remembered: None,
        paused: false,
        reconcile_at: None,
        now: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

fn decide(bridge: &MessagingBridge, observed: &Observed) -> Validation {
    let frame = Frame::new(fixture::settings(), "messaging-bridge".to_owned());
    validate(bridge, observed, &frame)
}

fn judged(facts: PlatformFacts) -> Validation {
    decide(&bridge(|_| {}), &observed(&secrets(), facts))
}

fn words() -> String {
    "the platform's words".to_owned()
}

fn not_found() -> IntegrationLookupError {
    IntegrationLookupError::NotFound {
        name: "acme-sms".to_owned(),
        nearest: vec!["Acme-SMS".to_owned()],
    }
}

#[test]
fn a_bridge_of_which_all_is_right_is_built_with_the_integrations_id() {
    let validation = judged(facts());
    let verdicts = [
        (&validation.accepted, Reason::Accepted),
        (&validation.credentials, Reason::Valid),
        (&validation.integration, Reason::Resolved),
        (&validation.webhooks, Reason::Configured),
    ];
    for (verdict, reason) in verdicts {
        assert_eq!(verdict.reason, reason, "{}", verdict.message);
    }
    let config = validation.build.unwrap().config;
    assert_eq!(config.genesys.integration_id.as_deref(), Some("id-1"));
}

#[rstest]
#[case::nobody_asked_yet(PlatformFacts::default(), Reason::Pending, "waits for")]
#[case::genesys_refuses(PlatformFacts { token: Answer::Refused(words()).into(), ..facts() }, Reason::GenesysRefused, "Secret \"genesys\"")]
#[case::genesys_refuses_the_lookup(
    PlatformFacts { integration: Answer::Refused(words()).into(), ..facts() }, Reason::GenesysRefused, "Secret \"genesys\"")]
#[case::twilio_refuses(PlatformFacts { number: Answer::Refused(words()).into(), ..facts() }, Reason::TwilioRefused, "Secret \"twilio\"")]
#[case::suspended(PlatformFacts { number: Answer::Suspended(words()).into(), ..facts() }, Reason::AccountSuspended, "Twilio console")]
#[case::a_right_is_missing(PlatformFacts { integration: Answer::Forbidden(words()).into(), ..facts() }, Reason::Valid, "accept")]
#[case::genesys_is_down(PlatformFacts { token: Answer::None(words()).into(), ..facts() }, Reason::PlatformUnreachable, "at login.mypurecloud.com does not answer: the platform")]
#[case::a_refusal_before_silence(
    PlatformFacts { token: Answer::None(words()).into(), number: Answer::Refused(words()).into(), ..facts() },
    Reason::TwilioRefused, "Twilio")]
fn credentials_are_judged(
    #[case] facts: PlatformFacts,
    #[case] reason: Reason,
    #[case] says: &str,
) {
    let verdict = judged(facts).credentials;
    assert_eq!(verdict.reason, reason, "{}", verdict.message);
    assert!(verdict.message.contains(says), "{}", verdict.message);
    assert!(!verdict.message.contains("hush"), "{}", verdict.message);
}

#[rstest]
#[case::none(Answer::Said(Err(not_found())), Reason::NotFound, "\"Acme-SMS\"")]
#[case::several(
    Answer::Said(Err(IntegrationLookupError::Ambiguous { name: "acme-sms".into(), ids: vec![IntegrationId::new("a")] })),
    Reason::Ambiguous, "rename all but one")]
#[case::an_id_with_many_digits_is_shown_whole(
    Answer::Said(Err(IntegrationLookupError::Ambiguous {
        name: "acme-sms".into(), ids: vec![IntegrationId::new("718c7b9b-b781-4652-bc36-04d61555123a")],
    })),
    Reason::Ambiguous, "718c7b9b-b781-4652-bc36-04d61555123a")]
#[case::a_number_in_a_name_is_not(
    Answer::Said(Err(IntegrationLookupError::NotFound { name: "n".into(), nearest: vec!["+15551230000".into()] })),
    Reason::NotFound, "\"+1•••••••00\"")]
#[case::a_right_is_missing(
    Answer::Forbidden(words()),
    Reason::PermissionMissing,
    "messaging:integration:view"
)]
#[case::down(
    Answer::None(words()),
    Reason::PlatformUnreachable,
    "at api.mypurecloud.com does not answer: the platform"
)]
#[case::refused(Answer::Refused(words()), Reason::Pending, "credentials")]
fn the_integration_is_judged(
    #[case] answer: Answer<Result<OpenIntegration, IntegrationLookupError>>,
    #[case] reason: Reason,
    #[case] says: &str,
) {
    let validation = judged(PlatformFacts {
        integration: answer.into(),
        ..facts()
    });
    let verdict = validation.integration;
    assert_eq!(verdict.reason, reason, "{}", verdict.message);
    assert!(verdict.message.contains(says), "{}", verdict.message);
    // It was never resolved: there is nothing to be built.
    assert!(validation.build.is_none());
}

fn service() -> MessagingService {
    MessagingService {
        sid: MessagingServiceSid::new("MG1"),
        friendly_name: "texts".to_owned(),
        inbound_request_url: None,
        inbound_method: None,
        fallback_url: Some(INBOUND.to_owned()),
        use_inbound_webhook_on_number: false,
    }
}

fn with_number(change: impl FnOnce(&mut IncomingPhoneNumber)) -> NumberFacts {
    let mut facts = number();
    change(facts.number.as_mut().unwrap());
    facts
}

#[rstest]
#[case::elsewhere(with_number(|number| number.sms_url = Some("https://old.example/".into())), Reason::TwilioWebhookDiffers, INBOUND)]
#[case::nowhere(with_number(|number| number.sms_url = None), Reason::TwilioWebhookDiffers, INBOUND)]
#[case::by_get(with_number(|number| number.sms_method = Some("GET".into())), Reason::TwilioMethodDiffers, "POST")]
#[case::application(with_number(|number| number.sms_application_sid = Some("AP1".into())), Reason::TwilioApplicationOverrides, "AP1")]
#[case::no_texts(with_number(|number| number.capabilities.sms = false), Reason::NumberWithoutSms, "SMS")]
#[case::not_ours(NumberFacts { number: None, ..number() }, Reason::NumberNotFound, "spec.twilio.number")]
#[case::service(NumberFacts { service: ServiceView::In(service()), ..number() }, Reason::MessagingServiceOverrides, INBOUND)]
#[case::no_such_service(
    NumberFacts { service: ServiceView::Missing(MessagingServiceSid::new("MG1")), ..number() },
    Reason::MessagingServiceNotFound, "spec.twilio.messagingServiceSid")]
#[case::not_in_the_service(NumberFacts { service: ServiceView::NotInPool(service()), ..number() }, Reason::NumberNotInService, "sender pool")]
#[case::a_right_is_missing(
    NumberFacts { service_unread: Some(words()), service: ServiceView::NotRead, ..number() },
    Reason::PermissionMissing, "Messaging Services")]
fn the_number_is_judged(#[case] number: NumberFacts, #[case] reason: Reason, #[case] says: &str) {
    let verdict = judged(PlatformFacts {
        number: Answer::Said(number).into(),
        ..facts()
    })
    .webhooks;
    assert_eq!(verdict.reason, reason, "{}", verdict.message);
    assert!(verdict.message.contains(says), "{}", verdict.message);
    assert!(!verdict.message.contains("5551230"), "{}", verdict.message);
}

#[test]
fn in_a_named_service_that_may_not_be_read_the_numbers_own_address_says_nothing() {
    let mut unread = with_number(|number| number.sms_url = None);
    unread.service = ServiceView::NotRead;
    unread.service_unread = Some(words());
    let seen = observed(
        &secrets(),
        PlatformFacts {
            number: Answer::Said(unread).into(),
            ..facts()
        },
    );
    let named = bridge(|bridge| {
        bridge.spec.twilio.messaging_service_sid =
            Some("MG0123456789abcdef0123456789abcdef".to_owned());
    });
    assert_eq!(
        decide(&named, &seen).webhooks.reason,
        Reason::PermissionMissing
    );
    assert_eq!(
        decide(&bridge(|_| {}), &seen).webhooks.reason,
        Reason::TwilioWebhookDiffers
    );
}

#[rstest]
#[case::elsewhere(OpenIntegration { webhook_url: Some("https://old.example/".into()), ..integration() }, Reason::GenesysWebhookDiffers, WEBHOOK)]
#[case::nowhere(OpenIntegration { webhook_url: None, ..integration() }, Reason::GenesysWebhookDiffers, WEBHOOK)]
#[case::off(OpenIntegration { status: Some("inactive".into()), ..integration() }, Reason::IntegrationInactive, "activate")]
#[case::failed(OpenIntegration { create_status: Some("Error".into()), ..integration() }, Reason::IntegrationInactive, "create it again")]
#[case::being_created(OpenIntegration { create_status: Some("Initiated".into()), ..integration() }, Reason::Pending, "wait")]
fn the_integrations_webhook_is_judged(
    #[case] found: OpenIntegration,
    #[case] reason: Reason,
    #[case] says: &str,
) {
    let verdict = judged(PlatformFacts {
        integration: Answer::Said(Ok(found)).into(),
        ..facts()
    })
    .webhooks;
    assert_eq!(verdict.reason, reason, "{}", verdict.message);
    assert!(verdict.message.contains(says), "{}", verdict.message);
}

#[test]
fn both_sides_are_told_at_once() {
    let verdict = judged(PlatformFacts {
        integration: Answer::Said(Ok(OpenIntegration {
            webhook_url: None,
            ..integration()
        }))
        .into(),
        number: Answer::Said(with_number(|number| number.sms_url = None)).into(),
        ..facts()
    })
    .webhooks;
    assert_eq!(verdict.reason, Reason::TwilioWebhookDiffers);
    assert!(
        verdict.message.contains(INBOUND) && verdict.message.contains(WEBHOOK),
        "{}",
        verdict.message
    );
}

#[test]
fn without_the_secrets_each_condition_says_what_it_waits_for() {
    let mut seen = secrets();
    seen.twilio = SecretSeen::Missing {
        name: "twilio".to_owned(),
    };
    seen.genesys = SecretSeen::Missing {
        name: "genesys".to_owned(),
    };
    let validation = decide(&bridge(|_| {}), &observed(&seen, PlatformFacts::default()));
    assert_eq!(validation.credentials.reason, Reason::SecretMissing);
    for verdict in [validation.integration, validation.webhooks] {
        assert_eq!(verdict.reason, Reason::Pending);
        assert!(verdict.message.contains("Secret"), "{}", verdict.message);
    }
}

fn known() -> ResolvedIntegration {
    ResolvedIntegration {
        id: "id-0".to_owned(),
        name: "acme-sms".to_owned(),
        api_host: "api.mypurecloud.com".to_owned(),
    }
}

#[rstest]
#[case::genesys_is_down(Answer::None(words()).into())]
#[case::credentials_are_refused(Answer::Refused(words()).into())]
#[case::the_integration_is_gone(Answer::Said(Err(not_found())).into())]
#[case::the_secret_is_gone(Remembered::default())]
fn a_relay_that_was_once_resolved_is_built_whatever_fails_later(
    #[case] answer: Remembered<Result<OpenIntegration, IntegrationLookupError>>,
) {
    let mut seen = observed(
        &secrets(),
        PlatformFacts {
            integration: answer,
            ..facts()
        },
    );
    seen.remembered = Some(known());
    let validation = decide(&bridge(|_| {}), &seen);
    assert_eq!(validation.resolved, Some(known()));
    let config = validation.build.unwrap().config;
    assert_eq!(config.genesys.integration_id.as_deref(), Some("id-0"));
    assert_ne!(validation.integration.status(), ConditionStatus::True);
}

#[rstest]
#[case::as_it_was(&json!({}), true)]
#[case::another_name(&json!({"integrationName": "other"}), false)]
#[case::another_region(&json!({"region": "eu-west-1"}), false)]
#[case::the_same_region_by_another_word(&json!({"region": "mypurecloud.com"}), true)]
fn an_id_is_remembered_for_the_same_organisation_and_name_alone(
    #[case] genesys: &serde_json::Value,
    #[case] expected: bool,
) {
    let bridge = bridge(|bridge| {
        if let Some(name) = genesys["integrationName"].as_str() {
            bridge.spec.genesys.integration_name = name.to_owned();
        }
        if let Some(region) = genesys["region"].as_str() {
            bridge.spec.genesys.region = region.to_owned();
        }
        bridge.status = Some(MessagingBridgeStatus {
            integration: Some(known()),
            ..MessagingBridgeStatus::default()
        });
    });
    let target = target(&bridge, &fixture::settings().platforms).unwrap();
    assert_eq!(remembered(&bridge, &target).is_some(), expected);
}

#[rstest]
#[case::region(|bridge: &mut MessagingBridge| bridge.spec.genesys.region = "evil.example".into(), "spec.genesys.region")]
#[case::public_url(|bridge: &mut MessagingBridge| bridge.spec.public_url = "http://bridge.example.com".into(), "spec.publicUrl")]
#[case::number(|bridge: &mut MessagingBridge| bridge.spec.twilio.number = "555".into(), "spec.twilio.number")]
#[case::edge(|bridge: &mut MessagingBridge| bridge.spec.twilio.edge = Some("evil.example/".into()), "spec.twilio.edge")]
fn what_an_older_schema_let_pass_is_refused_and_not_built(
    #[case] change: fn(&mut MessagingBridge),
    #[case] field: &str,
) {
    let mut seen = observed(&secrets(), facts());
    seen.remembered = Some(known());
    let validation = decide(&bridge(change), &seen);
    assert_eq!(validation.accepted.reason, Reason::Invalid);
    assert!(
        validation.accepted.message.contains(field),
        "{}",
        validation.accepted.message
    );
    assert!(validation.build.is_none());
}

#[test]
fn a_paused_bridge_is_accepted_and_says_so() {
    let mut seen = observed(&secrets(), facts());
    seen.paused = true;
    assert_eq!(
        decide(&bridge(|_| {}), &seen).accepted.reason,
        Reason::Paused
    );
}

#[rstest]
#[case::the_charts(None, "1Gi", None)]
#[case::its_own(Some(("2Gi", "fast")), "2Gi", Some("fast"))]
fn the_volume_is_the_bridges_or_the_charts(
    #[case] own: Option<(&str, &str)>,
    #[case] size: &str,
    #[case] class: Option<&str>,
) {
    let bridge = bridge(|bridge| {
        bridge.spec.queue = own.map(|(size, class)| {
            serde_json::from_value(json!({"embedded": {"size": size, "storageClassName": class}}))
                .unwrap()
        });
    });
    let build = decide(&bridge, &observed(&secrets(), facts()))
        .build
        .unwrap();
    let QueueKind::Embedded(volume) = build.queue;
    assert_eq!(volume.size, size);
    assert_eq!(volume.storage_class.as_deref(), class);
}
