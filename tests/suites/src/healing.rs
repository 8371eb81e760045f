//! What the suites of healing share: a relay that looks for missed messages often, and platforms that lose webhooks.

use std::time::Duration;

use messaging_bridge_sandbox::{GenesysInbound, Platform};
use serde_json::Value;
use url::Url;

use crate::process::Relay;
use crate::tenant::Tenant;
use crate::{SOON, eventually};

/// Looks often, at messages that are hardly young.
pub const OFTEN: [(&str, &str); 2] = [("MB_HEAL_EVERY_MS", "400"), ("MB_HEAL_YOUNG_MS", "1000")];

/// Starts a relay with these timings and waits until it has looked once.
pub async fn start(binary: &str, tenant: &Tenant, environment: &[(&str, &str)]) -> Relay {
    let relay = Relay::start_with(binary, tenant, environment).await;
    looked(&relay).await;
    relay
}

/// Waits until Twilio's list was read to its end once since the start.
pub async fn looked(relay: &Relay) {
    eventually("the list was read", SOON, || async {
        relay.status().await["gaps"]["lastCompletePassTime"]
            .is_string()
            .then_some(())
    })
    .await;
}

/// Waits until these messages are on the agents' desk, and returns all that is there.
pub async fn on_the_desk(tenant: &Tenant, sids: &[String]) -> Vec<GenesysInbound> {
    eventually("all messages are on the desk", SOON, || async {
        let seen = tenant.sandbox.log().genesys_inbound;
        let is_there = |sid: &String| {
            seen.iter()
                .any(|seen| seen.message_id.as_deref() == Some(sid))
        };
        sids.iter().all(is_there).then_some(seen)
    })
    .await
}

/// A customer texts, and the webhook is lost: nobody can be reached. Returns once Twilio has given up.
pub async fn lost_text(tenant: &Tenant, customer: &str, text: &str) -> String {
    let sid = tenant.sandbox.customer_sends(customer, text).await;
    given_up(tenant, &sid).await;
    sid
}

/// So many texts, of these customers in turn, of which no webhook arrives: nobody can be reached. Returns once Twilio has
/// given them up.
pub async fn lost_texts(
    tenant: &Tenant,
    customers: &[&str],
    count: usize,
    pause: Duration,
) -> Vec<String> {
    let mut sids = Vec::new();
    for number in 0..count {
        let customer = customers[number % customers.len()];
        let text = format!("quokka {number:03}");
        sids.push(tenant.sandbox.customer_sends(customer, &text).await);
        tokio::time::sleep(pause).await;
    }
    for sid in &sids {
        given_up(tenant, sid).await;
    }
    sids
}

/// Waits until Twilio has tried a message's webhook as often as its address says, in vain.
pub async fn given_up(tenant: &Tenant, sid: &str) {
    eventually("Twilio gave up", SOON, || async {
        let log = tenant.sandbox.log();
        let tries = log
            .webhooks
            .iter()
            .filter(|tried| tried.platform == Platform::Twilio && tried.message_id == sid);
        (tries.count() >= 2).then_some(())
    })
    .await;
}

/// Cuts the way to the relay: whoever connects is refused.
///
/// # Panics
///
/// When the machine has no free port.
pub fn cut(tenant: &Tenant) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let nowhere = Url::parse(&format!("http://127.0.0.1:{port}")).expect("a valid URL");
    tenant.sandbox.connect("bridge.example.com", nowhere);
}

/// Mends the way to the relay.
pub fn mend(tenant: &Tenant) {
    tenant
        .sandbox
        .connect("bridge.example.com", tenant.public());
}

/// The texts of one customer on the desk, in order.
pub fn texts_of(seen: &[GenesysInbound], customer: &str) -> Vec<String> {
    seen.iter()
        .filter(|seen| seen.customer == customer)
        .map(|seen| seen.text.clone())
        .collect()
}

/// Whether a message is marked as late.
pub fn is_late(seen: &GenesysInbound) -> bool {
    seen.attributes
        .get("twilioLate")
        .is_some_and(|late| late == "true")
}

/// A counter in the status of gaps.
pub async fn gaps(relay: &Relay) -> Value {
    relay.status().await["gaps"].clone()
}

/// A while in which something would have happened.
pub async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}
