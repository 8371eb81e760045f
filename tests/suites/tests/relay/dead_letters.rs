//! Dead letters from the command line, with the relay at work and without.

use messaging_bridge_suites::command::{NOBODY, Said, command, place, revealing};
use messaging_bridge_suites::process::{Relay, reqwest_client};
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{SOON, eventually, running, sent};
use rstest::rstest;

use crate::RELAY;

/// Another customer than the tenant's own.
const BOB: &str = "+15557650000";

fn letters(arguments: &[&str], place: &[String]) -> Said {
    let arguments = [&["dead-letters"][..], arguments].concat();
    command(RELAY, &arguments, place)
}

/// Waits until so many texts of customers reached Genesys.
async fn on_the_desk(tenant: &Tenant, count: usize) {
    eventually("the texts reach Genesys", SOON, || async {
        (tenant.sandbox.log().genesys_inbound.len() >= count).then_some(())
    })
    .await;
}

/// A running relay with three dead letters: two replies to a customer who opted out, and one to another.
async fn with_three_dead_letters() -> (Tenant, Relay) {
    let (tenant, relay) = running(RELAY).await;
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.customer_sends(&customer, "STOP").await;
    tenant.sandbox.customer_sends(BOB, "STOP").await;
    on_the_desk(&tenant, 2).await;
    for (number, (to, text)) in [
        (customer.as_str(), "quokka one"),
        (customer.as_str(), "quokka two"),
        (BOB, "quokka three"),
    ]
    .into_iter()
    .enumerate()
    {
        tenant.sandbox.agent_sends(to, text).await;
        let dead = async || (relay.status().await["deadLetters"] == number + 1).then_some(());
        eventually("it is refused", SOON, dead).await;
    }
    (tenant, relay)
}

/// Both customers take texts again.
async fn opt_in(tenant: &Tenant) {
    let before = tenant.sandbox.log().genesys_inbound.len();
    let customer = tenant.sandbox.options().customer.clone();
    tenant.sandbox.customer_sends(&customer, "START").await;
    tenant.sandbox.customer_sends(BOB, "START").await;
    on_the_desk(tenant, before + 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_named_is_meant_whatever_relay_listens() {
    let (tenant, relay) = with_three_dead_letters().await;
    let elsewhere = tempfile::tempdir().expect("a folder can be made");
    let mut there = place(&tenant.control(), &tenant);
    there[3] = elsewhere.path().display().to_string();
    for arguments in [&["list"][..], &["purge", "--all"]] {
        let said = letters(arguments, &there);
        assert_eq!(said.code, Some(2), "{}", said.text);
        for words in ["works on", "leave --data-dir", &there[3]] {
            assert!(said.text.contains(words), "{words}: {}", said.text);
        }
    }
    assert_eq!(relay.status().await["deadLetters"], 3);
    let unnamed = &there[..2];
    assert!(letters(&["list"], unnamed).is_well());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_listed_and_shown_without_texts_and_numbers() {
    let (tenant, relay) = with_three_dead_letters().await;
    let here = place(&tenant.control(), &tenant);
    let list = letters(&["list"], &here).text;
    for word in ["refused", "21610", "•"] {
        assert!(list.contains(word), "{word}:\n{list}");
    }
    let shown = letters(&["show", "2"], &here).text;
    for word in [
        "refused",
        "21610",
        "•",
        "genesys/",
        "--reveal shows it",
        "replayable  yes",
    ] {
        assert!(shown.contains(word), "{word}:\n{shown}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_and_number_are_shown_only_on_demand_which_is_logged_and_never_by_the_admin_address() {
    let (tenant, relay) = with_three_dead_letters().await;
    let here = place(&tenant.control(), &tenant);
    let shown = revealing(
        RELAY,
        &["dead-letters", "show", "2", "--reveal"],
        &here,
        b"",
    )
    .text;
    assert!(shown.contains("quokka two"), "{shown}");
    assert!(
        shown.contains(&tenant.sandbox.options().customer),
        "{shown}"
    );
    assert!(
        relay
            .log()
            .contains("a dead letter was shown with its text")
    );
    let url = tenant
        .admin()
        .join("/dead-letters/2?reveal=true")
        .expect("a valid path");
    let answer = reqwest_client()
        .get(url)
        .send()
        .await
        .expect("the admin address answers");
    assert_eq!(answer.status(), 404);
    let url = format!("http://{}/dead-letters/2?reveal=true", tenant.control());
    let from_a_page = reqwest_client()
        .get(url)
        .header("host", "rebound.example.com");
    let answer = from_a_page
        .send()
        .await
        .expect("the control listener answers");
    assert_eq!(
        answer.status(),
        403,
        "a page in a browser is not the relay's own command"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_replayed_by_the_running_relay_in_their_order() {
    let (tenant, relay) = with_three_dead_letters().await;
    opt_in(&tenant).await;
    let here = place(&tenant.control(), &tenant);
    let again = letters(&["replay", "--all"], &here);
    assert!(
        again.is_well() && again.text.contains("in 2 lanes"),
        "{}",
        again.text
    );
    let customer = tenant.sandbox.options().customer.clone();
    sent(&tenant, 3).await;
    let sends = tenant.sandbox.log().twilio_sends;
    let bodies: Vec<&str> = sends
        .iter()
        .filter(|send| send.to == customer)
        .map(|send| send.body.as_str())
        .collect();
    assert_eq!(bodies, ["quokka one", "quokka two"]);
    let nothing = letters(&["replay", "--all"], &here);
    assert!(nothing.is_well() && nothing.text.contains("nothing to append again"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_customers_are_replayed_and_the_others_stay() {
    let (tenant, relay) = with_three_dead_letters().await;
    opt_in(&tenant).await;
    let here = place(&tenant.control(), &tenant);
    let again = letters(&["replay", "--lane-of", "2"], &here);
    assert!(again.text.contains("in 1 lane"), "{}", again.text);
    assert_eq!(sent(&tenant, 2).await, ["quokka one", "quokka two"]);
    let list = letters(&["list"], &here).text;
    assert_eq!(list.matches("21610").count(), 1, "{list}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_ones_are_gone_and_the_others_stay() {
    let (tenant, relay) = with_three_dead_letters().await;
    let here = place(&tenant.control(), &tenant);
    let purged = letters(&["purge", "--lane-of", "1"], &here);
    assert!(
        purged.is_well() && purged.text.contains("purged: 2"),
        "{}",
        purged.text
    );
    assert_eq!(relay.status().await["deadLetters"], 1);
    let purged = letters(&["purge", "--all"], &here);
    assert!(purged.text.contains("purged: 1"), "{}", purged.text);
    assert!(letters(&["list"], &here).text.contains("no dead letters"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_the_data_is_opened_and_with_one_elsewhere_it_is_not() {
    let (tenant, relay) = with_three_dead_letters().await;
    let elsewhere = place(NOBODY, &tenant);
    let locked = letters(&["list"], &elsewhere);
    assert_eq!(
        locked.code,
        Some(2),
        "a running relay's directory is not opened"
    );
    assert!(
        locked.text.contains("in use by another relay"),
        "{}",
        locked.text
    );
    relay.stop().await;
    assert_eq!(
        letters(&["list"], &elsewhere).text.matches("21610").count(),
        3
    );
    assert!(letters(&["show", "1"], &elsewhere).text.contains("21610"));
    assert!(letters(&["replay", "--id", "1"], &elsewhere).is_well());
    assert!(letters(&["purge", "--id", "2"], &elsewhere).is_well());
    assert_eq!(
        letters(&["list"], &elsewhere).text.matches("21610").count(),
        1
    );
    opt_in_unheard(&tenant);
    let relay = Relay::start(RELAY, &tenant).await;
    assert_eq!(
        sent(&tenant, 1).await,
        ["quokka one"],
        "what was replayed is sent by the next relay"
    );
    relay.stop().await;
}

/// The customer takes texts again while no relay hears of it.
fn opt_in_unheard(tenant: &Tenant) {
    let number = tenant.sandbox.options().number.clone();
    let customer = tenant.sandbox.options().customer.clone();
    tenant
        .sandbox
        .customer_sends_to(&number, &customer, "START");
}

#[rstest]
#[case("shown", &["show", "99"], 1, "no dead letter 99")]
#[case("replayed", &["replay", "--id", "99"], 1, "no dead letter 99")]
#[case("replayed by lane", &["replay", "--lane-of", "99"], 1, "no dead letter 99")]
#[case("purged", &["purge", "--id", "99"], 1, "no dead letter 99")]
#[case("purged by lane", &["purge", "--lane-of", "99"], 1, "no dead letter 99")]
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_id_is_named(
    #[case] what: &str,
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] words: &str,
) {
    let (tenant, relay) = running(RELAY).await;
    let said = letters(arguments, &place(&tenant.control(), &tenant));
    assert_eq!(said.code, Some(code), "{what}: {}", said.text);
    assert!(said.text.contains(words), "{what}: {}", said.text);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_relay_and_no_data_is_said_with_both_places() {
    let tenant = Tenant::fast().await;
    for arguments in [
        &["dead-letters", "list"][..],
        &["forget", "+15557654321"],
        &["export", "-"],
    ] {
        let said = command(RELAY, arguments, &place(NOBODY, &tenant));
        assert_eq!(said.code, Some(2), "{}", said.text);
        for words in [
            "no relay listens on 127.0.0.1:1",
            "there is no ",
            "outbox.sqlite3",
        ] {
            assert!(said.text.contains(words), "{words}: {}", said.text);
        }
    }
    assert!(!tenant.data_dir().exists(), "nothing was made by looking");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_forgotten_by_the_running_relay_and_what_is_kept_is_said() {
    let (tenant, relay) = with_three_dead_letters().await;
    let customer = tenant.sandbox.options().customer.clone();
    let here = place(&tenant.control(), &tenant);
    let said = command(RELAY, &["forget", &customer], &here);
    assert!(said.is_well(), "{}", said.text);
    for words in ["2 dead letters", "2 receipts", "kept: ids of messages"] {
        assert!(said.text.contains(words), "{words}: {}", said.text);
    }
    assert_eq!(relay.status().await["deadLetters"], 1);
    let again = command(RELAY, &["forget", &customer], &here);
    assert!(
        again.text.contains("nothing of this customer was here"),
        "{}",
        again.text
    );
    // Life goes on.
    let before = tenant.sandbox.log().genesys_inbound.len();
    tenant.sandbox.customer_sends(&customer, "quokka").await;
    on_the_desk(&tenant, before + 1).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_number_is_not_forgotten_by_mistake() {
    let (tenant, relay) = with_three_dead_letters().await;
    let here = place(&tenant.control(), &tenant);
    let digits = tenant
        .sandbox
        .options()
        .customer
        .trim_start_matches('+')
        .to_owned();
    for wrong in [digits.as_str(), "12345", "whatsapp:x"] {
        let said = command(RELAY, &["forget", wrong], &here);
        assert_eq!(said.code, Some(2), "{}", said.text);
        assert!(said.text.contains("E.164"), "{}", said.text);
        assert!(!said.text.contains(&digits), "{}", said.text);
    }
    let said = command(RELAY, &["forget", "12345", "--opaque"], &here);
    assert!(said.is_well(), "{}", said.text);
    assert_eq!(relay.status().await["deadLetters"], 3);
    relay.stop().await;
}
