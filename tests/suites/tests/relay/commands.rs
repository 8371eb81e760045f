//! The relay's other commands, and what it says to wrong input.

use messaging_bridge_sandbox::Integration;
use messaging_bridge_suites::command::{self, Said};
use messaging_bridge_suites::process::{Relay, reqwest_client};
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use rstest::rstest;
use serde_json::json;

use crate::RELAY;

fn command(arguments: &[&str], more: &[String]) -> Said {
    command::command(RELAY, arguments, more)
}

/// The line of `check`'s table that begins with these words.
fn line<'t>(text: &'t str, what: &str) -> &'t str {
    text.lines()
        .map(str::trim)
        .find(|line| line.starts_with(what))
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_nothing_wrong_but_the_unreachable_public_url() {
    let tenant = Tenant::fast().await;
    let output = command(&["check"], &tenant.configuration());
    let text = output.text;
    for what in [
        "manifest",
        "Secrets",
        "Genesys credentials",
        "Genesys integration",
        "Genesys webhook",
        "Twilio number",
    ] {
        assert!(line(&text, what).contains(" ok "), "{what}:\n{text}");
    }
    assert!(
        line(&text, "Twilio webhook").contains("advice") && text.contains("#rc="),
        "{text}"
    );
    assert!(line(&text, "public URL").contains("WRONG"), "{text}");
    assert_eq!(output.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_what_is_wrong_on_each_side() {
    let spec = Spec {
        integration_name: Some("acme-sns".into()),
        ..Spec::default()
    };
    let tenant = Tenant::new(fast(), spec).await;
    tenant.write_secret("twilio", "authToken", "not-the-token");
    let text = command(&["check"], &tenant.configuration()).text;
    assert!(
        line(&text, "Genesys integration").contains("WRONG") && text.contains("acme-sms"),
        "{text}"
    );
    assert!(line(&text, "Genesys webhook").contains(" - "), "{text}");
    assert!(
        line(&text, "Twilio credentials").contains("WRONG") && text.contains("20003"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_two_integrations_of_one_name_apart() {
    let mut options = fast();
    let twin = Integration {
        id: "11111111-1f4e-4a6b-8c9d-2e5f7a1b3c4d".into(),
        ..options.integration.clone()
    };
    options.other_integrations = vec![twin];
    let tenant = Tenant::new(options, Spec::default()).await;
    let text = command(&["check"], &tenant.configuration()).text;
    assert!(
        line(&text, "Genesys integration").contains("WRONG"),
        "{text}"
    );
    assert!(text.contains("11111111-1f4e"), "the ids are named:\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_listener_is_for_this_machine_only() {
    let tenant = Tenant::fast().await;
    let mut flags = tenant.run_flags();
    flags.extend(["--control-listen".to_owned(), "0.0.0.0:0".into()]);
    flags.retain(|flag| *flag != tenant.control());
    let position = flags
        .iter()
        .position(|flag| flag == "--control-listen")
        .expect("the flag is there");
    flags.remove(position);
    let output = command(&["run"], &flags);
    assert_eq!(output.code, Some(2));
    assert!(
        output
            .text
            .contains("--control-listen must be a loopback address"),
        "{}",
        output.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_on_the_same_data_is_refused() {
    let tenant = Tenant::fast().await;
    let relay = Relay::start(RELAY, &tenant).await;
    let other = Tenant::fast().await;
    let mut flags = other.run_flags();
    let at = flags
        .iter()
        .position(|flag| flag == "--data-dir")
        .expect("the flag is there");
    flags[at + 1] = tenant.data_dir().display().to_string();
    let output = command(&["run"], &flags);
    assert_eq!(output.code, Some(2));
    assert!(
        output.text.contains("in use by another relay"),
        "{}",
        output.text
    );
    relay.stop().await;
}

#[rstest]
#[case("no configuration", &["run", "--secrets", "/nowhere"], "--bridge")]
#[case("both configurations", &["run", "--secrets", "/nowhere", "--bridge", "a", "--config", "b"], "cannot be used with")]
#[case("no such manifest", &["run", "--secrets", "/nowhere", "--bridge", "/nowhere/b.yaml"], "/nowhere/b.yaml")]
#[case("no such command", &["jump"], "jump")]
#[case("a bad address", &["run", "--secrets", "x", "--bridge", "y", "--listen", "everywhere"], "--listen")]
#[case("replay without a choice", &["dead-letters", "replay"], "--id")]
fn wrong_input_is_named_and_exits_with_2(
    #[case] case: &str,
    #[case] arguments: &[&str],
    #[case] names: &str,
) {
    let output = command(arguments, &[]);
    assert_eq!(output.code, Some(2), "{case}: {}", output.text);
    assert!(output.text.contains(names), "{case}: {}", output.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_secret_and_a_bad_manifest_are_named_and_exit_with_2() {
    let tenant = Tenant::fast().await;
    tenant.write_secret("genesys", "webhookSecret", "short");
    let output = command(&["run"], &tenant.run_flags());
    assert_eq!(output.code, Some(2));
    assert!(
        output
            .text
            .contains("\"webhookSecret\" must have 16 characters"),
        "{}",
        output.text
    );

    let manifest = tenant.secrets_dir().join("bridge.yaml");
    let text = "apiVersion: messagingbridge.io/v1alpha1\nkind: MessagingBridge\nmetadata: {name: acme}\nspec:\n  genesys: \
                {region: us-west-9, integrationName: x, credentialsSecretRef: {name: g}}\n  twilio: {number: '5551230000', \
                credentialsSecretRef: {name: t}}\n  publicUrl: http://x\n";
    std::fs::write(&manifest, text).expect("a file can be written");
    let path = manifest.display().to_string();
    let secrets = tenant.secrets_dir().display().to_string();
    let output = command(&["check", "--bridge", &path, "--secrets", &secrets], &[]);
    assert_eq!(output.code, Some(2));
    for field in [
        "spec.genesys.region",
        "spec.twilio.number",
        "spec.publicUrl",
    ] {
        assert!(output.text.contains(field), "{field}:\n{}", output.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_and_healthy_never_wait_for_a_platform() {
    let tenant = Tenant::fast().await;
    tenant.sandbox.shutdown();
    let relay = Relay::start(RELAY, &tenant).await;
    for path in ["/healthz", "/readyz"] {
        let url = tenant.admin().join(path).expect("a valid path");
        let answer = reqwest_client()
            .get(url)
            .send()
            .await
            .expect("the admin address answers");
        assert_eq!(answer.status(), 200, "{path}");
    }
    let fields = messaging_bridge_suites::signed::sms(
        &tenant,
        "SM00000000000000000000000000000001",
        "quokka",
    );
    let answer =
        messaging_bridge_suites::signed::post_twilio(&tenant, "/twilio/inbound", &fields).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(relay.status().await["lanes"][0]["backlog"], json!(1));
    relay.stop().await;
}
