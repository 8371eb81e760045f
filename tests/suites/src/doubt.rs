//! What the suites of lost answers share: how an answer gets lost, what Twilio was sent, and how often it was asked.

use messaging_bridge_sandbox::{
    Effect, Endpoint, Fault, Faults, Platform, PlatformRequest, ReceiptSeen, Untruth,
};

use crate::process::Relay;
use crate::tenant::{SettleWaits, Spec, Tenant, fast};
use crate::{SOON, eventually};

/// Waits in which nothing is listed before a test is over.
pub const PATIENT: SettleWaits = SettleWaits {
    callback: 600_000,
    listings: 600_000,
};

/// A tenant, its relay, and its customer.
pub async fn running(binary: &str, spec: Spec) -> (Tenant, Relay, String) {
    let tenant = Tenant::new(fast(), spec).await;
    let relay = Relay::start(binary, &tenant).await;
    resolved(&relay).await;
    let customer = tenant.sandbox.options().customer.clone();
    (tenant, relay, customer)
}

/// Waits until the relay knows its integration: before that Genesys is answered 503.
pub async fn resolved(relay: &Relay) {
    eventually("the integration is resolved", SOON, || async {
        relay.status().await["integrationId"]
            .is_string()
            .then_some(())
    })
    .await;
}

/// The text is sent, and nobody is told: neither by an answer nor by a callback.
pub fn lost() -> [Fault; 2] {
    [
        Fault::new(Endpoint::TwilioSend, Effect::LostAnswer { status: None }).times(1),
        Fault::new(Endpoint::TwilioCallback, Effect::Held),
    ]
}

/// Twilio breaks down before it sends anything.
pub fn not_done() -> Fault {
    let effect = Effect::Status {
        status: 500,
        body: None,
    };
    Fault::new(Endpoint::TwilioSend, effect).times(1)
}

/// Twilio's list is wrong in this way.
pub fn untrue(how: Untruth) -> Fault {
    let effect = Effect::Untrue {
        how,
        younger_than: None,
    };
    Fault::new(Endpoint::TwilioList, effect)
}

/// All of these.
pub fn faults(rules: impl IntoIterator<Item = Fault>) -> Faults {
    Faults {
        rules: rules.into_iter().collect(),
    }
}

/// What Twilio was sent, in order.
pub fn bodies(tenant: &Tenant) -> Vec<String> {
    let sends = tenant.sandbox.log().twilio_sends;
    sends.into_iter().map(|send| send.body).collect()
}

/// How often Twilio's list was asked for a send. Looks for customers' missed messages name a time instead of a sender.
pub fn listings(tenant: &Tenant) -> usize {
    asked(tenant, "GET")
}

/// How often Twilio was asked to send something.
pub fn posts(tenant: &Tenant) -> usize {
    asked(tenant, "POST")
}

fn asked(tenant: &Tenant, method: &str) -> usize {
    let is_that = |request: &&PlatformRequest| {
        request.platform == Platform::Twilio
            && request.method == method
            && request.path.ends_with("/Messages.json")
            && !request.query.contains_key("DateSent>")
    };
    let requests = tenant.sandbox.requests_since(0);
    requests.iter().filter(is_that).count()
}

/// Waits until the agent is told anything of this message.
pub async fn any_receipt(tenant: &Tenant, id: &str) -> ReceiptSeen {
    eventually("the agent is told", SOON, || async {
        let receipts = tenant.sandbox.log().genesys_receipts;
        receipts
            .into_iter()
            .find(|receipt| receipt.message_id == id)
    })
    .await
}
