//! What can be wrong with the credentials, and with what they may do.

use messaging_bridge_cluster::wait_for;
use messaging_bridge_crds::{ConditionType, MessagingBridgeStatus, Reason, SecretState};
use messaging_bridge_operator_suites::tenant::apply;
use messaging_bridge_sandbox::{ClientSettings, Options, Permission};
use serde_json::json;

use crate::objects::{PODS, SECRETS};
use crate::scene::{PATIENCE, Scene};

fn state(status: &MessagingBridgeStatus, name: &str) -> Option<SecretState> {
    let secret = status.secrets.iter().find(|secret| secret.name == name);
    secret.map(|secret| secret.state)
}

pub(crate) async fn every_secret_that_is_missing_is_named_at_once() {
    let scene = Scene::new("no-secrets").await;
    scene.apply_with(&[], &scene.bridge()).await;
    let message = scene
        .until(ConditionType::CredentialsValid, Reason::SecretMissing)
        .await;
    for says in [
        "\"genesys\"",
        "\"twilio\"",
        "no-secrets",
        "clientSecret",
        "authToken",
    ] {
        assert!(message.contains(says), "{message}");
    }
    scene
        .until(ConditionType::Ready, Reason::SecretMissing)
        .await;
    let message = scene
        .until(ConditionType::IntegrationResolved, Reason::Pending)
        .await;
    assert!(message.contains("see CredentialsValid"), "{message}");
    let message = scene
        .until(ConditionType::RelayAvailable, Reason::NotInstalled)
        .await;
    assert!(message.contains("see IntegrationResolved"), "{message}");
    let status = scene
        .until(ConditionType::Delivering, Reason::Pending)
        .await;
    assert!(status.contains("RelayAvailable"), "{status}");
    // A Secret that is made is looked at by itself.
    apply(scene.plane.cluster, &[scene.genesys()]).await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;
    let message = scene
        .until(ConditionType::CredentialsValid, Reason::SecretMissing)
        .await;
    assert!(!message.contains("\"genesys\""), "{message}");
    apply(scene.plane.cluster, &[scene.tenant.twilio()]).await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    scene.until_installed().await;
    // Of a bridge that runs it is told as well, and nothing else changes.
    let relay = scene.relay().await;
    scene.delete(&SECRETS, "twilio").await;
    scene
        .until(ConditionType::CredentialsValid, Reason::SecretMissing)
        .await;
    let status = scene.status().await;
    assert_eq!(state(&status, "twilio"), Some(SecretState::Unusable));
    assert_eq!(state(&status, "genesys"), Some(SecretState::Waiting));
    assert_eq!(scene.relay().await, relay);
    apply(scene.plane.cluster, &[scene.tenant.twilio()]).await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    assert_eq!(scene.relay().await, relay);
    scene.end().await;
}

pub(crate) async fn a_key_that_is_missing_is_named() {
    let scene = Scene::new("no-key").await;
    let half = scene.tenant.secret(
        "genesys",
        &json!({"clientId": "some", "clientSecret": "some"}),
    );
    scene
        .apply_with(&[half, scene.tenant.twilio()], &scene.bridge())
        .await;
    let message = scene
        .until(ConditionType::CredentialsValid, Reason::SecretKeyMissing)
        .await;
    for says in ["\"genesys\"", "\"webhookSecret\"", "add it"] {
        assert!(message.contains(says), "{message}");
    }
    scene
        .until(ConditionType::Stalled, Reason::SecretKeyMissing)
        .await;
    apply(scene.plane.cluster, &[scene.genesys()]).await;
    scene.until_installed().await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    scene.end().await;
}

pub(crate) async fn a_value_that_cannot_be_right_is_named_and_never_quoted() {
    let scene = Scene::new("malformed").await;
    let mut short = scene.genesys();
    short["stringData"]["webhookSecret"] = json!("hush-hush");
    scene
        .apply_with(&[short, scene.tenant.twilio()], &scene.bridge())
        .await;
    let message = scene
        .until(ConditionType::CredentialsValid, Reason::SecretMalformed)
        .await;
    for says in ["genesys", "webhookSecret", "16 characters"] {
        assert!(message.contains(says), "{message}");
    }
    let whole = serde_json::to_string(&scene.status().await).unwrap();
    assert!(!whole.contains("hush"), "{whole}");
    apply(scene.plane.cluster, &[scene.genesys()]).await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    scene.end().await;
}

pub(crate) async fn whoever_knows_only_the_client_id_is_refused() {
    let owner = Scene::installed("owner").await;
    let thief = Scene::new("thief").await;
    let guess = thief.tenant.genesys("a-guess-of-the-client-secret");
    thief
        .apply_with(&[guess, thief.tenant.twilio()], &thief.bridge())
        .await;
    // The owner's token is there, and is not lent.
    let message = thief
        .until(ConditionType::CredentialsValid, Reason::GenesysRefused)
        .await;
    for says in [
        "Genesys Cloud",
        "\"genesys\"",
        "put valid credentials into the Secret",
    ] {
        assert!(message.contains(says), "{message}");
    }
    thief
        .until(ConditionType::Ready, Reason::GenesysRefused)
        .await;
    thief
        .until(ConditionType::IntegrationResolved, Reason::Pending)
        .await;
    thief
        .until(ConditionType::RelayAvailable, Reason::NotInstalled)
        .await;
    owner.look().await;
    owner
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    apply(thief.plane.cluster, &[thief.genesys()]).await;
    thief
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    thief.end().await;
    owner.end().await;
}

pub(crate) async fn a_wrong_auth_token_is_refused() {
    let scene = Scene::new("wrong-token").await;
    let sid = Options::default().account_sid;
    let wrong = scene.tenant.secret(
        "twilio",
        &json!({"accountSid": sid, "authToken": "0123456789abcdef0123456789abcdef"}),
    );
    scene
        .apply_with(&[scene.genesys(), wrong], &scene.bridge())
        .await;
    let message = scene
        .until(ConditionType::CredentialsValid, Reason::TwilioRefused)
        .await;
    for says in [
        "Twilio",
        "\"twilio\"",
        "put valid credentials into the Secret",
    ] {
        assert!(message.contains(says), "{message}");
    }
    let message = scene
        .until(ConditionType::WebhooksConfigured, Reason::Pending)
        .await;
    assert!(
        message.contains("credentials that Twilio accepts"),
        "{message}"
    );
    // Genesys is asked all the same.
    scene
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;
    apply(scene.plane.cluster, &[scene.tenant.twilio()]).await;
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    scene
        .until(ConditionType::WebhooksConfigured, Reason::Configured)
        .await;
    scene.end().await;
}

pub(crate) async fn a_missing_right_is_unknown_and_another_client_may_look() {
    let scene = Scene::new("least-rights").await;
    let client = ClientSettings {
        client_secret: Some("only-to-receive-0123456789".to_owned()),
        permissions: Some([Permission::Receive].into()),
    };
    scene.plane.sandbox.put_client("least", client).unwrap();
    let mut secret = scene.genesys();
    secret["stringData"]["clientId"] = json!("least");
    secret["stringData"]["clientSecret"] = json!("only-to-receive-0123456789");
    scene
        .apply_with(&[secret, scene.tenant.twilio()], &scene.bridge())
        .await;
    let message = scene
        .until(
            ConditionType::IntegrationResolved,
            Reason::PermissionMissing,
        )
        .await;
    assert!(message.contains("messaging:integration:view"), "{message}");
    let integration = scene.condition(ConditionType::IntegrationResolved).await;
    assert_eq!(integration.status, "Unknown");
    // The credentials are right all the same.
    scene
        .until(ConditionType::CredentialsValid, Reason::Valid)
        .await;
    scene
        .until(ConditionType::Stalled, Reason::PermissionMissing)
        .await;
    let options = Options::default();
    let looks = json!({"clientId": options.client_id, "clientSecret": options.client_secret});
    apply(scene.plane.cluster, &[scene.tenant.secret("looks", &looks)]).await;
    scene
        .respec(&json!({"genesys": {"operatorCredentialsSecretRef": {"name": "looks"}}}))
        .await;
    scene
        .until(ConditionType::IntegrationResolved, Reason::Resolved)
        .await;
    scene.until_installed().await;
    // It is the operator's alone.
    let pod = scene.read(&PODS, "acme-relay-0").await;
    assert!(!pod.to_string().contains("looks"), "{pod}");
    scene.end().await;
}

pub(crate) async fn a_secret_whose_values_stay_asks_nobody() {
    let scene = Scene::installed("same-values").await;
    let (mark, calls) = (scene.plane.mark(), scene.plane.sandbox.request_mark());
    let label = json!({"metadata": {"labels": {"example.com/team": "texts"}}});
    scene.patch(&SECRETS, "twilio", &label).await;
    let read = wait_for("the operator has read it", PATIENCE, || async {
        let requests = scene.plane.requests(mark).await;
        let read = requests.iter().any(|request| {
            request.namespace == scene.tenant.name
                && (request.verb.as_str(), request.resource.as_str()) == ("get", "secrets")
        });
        read.then_some(()).ok_or_else(|| format!("{requests:?}"))
    });
    read.await.unwrap();
    // The look that it was read for has ended when the next has.
    let paused = "messagingbridge.io/paused";
    scene.annotate(&json!({paused: "true"})).await;
    scene.until(ConditionType::Accepted, Reason::Paused).await;
    assert_eq!(scene.questions(calls), 0);
    scene.end().await;
}
