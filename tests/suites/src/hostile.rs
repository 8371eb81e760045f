//! Mixes of faults: what both platforms do to a relay at their worst.

use std::sync::LazyLock;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, Faults, FinalStatus};
use serde_json::{Value, json};

/// A refusal that is final for its message: the customer has opted out.
static OPTED_OUT: LazyLock<Value> = LazyLock::new(
    || json!({"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}),
);

fn rule(endpoint: Endpoint, effect: Effect, probability: f64) -> Fault {
    Fault::new(endpoint, effect).with_probability(probability)
}

fn status(status: u16) -> Effect {
    Effect::Status { status, body: None }
}

/// The faults under which processes are killed: each kind now and then, so that every step is met and little waits.
pub fn now_and_then() -> Faults {
    use Endpoint as At;
    let opted_out = Effect::Status {
        status: 400,
        body: Some(OPTED_OUT.clone()),
    };
    Faults {
        rules: vec![
            rule(
                At::GenesysMessage,
                Effect::LostAnswer { status: None },
                0.05,
            ),
            rule(At::GenesysMessage, status(503), 0.03),
            rule(
                At::GenesysReceipt,
                Effect::LostAnswer { status: None },
                0.03,
            ),
            rule(At::GenesysReceipt, status(500), 0.02),
            rule(At::GenesysMessage, Effect::TokensDie, 0.01),
            rule(At::TwilioSend, Effect::LostAnswer { status: None }, 0.04),
            rule(
                At::TwilioSend,
                Effect::LostAnswer { status: Some(500) },
                0.03,
            ),
            rule(At::TwilioSend, Effect::Refused, 0.004),
            rule(
                At::TwilioSend,
                Effect::RateLimited { retry_after: 1 },
                0.004,
            ),
            rule(At::TwilioSend, opted_out, 0.02),
            rule(At::TwilioCallback, Effect::Duplicated, 0.1),
            rule(At::TwilioCallback, Effect::Reordered, 0.1),
            rule(At::TwilioCallback, Effect::BeforeAnswer, 0.1),
            rule(At::TwilioWebhook, Effect::Duplicated, 0.05),
            rule(At::GenesysWebhook, Effect::Duplicated, 0.05),
            rule(At::GenesysWebhook, Effect::Reordered, 0.05),
        ],
    }
}

/// A storm: three of ten requests and webhooks meet a fault of some kind.
///
/// What asks the whole direction for patience (429), what blocks it for a minute (a token that dies right after it was
/// refreshed) and what leaves a send in doubt for one (a 5xx that did nothing) is rarer than the others: it would only
/// make the storm longer.
pub fn storm() -> Faults {
    let rules = [towards_genesys(), towards_twilio(), of_webhooks()].concat();
    Faults { rules }
}

fn towards_genesys() -> Vec<Fault> {
    use Endpoint as At;
    vec![
        rule(
            At::GenesysMessage,
            Effect::LostAnswer { status: None },
            0.08,
        ),
        rule(
            At::GenesysMessage,
            Effect::LostAnswer { status: Some(504) },
            0.04,
        ),
        rule(At::GenesysMessage, status(503), 0.05),
        rule(At::GenesysMessage, status(500), 0.03),
        rule(At::GenesysMessage, Effect::Refused, 0.04),
        rule(At::GenesysMessage, Effect::Latency { millis: 300 }, 0.054),
        rule(At::GenesysMessage, Effect::TokensDie, 0.001),
        rule(
            At::GenesysMessage,
            Effect::RateLimited { retry_after: 1 },
            0.005,
        ),
        rule(At::GenesysReceipt, Effect::LostAnswer { status: None }, 0.1),
        rule(At::GenesysReceipt, status(503), 0.1),
        rule(At::GenesysReceipt, Effect::Refused, 0.1),
        rule(At::GenesysToken, status(503), 0.15),
        rule(At::GenesysToken, Effect::ShortTokens { seconds: 2 }, 0.15),
    ]
}

fn towards_twilio() -> Vec<Fault> {
    use Endpoint as At;
    let opted_out = Effect::Status {
        status: 400,
        body: Some(OPTED_OUT.clone()),
    };
    let undelivered = Effect::FinalStatus {
        status: FinalStatus::Undelivered,
        error_code: Some(30003),
    };
    vec![
        rule(At::TwilioSend, Effect::LostAnswer { status: None }, 0.08),
        rule(
            At::TwilioSend,
            Effect::LostAnswer { status: Some(500) },
            0.06,
        ),
        rule(At::TwilioSend, status(503), 0.005),
        rule(At::TwilioSend, Effect::Refused, 0.005),
        rule(
            At::TwilioSend,
            Effect::RateLimited { retry_after: 1 },
            0.005,
        ),
        rule(At::TwilioSend, opted_out, 0.045),
        rule(At::TwilioSend, undelivered, 0.05),
        rule(At::TwilioSend, Effect::Latency { millis: 300 }, 0.05),
        rule(At::TwilioList, status(503), 0.15),
        rule(At::TwilioList, Effect::LostAnswer { status: None }, 0.15),
    ]
}

fn of_webhooks() -> Vec<Fault> {
    use Endpoint as At;
    vec![
        rule(At::TwilioCallback, Effect::Duplicated, 0.1),
        rule(At::TwilioCallback, Effect::Reordered, 0.1),
        rule(At::TwilioCallback, Effect::BeforeAnswer, 0.1),
        rule(At::TwilioWebhook, Effect::Duplicated, 0.15),
        rule(At::TwilioWebhook, Effect::Reordered, 0.15),
        rule(At::GenesysWebhook, Effect::Duplicated, 0.15),
        rule(At::GenesysWebhook, Effect::Reordered, 0.15),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mix_is_made_of_rules_with_a_meaning() {
        assert_eq!(now_and_then().check(), Ok(()));
        assert_eq!(storm().check(), Ok(()));
    }

    #[test]
    fn in_a_storm_three_of_ten_meet_a_fault_wherever_it_blows() {
        for endpoint in [
            Endpoint::GenesysMessage,
            Endpoint::GenesysReceipt,
            Endpoint::GenesysToken,
            Endpoint::TwilioSend,
            Endpoint::TwilioList,
            Endpoint::TwilioCallback,
            Endpoint::TwilioWebhook,
            Endpoint::GenesysWebhook,
        ] {
            let share: f64 = storm()
                .rules
                .iter()
                .filter(|rule| rule.endpoint == endpoint)
                .filter_map(|rule| rule.probability)
                .sum();
            assert!((share - 0.3).abs() < 1e-9, "{endpoint:?}: {share}");
        }
    }
}
