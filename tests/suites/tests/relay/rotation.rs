//! Every secret is rotated under load, with the relay at work and across restarts: no valid request of either platform is
//! refused, nothing is lost, nothing is texted twice.
//!
//! A rotation is what the documentation says: the new value is added, the platform is switched, the old one is removed.

use std::collections::BTreeMap;
use std::time::Duration;

use messaging_bridge_sandbox::{AccountSettings, ClientSettings, IntegrationSettings};
use messaging_bridge_suites::crash::settle_webhooks;
use messaging_bridge_suites::load::{Load, Rhythm};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::verdict::judge;
use messaging_bridge_suites::{SOON, eventually};
use rstest::rstest;
use serde_json::Value;

use crate::RELAY;

/// How long the load runs on between two steps of a rotation.
const MEANWHILE: Duration = Duration::from_millis(700);

/// One secret: the keys of its files, its value before and after, and both ends of the rotation at its platform.
struct Rotation {
    secret: &'static str,
    keys: &'static [&'static str],
    old: Vec<String>,
    new: Vec<String>,
    /// What is done at the platform before the relay knows the new value.
    prepare: fn(&Tenant),
    /// The platform uses the new value.
    switch: fn(&Tenant),
    /// The platform knows the old value no more.
    withdraw: fn(&Tenant),
}

const NEW_WEBHOOK_SECRET: &str = "the-next-webhook-secret-0123456789";
const NEW_TOKEN: &str = "the-next-auth-token-0123456789abc";
const NEW_CLIENT: [&str; 2] = [
    "9a1c1c1e-6f0a-4b7e-9d63-0c8f4e5a2b11",
    "the-next-client-secret-0123456789",
];
const NEW_KEY: [&str; 2] = [
    "SKfedcba9876543210fedcba9876543210",
    "the-next-api-key-secret-012345678",
];

const fn nothing(_: &Tenant) {}

fn webhook_secret(tenant: &Tenant) -> Rotation {
    Rotation {
        secret: "genesys",
        keys: &["webhookSecret"],
        old: vec![tenant.sandbox.options().integration.webhook_secret.clone()],
        new: vec![NEW_WEBHOOK_SECRET.into()],
        prepare: nothing,
        switch: |tenant| {
            let settings = IntegrationSettings {
                webhook_secret: Some(NEW_WEBHOOK_SECRET.into()),
                ..IntegrationSettings::default()
            };
            let id = &tenant.sandbox.options().integration.id;
            let changed = tenant.sandbox.change_integration(id, settings);
            changed.expect("Genesys takes the secret");
        },
        withdraw: nothing,
    }
}

fn auth_token(tenant: &Tenant) -> Rotation {
    Rotation {
        secret: "twilio",
        keys: &["authToken"],
        old: vec![tenant.sandbox.options().auth_token.clone()],
        new: vec![NEW_TOKEN.into()],
        prepare: nothing,
        switch: |tenant| {
            let settings = AccountSettings {
                auth_token: Some(NEW_TOKEN.into()),
                ..AccountSettings::default()
            };
            let changed = tenant.sandbox.change_account(settings);
            changed.expect("Twilio promotes the token");
        },
        withdraw: nothing,
    }
}

fn oauth_client(tenant: &Tenant) -> Rotation {
    let options = tenant.sandbox.options();
    Rotation {
        secret: "genesys",
        keys: &["clientId", "clientSecret"],
        old: vec![options.client_id.clone(), options.client_secret.clone()],
        new: NEW_CLIENT.map(Into::into).to_vec(),
        prepare: |tenant| {
            let settings = ClientSettings {
                client_secret: Some(NEW_CLIENT[1].into()),
                ..ClientSettings::default()
            };
            let made = tenant.sandbox.put_client(NEW_CLIENT[0], settings);
            made.expect("Genesys makes a second client");
        },
        switch: nothing,
        withdraw: |tenant| {
            let id = &tenant.sandbox.options().client_id;
            let removed = tenant.sandbox.remove_client(id);
            removed.expect("Genesys removes the first client");
        },
    }
}

fn api_key(tenant: &Tenant) -> Rotation {
    let (sid, secret) = tenant
        .sandbox
        .options()
        .api_key
        .clone()
        .expect("there is a key");
    Rotation {
        secret: "twilio",
        keys: &["apiKeySid", "apiKeySecret"],
        old: vec![sid, secret],
        new: NEW_KEY.map(Into::into).to_vec(),
        prepare: |tenant| {
            let first = tenant.sandbox.options().api_key.clone();
            let second = NEW_KEY.map(String::from);
            keep_keys(tenant, first.into_iter().chain([second.into()]).collect());
        },
        switch: nothing,
        withdraw: |tenant| {
            let [sid, secret] = NEW_KEY.map(String::from);
            keep_keys(tenant, BTreeMap::from([(sid, secret)]));
        },
    }
}

fn keep_keys(tenant: &Tenant, keys: BTreeMap<String, String>) {
    let settings = AccountSettings {
        api_keys: Some(keys),
        ..AccountSettings::default()
    };
    let changed = tenant.sandbox.change_account(settings);
    changed.expect("Twilio has any number of keys");
}

impl Rotation {
    fn write(&self, tenant: &Tenant, value: impl Fn(usize) -> String) {
        for (index, key) in self.keys.iter().enumerate() {
            tenant.write_secret(self.secret, key, &value(index));
        }
    }

    fn fingerprint(&self, status: &Value) -> Value {
        status["secrets"][self.secret].clone()
    }
}

/// How the relay gets to know a changed Secret.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// It reads the files again.
    AtWork,
    /// It is stopped and started again.
    Restarted,
}

/// Has the relay load what is in the files now.
async fn load(
    tenant: &Tenant,
    relay: Relay,
    way: Way,
    rotation: &Rotation,
    before: &Value,
) -> Relay {
    let relay = match way {
        Way::AtWork => relay,
        Way::Restarted => {
            refuses_nobody(&relay);
            assert!(relay.stop().await.success());
            Relay::start(RELAY, tenant).await
        }
    };
    eventually("the changed Secret is loaded", SOON, || async {
        (rotation.fingerprint(&relay.status().await) != *before).then_some(())
    })
    .await;
    tokio::time::sleep(MEANWHILE).await;
    relay
}

fn refuses_nobody(relay: &Relay) {
    let log = relay.log();
    let blocked: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" is blocked"))
        .collect();
    assert!(
        blocked.is_empty(),
        "a direction was blocked:\n{}",
        blocked.join("\n")
    );
}

#[rstest]
#[case("webhook secret, at work", webhook_secret, Way::AtWork)]
#[case("webhook secret, across restarts", webhook_secret, Way::Restarted)]
#[case("auth token, at work", auth_token, Way::AtWork)]
#[case("auth token, across restarts", auth_token, Way::Restarted)]
#[case("OAuth client, at work", oauth_client, Way::AtWork)]
#[case("OAuth client, across restarts", oauth_client, Way::Restarted)]
#[case("API key, at work", api_key, Way::AtWork)]
#[case("API key, across restarts", api_key, Way::Restarted)]
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_refuses_and_loses_nothing(
    #[case] what: &str,
    #[case] of: fn(&Tenant) -> Rotation,
    #[case] way: Way,
) {
    let tenant = Tenant::fast().await;
    let rotation = of(&tenant);
    rotation.write(&tenant, |index| rotation.old[index].clone());
    let relay = Relay::start(RELAY, &tenant).await;
    eventually("the integration is resolved", SOON, || async {
        relay.status().await["integrationId"]
            .is_string()
            .then_some(())
    })
    .await;
    let writers = Load::start(&tenant.sandbox, &Rhythm::busy());
    tokio::time::sleep(MEANWHILE).await;

    (rotation.prepare)(&tenant);
    let before = rotation.fingerprint(&relay.status().await);
    rotation.write(&tenant, |index| {
        format!("{}\n{}\n", rotation.new[index], rotation.old[index])
    });
    let relay = load(&tenant, relay, way, &rotation, &before).await;
    (rotation.switch)(&tenant);
    tokio::time::sleep(MEANWHILE).await;
    let before = rotation.fingerprint(&relay.status().await);
    rotation.write(&tenant, |index| rotation.new[index].clone());
    let relay = load(&tenant, relay, way, &rotation, &before).await;
    (rotation.withdraw)(&tenant);
    tokio::time::sleep(MEANWHILE).await;

    let sent = writers.stop().await;
    settle_webhooks(&tenant.sandbox).await;
    relay.until_drained(Duration::from_mins(2)).await;
    let log = tenant.sandbox.log();
    let answers = log.webhooks.iter().map(|attempt| attempt.status);
    let answers = answers.chain(log.callbacks.iter().map(|attempt| attempt.status));
    let refused: Vec<u16> = answers
        .flatten()
        .filter(|status| (400..500).contains(status))
        .collect();
    assert_eq!(refused, [0; 0], "{what}: webhooks were refused");
    let strange: Vec<_> = log
        .rejected
        .iter()
        .filter(|call| call.status != 401)
        .collect();
    assert!(
        strange.is_empty(),
        "{what}: calls were refused: {strange:?}"
    );
    let verdict = judge(&sent, &log);
    assert!(verdict.is_clean(), "{what}:\n{}", verdict.broken.join("\n"));
    assert!(
        verdict.acknowledged > 50,
        "{what}: too little load: {}",
        verdict.acknowledged
    );
    assert_eq!(
        (verdict.told_as_failed, &relay.status().await["deadLetters"]),
        (0, &Value::from(0)),
        "{what}"
    );
    refuses_nobody(&relay);
    assert!(relay.stop().await.success());
}
