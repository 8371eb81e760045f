//! Many lost answers at once, with a list that is truthful: whatever the chance, no message ends unresolved, none is
//! sent twice, and each conversation keeps its order.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, Faults};
use messaging_bridge_suites::doubt::resolved;
use messaging_bridge_suites::eventually;
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::{SettleWaits, Spec, Tenant, fast};

use crate::RELAY;
const CUSTOMERS: usize = 12;
const MESSAGES: usize = 6;

/// Six messages of a conversation, each of which may take several searches.
const PATIENCE: Duration = Duration::from_mins(4);

/// After so many milliseconds the list is complete and unaltered: half of what the relay waits, as in reality.
const TRUE_AFTER: u64 = 1_500;

#[tokio::test(flavor = "multi_thread")]
async fn with_a_truthful_list_nothing_ends_unresolved_and_nothing_is_sent_twice() {
    let spec = Spec {
        waits: SettleWaits {
            callback: 500,
            listings: 3_000,
        },
        ..Spec::default()
    };
    for seed in [1, 2] {
        let options = messaging_bridge_sandbox::Options { seed, ..fast() };
        let tenant = Tenant::new(options, spec.clone()).await;
        let relay = Relay::start(RELAY, &tenant).await;
        resolved(&relay).await;
        tenant.sandbox.set_faults(hostile());
        let texts = write(&tenant).await;
        let all = CUSTOMERS * MESSAGES;
        eventually("everything is sent", PATIENCE, || async {
            (tenant.sandbox.log().twilio_sends.len() >= all).then_some(())
        })
        .await;
        relay.until_drained(PATIENCE).await;
        let log = tenant.sandbox.log();
        for (customer, expected) in texts {
            let sent: Vec<&str> = log
                .twilio_sends
                .iter()
                .filter(|send| send.to == customer)
                .map(|send| send.body.as_str())
                .collect();
            assert_eq!(sent, expected, "seed {seed}");
        }
        let status = relay.status().await;
        assert_eq!(status["deadLetters"], 0, "seed {seed}: {status}");
        let failed = log
            .genesys_receipts
            .iter()
            .filter(|receipt| receipt.status == "Failed");
        assert_eq!(failed.count(), 0, "seed {seed}");
        relay.stop().await;
    }
}

/// Half of the answers are lost or never were, a third of the callbacks never come, the list is as bad as it may be.
fn hostile() -> Faults {
    let broken = Effect::Status {
        status: 500,
        body: None,
    };
    let mut rules = vec![
        Fault::new(Endpoint::TwilioSend, broken).with_probability(0.2),
        Fault::new(Endpoint::TwilioSend, Effect::LostAnswer { status: None }).with_probability(0.3),
        Fault::new(
            Endpoint::TwilioSend,
            Effect::LostAnswer { status: Some(502) },
        )
        .with_probability(0.1),
        Fault::new(Endpoint::TwilioCallback, Effect::Held).with_probability(0.3),
        Fault::new(Endpoint::TwilioCallback, Effect::Reordered).with_probability(0.3),
        Fault::new(Endpoint::TwilioCallback, Effect::Duplicated).with_probability(0.3),
        Fault::new(
            Endpoint::TwilioList,
            Effect::Status {
                status: 503,
                body: None,
            },
        )
        .with_probability(0.1),
    ];
    rules.extend(Fault::truthful_list(TRUE_AFTER));
    Faults { rules }
}

/// Every second text of a conversation has the same words.
async fn write(tenant: &Tenant) -> Vec<(String, Vec<String>)> {
    let mut texts = Vec::new();
    for customer in 0..CUSTOMERS {
        let customer = format!("+155576540{customer:02}");
        let mut expected = Vec::new();
        for number in 0..MESSAGES {
            let text = match number % 2 {
                0 => format!("quokka {number}"),
                _ => "quokka ok".to_owned(),
            };
            tenant.sandbox.agent_sends(&customer, &text).await;
            expected.push(text);
        }
        texts.push((customer, expected));
    }
    texts
}
