//! What can be wrong with the webhooks on either platform: each case by itself, with the value to set, and right again
//! afterwards.

use libtest_mimic::Trial;
use messaging_bridge_crds::{ConditionType, Reason};
use messaging_bridge_sandbox::{IntegrationSettings, NumberSettings, ServiceSettings};
use serde_json::json;

use crate::scene::Scene;
use crate::{Company, trial};

/// An id that the account does not have.
const NO_SERVICE: &str = "MG00000000000000000000000000000000";
/// The application of a number.
const APPLICATION: &str = "AP00000000000000000000000000000001";

/// One thing that is wrong on a platform.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    wrong: Change,
    reason: Reason,
    /// What the message says; `{url}` is the tenant's public URL.
    says: &'static [&'static str],
    right: Change,
}

/// A change on a platform.
#[derive(Clone, Copy)]
enum Change {
    Number(fn(&mut NumberSettings)),
    Integration(fn(&mut IntegrationSettings)),
    /// The Messaging Service with the number in its pool.
    Service(fn(&mut ServiceSettings)),
}

const CASES: &[Case] = &[
    Case {
        name: "the_number_has_no_webhook",
        wrong: Change::Number(|number| number.sms_url = Some(String::new())),
        reason: Reason::TwilioWebhookDiffers,
        says: &["has no webhook", "(SmsUrl) to {url}/twilio/inbound"],
        right: Change::Number(|_| {}),
    },
    Case {
        name: "the_numbers_webhook_leads_elsewhere",
        wrong: Change::Number(|number| {
            number.sms_url = Some("https://elsewhere.example.com/sms".into());
        }),
        reason: Reason::TwilioWebhookDiffers,
        says: &["elsewhere.example.com", "(SmsUrl) to {url}/twilio/inbound"],
        right: Change::Number(|_| {}),
    },
    Case {
        name: "the_number_is_called_by_get",
        wrong: Change::Number(|number| number.sms_method = Some("GET".into())),
        reason: Reason::TwilioMethodDiffers,
        says: &["HTTP GET", "SmsMethod=POST"],
        right: Change::Number(|number| number.sms_method = Some("POST".into())),
    },
    Case {
        name: "an_application_overrides_the_number",
        wrong: Change::Number(|number| number.sms_application_sid = Some(APPLICATION.into())),
        reason: Reason::TwilioApplicationOverrides,
        says: &[
            APPLICATION,
            "remove it (SmsApplicationSid)",
            "{url}/twilio/inbound",
        ],
        right: Change::Number(|number| number.sms_application_sid = Some(String::new())),
    },
    Case {
        name: "the_number_takes_no_sms",
        wrong: Change::Number(|number| number.sms = Some(false)),
        reason: Reason::NumberWithoutSms,
        says: &["cannot send or receive SMS", "set spec.twilio.number"],
        right: Change::Number(|number| number.sms = Some(true)),
    },
    Case {
        name: "a_messaging_service_overrides_the_number",
        wrong: Change::Service(|service| {
            service.inbound_request_url = Some("https://elsewhere.example.com/service".into());
        }),
        reason: Reason::MessagingServiceOverrides,
        says: &[
            "elsewhere.example.com",
            "Defer to sender's webhook",
            "(InboundRequestUrl) to {url}/twilio/inbound",
        ],
        right: Change::Service(|service| service.use_inbound_webhook_on_number = Some(true)),
    },
    Case {
        name: "the_integration_has_no_webhook",
        wrong: Change::Integration(|integration| integration.webhook_url = Some(String::new())),
        reason: Reason::GenesysWebhookDiffers,
        says: &["has no webhook", "{url}/genesys/outbound"],
        right: Change::Integration(|_| {}),
    },
    Case {
        name: "the_integrations_webhook_leads_elsewhere",
        wrong: Change::Integration(|integration| {
            integration.webhook_url = Some("https://elsewhere.example.com/genesys".into());
        }),
        reason: Reason::GenesysWebhookDiffers,
        says: &["elsewhere.example.com", "{url}/genesys/outbound"],
        right: Change::Integration(|_| {}),
    },
    Case {
        name: "the_integration_is_not_active",
        wrong: Change::Integration(|integration| integration.status = Some("inactive".into())),
        reason: Reason::IntegrationInactive,
        says: &["is inactive", "activate it"],
        right: Change::Integration(|integration| integration.status = Some("active".into())),
    },
    Case {
        name: "the_integration_could_not_be_created",
        wrong: Change::Integration(|integration| {
            integration.create_status = Some("Error".into());
            integration.create_error = Some("the name is reserved".into());
        }),
        reason: Reason::IntegrationInactive,
        says: &["the name is reserved", "create it again"],
        right: Change::Integration(|integration| {
            integration.create_status = Some("Completed".into());
        }),
    },
    Case {
        name: "the_integration_is_still_being_created",
        wrong: Change::Integration(|integration| {
            integration.create_status = Some("Initiated".into());
        }),
        reason: Reason::Pending,
        says: &["still creating", "wait"],
        right: Change::Integration(|integration| {
            integration.create_status = Some("Completed".into());
        }),
    },
];

/// Each case as a test of its own.
pub(crate) fn trials() -> Vec<Trial> {
    let cases = CASES.iter().map(|case| {
        let name = format!("webhooks::{}", case.name);
        trial(&name, Company::Beside, || told_and_mended(case))
    });
    let more = [
        trial(
            "webhooks::the_account_does_not_have_the_number",
            Company::Beside,
            the_account_does_not_have_the_number,
        ),
        trial(
            "webhooks::the_service_that_the_bridge_names_is_looked_at",
            Company::Beside,
            the_service_that_the_bridge_names_is_looked_at,
        ),
        trial(
            "webhooks::webhooks_that_moved_away_on_both_sides_are_told_at_once_and_the_relay_stays",
            Company::Beside,
            webhooks_that_moved_away_on_both_sides_are_told_at_once_and_the_relay_stays,
        ),
    ];
    cases.chain(more).collect()
}

impl Scene {
    /// Changes the number; whatever is not said leads to the bridge.
    fn change_number(&self, change: fn(&mut NumberSettings)) {
        let mut settings = NumberSettings {
            sms_url: Some(format!("{}/twilio/inbound", self.tenant.public_url)),
            ..NumberSettings::default()
        };
        change(&mut settings);
        let sandbox = &self.plane.sandbox;
        sandbox.put_number(&self.tenant.number, &settings).unwrap();
    }

    fn change_integration(&self, change: fn(&mut IntegrationSettings)) {
        let mut settings = IntegrationSettings {
            webhook_url: Some(format!("{}/genesys/outbound", self.tenant.public_url)),
            ..IntegrationSettings::default()
        };
        change(&mut settings);
        let sandbox = &self.plane.sandbox;
        sandbox
            .change_integration(&self.integration, settings)
            .unwrap();
    }

    /// Makes the Messaging Service with the tenant's number in its pool, or changes it.
    fn change_service(&self, sid: &mut Option<String>, change: fn(&mut ServiceSettings)) {
        let mut settings = ServiceSettings {
            friendly_name: Some(self.tenant.name.clone()),
            numbers: Some(vec![self.tenant.number.clone()]),
            ..ServiceSettings::default()
        };
        change(&mut settings);
        let sandbox = &self.plane.sandbox;
        match sid {
            Some(sid) => sandbox.change_service(sid, settings).unwrap(),
            None => *sid = Some(sandbox.create_service(settings).unwrap()),
        }
    }

    fn change(&self, service: &mut Option<String>, change: Change) {
        match change {
            Change::Number(change) => self.change_number(change),
            Change::Integration(change) => self.change_integration(change),
            Change::Service(change) => self.change_service(service, change),
        }
    }
}

async fn told_and_mended(case: &Case) {
    let scene = Scene::new(&case.name.replace('_', "-")).await;
    let mut service = None;
    scene.change(&mut service, case.wrong);
    scene.apply().await;
    // Before that everything waits for it.
    scene
        .until_status("the platforms have been looked at", |status| {
            status.last_handled_reconcile_at.as_deref() == Some("look-0")
        })
        .await;
    let message = scene
        .until(ConditionType::WebhooksConfigured, case.reason)
        .await;
    for says in case.says {
        let says = says.replace("{url}", &scene.tenant.public_url);
        assert!(message.contains(&says), "{says} is not in: {message}");
    }
    assert!(
        !message.contains(&scene.tenant.number),
        "a full number: {message}"
    );
    // The relay is there all the same: webhooks may be set when it is.
    scene
        .until(ConditionType::RelayAvailable, Reason::VolumePending)
        .await;
    scene.change(&mut service, case.right);
    scene.look().await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Configured)
        .await;
    scene.end().await;
}

async fn the_account_does_not_have_the_number() {
    let scene = Scene::new("no-number").await;
    scene
        .plane
        .sandbox
        .remove_number(&scene.tenant.number)
        .unwrap();
    scene.apply().await;
    let message = scene
        .until(ConditionType::WebhooksConfigured, Reason::NumberNotFound)
        .await;
    for says in ["spec.twilio.number", "buy it"] {
        assert!(message.contains(says), "{message}");
    }
    scene
        .until(ConditionType::Stalled, Reason::NumberNotFound)
        .await;
    scene.change_number(|_| {});
    scene.look().await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Configured)
        .await;
    scene.end().await;
}

async fn the_service_that_the_bridge_names_is_looked_at() {
    let scene = Scene::installed("named-service").await;
    scene
        .respec(&json!({"twilio": {"messagingServiceSid": NO_SERVICE}}))
        .await;
    let message = scene
        .until(
            ConditionType::WebhooksConfigured,
            Reason::MessagingServiceNotFound,
        )
        .await;
    for says in [NO_SERVICE, "correct spec.twilio.messagingServiceSid"] {
        assert!(message.contains(says), "{message}");
    }
    let mut service = None;
    scene.change_service(&mut service, |service| service.numbers = None);
    let sid = service.clone().unwrap();
    scene
        .respec(&json!({"twilio": {"messagingServiceSid": sid}}))
        .await;
    let message = scene
        .until(
            ConditionType::WebhooksConfigured,
            Reason::NumberNotInService,
        )
        .await;
    for says in [sid.as_str(), "add it there"] {
        assert!(message.contains(says), "{message}");
    }
    scene.change_service(&mut service, |service| {
        service.use_inbound_webhook_on_number = Some(true);
    });
    scene.look().await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Configured)
        .await;
    scene.end().await;
}

async fn webhooks_that_moved_away_on_both_sides_are_told_at_once_and_the_relay_stays() {
    let scene = Scene::installed("moved-away").await;
    let relay = scene.relay().await;
    scene.change_number(|number| number.sms_url = Some("https://elsewhere.example.com/sms".into()));
    scene.change_integration(|it| {
        it.webhook_url = Some("https://elsewhere.example.com/genesys".into());
    });
    scene.look().await;
    let message = scene
        .until(
            ConditionType::WebhooksConfigured,
            Reason::TwilioWebhookDiffers,
        )
        .await;
    for says in ["/moved-away/twilio/inbound", "/moved-away/genesys/outbound"] {
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(scene.relay().await, relay);
    scene.change_number(|_| {});
    scene.look().await;
    scene
        .until(
            ConditionType::WebhooksConfigured,
            Reason::GenesysWebhookDiffers,
        )
        .await;
    scene.change_integration(|_| {});
    scene.look().await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Configured)
        .await;
    assert_eq!(scene.relay().await, relay);
    scene.end().await;
}
