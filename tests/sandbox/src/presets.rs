//! The faults that the page offers as switches.

use serde::Serialize;

use crate::faults::{Effect, Endpoint, Fault, Faults, FinalStatus};
use crate::log::Platform;

/// One switch of the page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Switch {
    pub(crate) name: &'static str,
    pub(crate) platform: Platform,
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
    pub(crate) on: bool,
}

struct Preset {
    name: &'static str,
    platform: Platform,
    label: &'static str,
    help: &'static str,
    rule: fn() -> Fault,
}

const PRESETS: [Preset; 12] = [
    Preset {
        name: "twilio-down",
        platform: Platform::Twilio,
        label: "API down",
        help: "Every request is answered 503",
        rule: || {
            Fault::new(
                Endpoint::TwilioApi,
                Effect::Status {
                    status: 503,
                    body: None,
                },
            )
        },
    },
    Preset {
        name: "twilio-busy",
        platform: Platform::Twilio,
        label: "Too many requests",
        help: "Sends get 429: try again in 5 s",
        rule: || Fault::new(Endpoint::TwilioSend, Effect::RateLimited { retry_after: 5 }),
    },
    Preset {
        name: "twilio-lost-answer",
        platform: Platform::Twilio,
        label: "Answers get lost",
        help: "The text is sent, then the connection drops",
        rule: || Fault::new(Endpoint::TwilioSend, Effect::LostAnswer { status: None }),
    },
    Preset {
        name: "callbacks-twice",
        platform: Platform::Twilio,
        label: "Callbacks twice",
        help: "Each status callback comes again",
        rule: || Fault::new(Endpoint::TwilioCallback, Effect::Duplicated),
    },
    Preset {
        name: "callbacks-reversed",
        platform: Platform::Twilio,
        label: "Callbacks reversed",
        help: "“delivered” arrives before “sent”",
        rule: || Fault::new(Endpoint::TwilioCallback, Effect::Reordered),
    },
    Preset {
        name: "callbacks-held",
        platform: Platform::Twilio,
        label: "Callbacks held back",
        help: "No status until switched off",
        rule: || Fault::new(Endpoint::TwilioCallback, Effect::Held),
    },
    Preset {
        name: "phone-off",
        platform: Platform::Twilio,
        label: "Phone unreachable",
        help: "The carrier answers undelivered, 30003",
        rule: || {
            let effect = Effect::FinalStatus {
                status: FinalStatus::Undelivered,
                error_code: Some(30003),
            };
            Fault::new(Endpoint::TwilioSend, effect)
        },
    },
    Preset {
        name: "genesys-down",
        platform: Platform::Genesys,
        label: "API down",
        help: "Every request is answered 503",
        rule: || {
            Fault::new(
                Endpoint::GenesysApi,
                Effect::Status {
                    status: 503,
                    body: None,
                },
            )
        },
    },
    Preset {
        name: "genesys-slow",
        platform: Platform::Genesys,
        label: "Slow",
        help: "Every request waits three seconds",
        rule: || Fault::new(Endpoint::GenesysApi, Effect::Latency { millis: 3000 }),
    },
    Preset {
        name: "genesys-busy",
        platform: Platform::Genesys,
        label: "Too many requests",
        help: "Messages get 429: try again in 5 s",
        rule: || {
            Fault::new(
                Endpoint::GenesysMessage,
                Effect::RateLimited { retry_after: 5 },
            )
        },
    },
    Preset {
        name: "genesys-lost-answer",
        platform: Platform::Genesys,
        label: "Every other answer lost",
        help: "The message is taken, then the connection drops",
        rule: || {
            Fault::new(
                Endpoint::GenesysMessage,
                Effect::LostAnswer { status: None },
            )
            .with_probability(0.5)
        },
    },
    Preset {
        name: "tokens-die",
        platform: Platform::Genesys,
        label: "Tokens die early",
        help: "Each token lives five seconds",
        rule: || Fault::new(Endpoint::GenesysToken, Effect::ShortTokens { seconds: 5 }),
    },
];

/// All switches as they stand.
pub(crate) fn switches(faults: &Faults) -> Vec<Switch> {
    let on = |name| {
        faults
            .rules
            .iter()
            .any(|rule| rule.name.as_deref() == Some(name))
    };
    PRESETS
        .iter()
        .map(|p| Switch {
            name: p.name,
            platform: p.platform,
            label: p.label,
            help: p.help,
            on: on(p.name),
        })
        .collect()
}

/// Throws a switch. False if there is none of that name.
pub(crate) fn switch(faults: &mut Faults, name: &str, on: bool) -> bool {
    let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) else {
        return false;
    };
    faults
        .rules
        .retain(|rule| rule.name.as_deref() != Some(name));
    if on {
        faults.rules.push(Fault {
            name: Some(name.to_owned()),
            ..(preset.rule)()
        });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_has_a_meaning_and_goes_off_again() {
        let mut faults = Faults::default();
        for preset in &PRESETS {
            assert!(switch(&mut faults, preset.name, true));
        }
        assert_eq!(faults.check(), Ok(()));
        assert!(switches(&faults).iter().all(|switch| switch.on));
        for preset in &PRESETS {
            assert!(switch(&mut faults, preset.name, false));
        }
        assert_eq!(faults, Faults::default());
    }

    #[test]
    fn an_unknown_switch_changes_nothing() {
        assert!(!switch(&mut Faults::default(), "coffee-machine", true));
    }

    #[test]
    fn throwing_a_switch_leaves_planted_rules_alone() {
        let mut faults = Faults::from(Fault::new(Endpoint::TwilioSend, Effect::Refused).times(1));
        switch(&mut faults, "twilio-down", true);
        switch(&mut faults, "twilio-down", false);
        assert_eq!(faults.rules.len(), 1);
    }
}
