//! Planted faults: what goes wrong, where, and how often.
//!
//! A fault is a rule. Each request and each webhook asks once which rules apply to it ([`Faults::plan`]); deciding is
//! pure but for the random number, and spends the rule's count. A rule whose effect makes no sense at its endpoint
//! (a duplicated token request) is refused by [`Faults::check`].

mod plan;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use plan::{Instead, Lost, Plan};

/// All planted faults. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// The rules. All that apply are combined; of two answers the first wins.
    pub rules: Vec<Fault>,
}

/// One planted fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Names the switch of the page that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where.
    pub endpoint: Endpoint,
    /// What.
    pub effect: Effect,
    /// So many times more; without it, until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Each time with this probability (0 to 1); without it, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Only for this customer's messages; without it, for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
}

/// Where a fault applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// Every request to Genesys.
    GenesysApi,
    /// `POST /oauth/token`.
    GenesysToken,
    /// Inbound messages, both wire profiles.
    GenesysMessage,
    /// Inbound events.
    GenesysEvent,
    /// Receipts.
    GenesysReceipt,
    /// Reading and changing integrations.
    GenesysIntegrations,
    /// The webhook with the agent's message.
    GenesysWebhook,
    /// Every request to Twilio.
    TwilioApi,
    /// `POST Messages.json`.
    TwilioSend,
    /// `GET Messages.json`.
    TwilioList,
    /// `GET Messages/{sid}.json`.
    TwilioFetch,
    /// `IncomingPhoneNumbers`.
    TwilioNumbers,
    /// `GET Accounts/{sid}.json`.
    TwilioAccount,
    /// Messaging Services and their pools.
    TwilioServices,
    /// The webhook with the customer's message.
    TwilioWebhook,
    /// Status callbacks. A count counts messages, not callbacks.
    TwilioCallback,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Answered with this status; nothing is done. Without a body, the platform's own error body.
    Status {
        /// 400 to 599.
        status: u16,
        /// Replaces the body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// Answered 429 with `Retry-After`; nothing is done.
    RateLimited {
        /// Seconds; not scaled.
        retry_after: u32,
    },
    /// Waits before anything is done.
    Latency {
        /// Milliseconds; not scaled.
        millis: u64,
    },
    /// The connection ends before anything is done.
    Refused,
    /// Everything is done, then the connection ends or the status says 5xx.
    LostAnswer {
        /// A status to answer with; without it, the connection ends without a byte.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// All tokens issued so far die, this request's own included.
    TokensDie,
    /// Tokens issued now live so long, whatever `expires_in` says.
    ShortTokens {
        /// Seconds; not scaled.
        seconds: u32,
    },
    /// Each webhook is sent twice.
    Duplicated,
    /// `delivered` before `sent`; and a message's webhook does not wait for the one before it.
    Reordered,
    /// The first status callback is sent, and answered, before the 201.
    BeforeAnswer,
    /// Webhooks wait until the fault is removed.
    Held,
    /// Twilio's list is not true.
    Untrue {
        /// What it does to messages.
        how: Untruth,
        /// Only to those made within so many milliseconds; without it, to all. Not scaled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        younger_than: Option<u64>,
    },
    /// The carrier ends the message with this status.
    FinalStatus {
        /// `delivered`, `undelivered` or `failed`; or `sent`, then nothing follows.
        status: FinalStatus,
        /// `ErrorCode`, such as 30003.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_code: Option<u32>,
    },
}

/// What is wrong with Twilio's list of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untruth {
    /// Messages are not in it.
    Missing,
    /// Their bodies are empty.
    Redacted,
    /// Their bodies are others.
    Altered,
    /// They name no sender, as behind a Messaging Service that has not picked one.
    Senderless,
    /// They come in any order, the same on every page.
    Unordered,
}

/// How a message may end at the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalStatus {
    /// The carrier never says more.
    Sent,
    /// On the handset.
    Delivered,
    /// The carrier's receipt is negative.
    Undelivered,
    /// It never left Twilio.
    Failed,
}

/// A rule that can't be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The effect has no meaning there.
    #[error("rule {rule}: the effect {effect} has no meaning at {endpoint}")]
    Nonsense {
        /// Index of the rule.
        rule: usize,
        /// The effect.
        effect: String,
        /// The endpoint.
        endpoint: String,
    },
    /// A probability below 0 or above 1.
    #[error("rule {rule}: a probability is between 0 and 1")]
    Probability {
        /// Index of the rule.
        rule: usize,
    },
    /// A status that is no error.
    #[error("rule {rule}: a status is between 400 and 599")]
    Status {
        /// Index of the rule.
        rule: usize,
    },
}

impl Fault {
    /// A fault that happens always, until it is removed.
    pub fn new(endpoint: Endpoint, effect: Effect) -> Self {
        Self {
            name: None,
            endpoint,
            effect,
            count: None,
            probability: None,
            customer: None,
        }
    }

    /// Twilio's list as it may be and yet be called truthful: in any order, and of messages made within so many
    /// milliseconds each may be missing, redacted or altered. Every second question meets each of it.
    pub fn truthful_list(within: u64) -> [Self; 4] {
        let untrue = |how, younger_than| {
            Self::new(Endpoint::TwilioList, Effect::Untrue { how, younger_than })
                .with_probability(0.5)
        };
        [
            untrue(Untruth::Unordered, None),
            untrue(Untruth::Missing, Some(within)),
            untrue(Untruth::Redacted, Some(within)),
            untrue(Untruth::Altered, Some(within)),
        ]
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Only with this probability.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    /// Only for this customer.
    #[must_use]
    pub fn for_customer(mut self, customer: impl Into<String>) -> Self {
        self.customer = Some(customer.into());
        self
    }

    fn covers(&self, endpoint: Endpoint, customer: Option<&str>) -> bool {
        self.endpoint.covers(endpoint)
            && self
                .customer
                .as_deref()
                .is_none_or(|only| customer == Some(only))
    }
}

impl<const N: usize> From<[Fault; N]> for Faults {
    fn from(rules: [Fault; N]) -> Self {
        Self {
            rules: rules.into(),
        }
    }
}

impl From<Fault> for Faults {
    fn from(rule: Fault) -> Self {
        Self { rules: vec![rule] }
    }
}

impl Faults {
    /// Refuses rules without meaning.
    pub fn check(&self) -> Result<(), FaultError> {
        for (rule, fault) in self.rules.iter().enumerate() {
            if fault.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
                return Err(FaultError::Probability { rule });
            }
            if let Effect::Status { status, .. }
            | Effect::LostAnswer {
                status: Some(status),
            } = fault.effect
                && !(400..=599).contains(&status)
            {
                return Err(FaultError::Status { rule });
            }
            if !fault.effect.makes_sense_at(fault.endpoint) {
                return Err(FaultError::Nonsense {
                    rule,
                    effect: format!("{:?}", fault.effect),
                    endpoint: format!("{:?}", fault.endpoint),
                });
            }
        }
        Ok(())
    }

    /// Decides what happens to one request or webhook, and spends the counts of the rules that apply.
    pub(crate) fn plan(
        &mut self,
        endpoint: Endpoint,
        customer: Option<&str>,
        rng: &mut impl rand::Rng,
    ) -> Plan {
        let mut plan = Plan::default();
        for fault in &mut self.rules {
            if !fault.covers(endpoint, customer) || fault.count == Some(0) {
                continue;
            }
            if fault
                .probability
                .is_some_and(|p| !rng.random_bool(p.clamp(0.0, 1.0)))
            {
                continue;
            }
            fault.count = fault.count.map(|count| count - 1);
            plan.add(&fault.effect);
        }
        plan
    }

    /// Whether a rule still holds webhooks back there. A spent count holds what it caught.
    pub(crate) fn holds(&self, endpoint: Endpoint, customer: Option<&str>) -> bool {
        self.rules
            .iter()
            .any(|fault| fault.effect == Effect::Held && fault.covers(endpoint, customer))
    }
}

impl Endpoint {
    /// A platform's API as a whole covers its endpoints, but not its webhooks.
    fn covers(self, other: Self) -> bool {
        self == other
            || match self {
                Self::GenesysApi => other.is_genesys_api(),
                Self::TwilioApi => other.is_twilio_api(),
                _ => false,
            }
    }

    fn is_genesys_api(self) -> bool {
        matches!(
            self,
            Self::GenesysApi
                | Self::GenesysToken
                | Self::GenesysMessage
                | Self::GenesysEvent
                | Self::GenesysReceipt
                | Self::GenesysIntegrations
        )
    }

    fn is_twilio_api(self) -> bool {
        matches!(
            self,
            Self::TwilioApi
                | Self::TwilioSend
                | Self::TwilioList
                | Self::TwilioFetch
                | Self::TwilioNumbers
                | Self::TwilioAccount
                | Self::TwilioServices
        )
    }

    fn is_webhook(self) -> bool {
        !self.is_genesys_api() && !self.is_twilio_api()
    }
}

impl Effect {
    fn makes_sense_at(&self, endpoint: Endpoint) -> bool {
        match self {
            Self::Status { .. }
            | Self::RateLimited { .. }
            | Self::Refused
            | Self::LostAnswer { .. } => !endpoint.is_webhook(),
            Self::Latency { .. } => true,
            Self::TokensDie => endpoint.is_genesys_api(),
            Self::ShortTokens { .. } => {
                matches!(endpoint, Endpoint::GenesysApi | Endpoint::GenesysToken)
            }
            Self::Duplicated | Self::Reordered | Self::Held => endpoint.is_webhook(),
            Self::BeforeAnswer => endpoint == Endpoint::TwilioCallback,
            Self::Untrue { .. } => endpoint == Endpoint::TwilioList,
            Self::FinalStatus { .. } => {
                matches!(
                    endpoint,
                    Endpoint::TwilioApi | Endpoint::TwilioSend | Endpoint::TwilioCallback
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rstest::rstest;

    use super::*;

    fn refused() -> Effect {
        Effect::Refused
    }

    #[test]
    fn a_count_is_spent_only_by_what_it_applies_to() {
        let mut faults = Faults::from(
            Fault::new(Endpoint::TwilioSend, refused())
                .times(2)
                .for_customer("+1"),
        );
        let mut rng = StdRng::seed_from_u64(0);
        let mut hit =
            |endpoint, customer| faults.plan(endpoint, customer, &mut rng).instead.is_some();
        assert!(!hit(Endpoint::TwilioList, Some("+1")));
        assert!(!hit(Endpoint::TwilioSend, Some("+2")));
        assert!(!hit(Endpoint::TwilioSend, None));
        assert!(hit(Endpoint::TwilioSend, Some("+1")));
        assert!(hit(Endpoint::TwilioSend, Some("+1")));
        assert!(!hit(Endpoint::TwilioSend, Some("+1")), "the count is spent");
    }

    #[test]
    fn a_probability_is_kept_roughly_and_the_same_seed_repeats_it() {
        let run = |seed| {
            let mut faults =
                Faults::from(Fault::new(Endpoint::TwilioApi, refused()).with_probability(0.3));
            let mut rng = StdRng::seed_from_u64(seed);
            (0..1000)
                .map(|_| {
                    faults
                        .plan(Endpoint::TwilioSend, None, &mut rng)
                        .instead
                        .is_some()
                })
                .collect()
        };
        let first: Vec<bool> = run(7);
        assert_eq!(first, run(7));
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((200..400).contains(&hits), "{hits}");
    }

    #[rstest]
    #[case(Endpoint::GenesysApi, Endpoint::GenesysToken, true)]
    #[case(Endpoint::GenesysApi, Endpoint::GenesysReceipt, true)]
    #[case(Endpoint::GenesysApi, Endpoint::GenesysWebhook, false)]
    #[case(Endpoint::GenesysApi, Endpoint::TwilioSend, false)]
    #[case(Endpoint::TwilioApi, Endpoint::TwilioNumbers, true)]
    #[case(Endpoint::TwilioApi, Endpoint::TwilioCallback, false)]
    #[case(Endpoint::TwilioSend, Endpoint::TwilioList, false)]
    fn a_platform_covers_its_endpoints_but_not_its_webhooks(
        #[case] rule: Endpoint,
        #[case] endpoint: Endpoint,
        #[case] covers: bool,
    ) {
        assert_eq!(rule.covers(endpoint), covers);
    }

    #[rstest]
    #[case(Fault::new(Endpoint::GenesysToken, Effect::Duplicated), false)]
    #[case(Fault::new(Endpoint::TwilioCallback, Effect::Duplicated), true)]
    #[case(Fault::new(Endpoint::TwilioSend, Effect::TokensDie), false)]
    #[case(Fault::new(Endpoint::TwilioWebhook, refused()), false)]
    #[case(Fault::new(Endpoint::TwilioApi, Effect::Untrue { how: Untruth::Missing, younger_than: None }), false)]
    #[case(Fault::new(Endpoint::TwilioList, Effect::Untrue { how: Untruth::Missing, younger_than: None }), true)]
    #[case(Fault::new(Endpoint::TwilioWebhook, Effect::BeforeAnswer), false)]
    #[case(Fault::new(Endpoint::TwilioSend, refused()).with_probability(1.5), false)]
    #[case(Fault::new(Endpoint::TwilioSend, Effect::Status { status: 200, body: None }), false)]
    #[case(Fault::new(Endpoint::TwilioSend, Effect::Status { status: 503, body: None }), true)]
    #[case(Fault::new(Endpoint::TwilioSend, Effect::LostAnswer { status: Some(500) }), true)]
    fn a_rule_without_meaning_is_refused(#[case] fault: Fault, #[case] fine: bool) {
        assert_eq!(Faults::from(fault).check().is_ok(), fine);
    }

    #[test]
    fn the_wire_form_is_readable_and_takes_no_unknown_field() {
        let json = serde_json::json!({"rules": [
            {"endpoint": "twilio-send", "effect": {"lost_answer": {}}, "count": 1},
            {"endpoint": "twilio-callback", "effect": "held"},
            {"endpoint": "genesys-api", "effect": {"rate_limited": {"retry_after": 2}}, "probability": 0.5},
        ]});
        let faults: Faults = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&faults).unwrap(), json);
        let unknown = serde_json::json!({"rules": [{"endpoint": "twilio-send", "effect": "refused", "cuont": 1}]});
        assert!(serde_json::from_value::<Faults>(unknown).is_err());
    }
}
