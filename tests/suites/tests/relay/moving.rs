//! A bridge's outbox is copied beside a running relay and moved with a stopped one.

use std::os::unix::fs::PermissionsExt as _;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault};
use messaging_bridge_suites::command::{NOBODY, command, command_with, place};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{SOON, eventually, running, texts_on_the_desk};

use crate::RELAY;

/// A running relay in which one text waits for Genesys.
async fn with_a_waiting_text() -> (Tenant, Relay) {
    let (tenant, relay) = running(RELAY).await;
    let refusing = Effect::Status {
        status: 503,
        body: None,
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::GenesysMessage, refusing));
    let customer = tenant.sandbox.options().customer.clone();
    tenant
        .sandbox
        .customer_sends(&customer, "quokka waits")
        .await;
    eventually("it waits", SOON, || async {
        (relay.status().await["lanes"][0]["backlog"] == 1).then_some(())
    })
    .await;
    (tenant, relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_bridge_moves_to_an_empty_directory_and_goes_on_there() {
    let (tenant, relay) = with_a_waiting_text().await;
    relay.stop().await;
    let file = tenant.secrets_dir().join("acme.outbox");
    let name = file.display().to_string();
    let here = place(NOBODY, &tenant);
    let said = command(RELAY, &["export", &name], &here);
    assert!(
        said.is_well() && said.text.contains("texts and numbers in the clear"),
        "{}",
        said.text
    );
    let mode = std::fs::metadata(&file)
        .expect("it was made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = command(RELAY, &["export", &name], &here);
    assert_eq!(
        again.code,
        Some(2),
        "nothing is overwritten: {}",
        again.text
    );

    std::fs::remove_dir_all(tenant.data_dir()).expect("a directory can be removed");
    let data_dir = [
        "--data-dir".to_owned(),
        tenant.data_dir().display().to_string(),
    ];
    let said = command(RELAY, &["import", &name], &data_dir);
    assert!(
        said.is_well() && said.text.contains("imported: 1 waiting"),
        "{}",
        said.text
    );
    let again = command(RELAY, &["import", &name], &data_dir);
    assert!(
        again.code == Some(2) && again.text.contains("is not empty"),
        "{}",
        again.text
    );

    tenant.sandbox.set_faults([]);
    let relay = Relay::start(RELAY, &tenant).await;
    relay.until_drained(SOON).await;
    assert_eq!(texts_on_the_desk(&tenant), ["quokka waits"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_running_bridge_goes_through_pipes_and_sends_nothing_twice() {
    let (tenant, relay) = with_a_waiting_text().await;
    let exported = messaging_bridge_suites::command::revealing(
        RELAY,
        &["export", "-"],
        &place(&tenant.control(), &tenant),
        b"",
    );
    assert!(exported.is_well(), "{}", exported.code.unwrap_or_default());
    assert!(exported.text.contains("the relay is at work"));
    assert!(exported.bytes.starts_with(b"SQLite format 3"));
    assert!(relay.log().contains("the outbox was exported"));

    let other = Tenant::fast().await;
    let data_dir = [
        "--data-dir".to_owned(),
        other.data_dir().display().to_string(),
    ];
    let said = command_with(RELAY, &["import", "-"], &data_dir, &exported.bytes);
    assert!(said.is_well(), "{}", said.text);
    assert!(
        said.text.contains("0 waiting messages, 1 dead letter"),
        "{}",
        said.text
    );
    let list = command(RELAY, &["dead-letters", "list"], &place(NOBODY, &other));
    assert!(list.text.contains("copied"), "{}", list.text);

    tenant.sandbox.set_faults([]);
    relay.until_drained(SOON).await;
    assert_eq!(
        tenant.sandbox.log().genesys_inbound.len(),
        1,
        "the relay goes on"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_copy_is_refused() {
    let tenant = Tenant::fast().await;
    let data_dir = [
        "--data-dir".to_owned(),
        tenant.data_dir().display().to_string(),
    ];
    let said = command_with(RELAY, &["import", "-"], &data_dir, b"hello");
    assert_eq!(said.code, Some(2), "{}", said.text);
    assert!(
        said.text.contains("no export of an outbox"),
        "{}",
        said.text
    );
    let said = command(RELAY, &["import", "/nowhere/acme.outbox"], &data_dir);
    assert!(
        said.code == Some(2) && said.text.contains("/nowhere/acme.outbox"),
        "{}",
        said.text
    );
}
