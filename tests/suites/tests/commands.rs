//! The relay's other commands, and what it says to wrong input.

use std::process::{Command, Output};

use messaging_bridge_sandbox::Integration;
use messaging_bridge_suites::process::{Relay, reqwest_client};
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually, running, sent};
use rstest::rstest;
use serde_json::json;

const RELAY: &str = env!("CARGO_BIN_EXE_relay-under-test");

fn command(arguments: &[&str], more: &[String]) -> Output {
    Command::new(RELAY)
        .args(arguments)
        .args(more)
        .output()
        .expect("the relay's binary can be started")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
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
    let text = said(&output);
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
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_what_is_wrong_on_each_side() {
    let spec = Spec {
        integration_name: Some("acme-sns".into()),
        ..Spec::default()
    };
    let tenant = Tenant::new(fast(), spec).await;
    tenant.write_secret("twilio", "authToken", "not-the-token");
    let text = said(&command(&["check"], &tenant.configuration()));
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
    let text = said(&command(&["check"], &tenant.configuration()));
    assert!(
        line(&text, "Genesys integration").contains("WRONG"),
        "{text}"
    );
    assert!(text.contains("11111111-1f4e"), "the ids are named:\n{text}");
}

/// A running relay with two dead letters: replies to a customer who opted out.
async fn with_two_dead_letters() -> (Tenant, Relay) {
    let (tenant, relay) = running(RELAY).await;
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.customer_sends(&customer, "STOP").await;
    eventually("the customer has opted out", SOON, || async {
        (!tenant.sandbox.log().genesys_inbound.is_empty()).then_some(())
    })
    .await;
    for text in ["quokka one", "quokka two"] {
        tenant.sandbox.agent_sends(&customer, text).await;
    }
    let dead = async || (relay.status().await["deadLetters"] == 2).then_some(());
    eventually("both are refused", SOON, dead).await;
    (tenant, relay)
}

/// Where the command finds them.
fn place(control: &str, tenant: &Tenant) -> [String; 4] {
    let data_dir = tenant.data_dir().display().to_string();
    [
        "--control".into(),
        control.into(),
        "--data-dir".into(),
        data_dir,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_without_bodies_and_numbers() {
    let (tenant, relay) = with_two_dead_letters().await;
    let list = said(&command(
        &["dead-letters", "list"],
        &place(&tenant.control(), &tenant),
    ));
    assert!(
        list.contains("refused") && list.contains("21610") && list.contains('•'),
        "{list}"
    );
    assert!(
        !list.contains("quokka") && !list.contains(&tenant.sandbox.options().customer),
        "{list}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_replayed_by_the_running_relay_in_their_order() {
    let (tenant, relay) = with_two_dead_letters().await;
    let before = tenant.sandbox.log().genesys_inbound.len();
    tenant
        .sandbox
        .customer_sends(&tenant.sandbox.options().customer, "START")
        .await;
    eventually("the customer has opted in", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() > before).then_some(())
    })
    .await;
    let here = place(&tenant.control(), &tenant);
    let again = command(&["dead-letters", "replay", "--all"], &here);
    assert!(
        again.status.success() && said(&again).contains("in 1 lane"),
        "{}",
        said(&again)
    );
    let bodies = sent(&tenant, 2).await;
    assert_eq!(bodies, ["quokka one", "quokka two"]);
    let unknown = command(&["dead-letters", "replay", "--id", "99"], &here);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        said(&unknown).contains("no dead letter 99"),
        "{}",
        said(&unknown)
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_the_data_is_opened_and_with_one_elsewhere_it_is_not() {
    let (tenant, relay) = with_two_dead_letters().await;
    let elsewhere = place("127.0.0.1:1", &tenant);
    let locked = command(&["dead-letters", "list"], &elsewhere);
    assert_eq!(
        locked.status.code(),
        Some(2),
        "a running relay's directory is not opened"
    );
    relay.stop().await;
    let list = command(&["dead-letters", "list"], &elsewhere);
    assert!(
        list.status.success() && said(&list).contains("21610"),
        "{}",
        said(&list)
    );
    let again = command(&["dead-letters", "replay", "--id", "1"], &elsewhere);
    assert!(again.status.success(), "{}", said(&again));
    let list = said(&command(&["dead-letters", "list"], &elsewhere));
    assert_eq!(list.matches("21610").count(), 1, "{list}");
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
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("--control-listen must be a loopback address"),
        "{}",
        said(&output)
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
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("in use by another relay"),
        "{}",
        said(&output)
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
    assert_eq!(output.status.code(), Some(2), "{case}: {}", said(&output));
    assert!(said(&output).contains(names), "{case}: {}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_secret_and_a_bad_manifest_are_named_and_exit_with_2() {
    let tenant = Tenant::fast().await;
    tenant.write_secret("genesys", "webhookSecret", "short");
    let output = command(&["run"], &tenant.run_flags());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("\"webhookSecret\" must have 16 characters"),
        "{}",
        said(&output)
    );

    let manifest = tenant.secrets_dir().join("bridge.yaml");
    let text = "apiVersion: messagingbridge.io/v1alpha1\nkind: MessagingBridge\nmetadata: {name: acme}\nspec:\n  genesys: \
                {region: us-west-9, integrationName: x, credentialsSecretRef: {name: g}}\n  twilio: {number: '5551230000', \
                credentialsSecretRef: {name: t}}\n  publicUrl: http://x\n";
    std::fs::write(&manifest, text).expect("a file can be written");
    let path = manifest.display().to_string();
    let secrets = tenant.secrets_dir().display().to_string();
    let output = command(&["check", "--bridge", &path, "--secrets", &secrets], &[]);
    assert_eq!(output.status.code(), Some(2));
    for field in [
        "spec.genesys.region",
        "spec.twilio.number",
        "spec.publicUrl",
    ] {
        assert!(said(&output).contains(field), "{field}:\n{}", said(&output));
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
