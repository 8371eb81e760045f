//! The official Python SDKs of both platforms, unmodified, against the sandbox.
//!
//! They are installed once into `target/python-sdks`. Without Python, or without a way to install, these tests fail:
//! they prove that the sandbox is what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use messaging_bridge_sandbox::Integration;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::rig::{CUSTOMER, Rig, json as answer};

const REQUIREMENTS: &str = include_str!("../../python/requirements.txt");

/// The interpreter that has the SDKs.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .unwrap()
            .join("python-sdks");
        let python = home.join("bin/python");
        let installed = home.join("installed.txt");
        if std::fs::read_to_string(&installed).is_ok_and(|list| list == REQUIREMENTS) {
            return python;
        }
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/requirements.txt");
        run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&home),
            "apt-get install -y python3 python3-venv",
        );
        let mut install = Command::new(&python);
        install
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(requirements);
        run(
            &mut install,
            "give this machine access to the Python package index",
        );
        std::fs::write(installed, REQUIREMENTS).unwrap();
        python
    })
}

fn run(command: &mut Command, fix: &str) {
    let output: Output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}. To fix it: {fix}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed: {said}. To fix it: {fix}"
    );
}

/// Runs a script with this on its standard input.
async fn script(name: &str, arguments: &[&str], input: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(name);
    let interpreter = tokio::task::spawn_blocking(python).await.unwrap();
    let mut child = tokio::process::Command::new(interpreter)
        .arg(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .await
        .unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name}: {}{said}",
        String::from_utf8_lossy(&output.stdout)
    );
}

async fn tenant(rig: &Rig) -> Value {
    answer(
        rig.http
            .get(rig.url("/sandbox/tenant"))
            .send()
            .await
            .unwrap(),
    )
    .await
    .1
}

#[tokio::test]
async fn twilios_sdk_sends_fetches_lists_and_reads_the_number() {
    let rig = Rig::new().await;
    script(
        "twilio_sdk.py",
        &[rig.sandbox.url().as_str().trim_end_matches('/')],
        &tenant(&rig).await,
    )
    .await;
    let log = rig.sandbox.log();
    assert_eq!(log.twilio_sends.len(), 7);
    assert_eq!(log.twilio_sends[0].validity, Some(60));
    assert_eq!(log.rejected.len(), 4);
}

#[tokio::test]
async fn twilios_sdk_makes_reads_and_changes_messaging_services() {
    let rig = Rig::new().await;
    script(
        "twilio_services.py",
        &[rig.sandbox.url().as_str().trim_end_matches('/')],
        &tenant(&rig).await,
    )
    .await;
}

#[tokio::test]
async fn genesys_sdk_lists_integrations_and_posts_a_message_an_event_and_receipts() {
    let other = |number| Integration {
        id: format!("00000000-0000-0000-0000-00000000000{number}"),
        name: format!("other-{number}"),
        webhook_secret: "0123456789abcdef".into(),
    };
    let rig = Rig::with(|options| options.other_integrations = vec![other(1), other(2)]).await;
    let id = rig.sandbox.agent_sends(CUSTOMER, "Hi").await;
    let base = rig.sandbox.url();
    script(
        "genesys_sdk.py",
        &[base.as_str().trim_end_matches('/'), &id],
        &tenant(&rig).await,
    )
    .await;
    let log = rig.sandbox.log();
    assert_eq!(log.genesys_inbound.len(), 1);
    assert_eq!(
        log.genesys_inbound[0].attributes["twilioTo"],
        "+15551230000"
    );
    assert_eq!(log.genesys_receipts.len(), 2);
    assert_eq!(log.rejected.len(), 2);
}

#[tokio::test]
async fn twilios_validator_accepts_the_signatures_of_messages_and_of_callbacks() {
    let rig = Rig::new().await;
    rig.sandbox
        .customer_sends(CUSTOMER, "Où ça? 😀 a+b=c&d")
        .await;
    rig.sandbox
        .customer_sends_fields(CUSTOMER, "", &[("NumMedia", "0"), ("SomethingNew", " x ")])
        .await;
    let callback = "https://bridge.example.com/acme/twilio/status/7?try=1&of=2";
    rig.send(&[("StatusCallback", callback)])
        .send()
        .await
        .unwrap();
    rig.until("all", |log| {
        log.webhooks.len() == 2 && log.callbacks.len() == 2
    })
    .await;
    let webhooks: Vec<Value> = rig
        .bridge
        .received()
        .iter()
        .map(|received| {
            json!({
                "token": rig.sandbox.options().auth_token,
                "url": format!("https://bridge.example.com{}", received.uri),
                "params": received.form().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                "signature": received.header("x-twilio-signature"),
            })
        })
        .collect();
    assert_eq!(webhooks.len(), 4);
    script("twilio_validator.py", &[], &webhooks.into()).await;
}
