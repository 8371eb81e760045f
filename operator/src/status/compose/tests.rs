#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use messaging_bridge_crds::ResolvedIntegration;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::dereference::{LiveChildren, SecretSeen, SecretsSeen, WorkloadSeen};
use crate::platforms::{Answer, PlatformFacts, Remembered};
use crate::relay_status::RelaySeen;
use crate::validate::ParsedSecrets;
use SecretState::{Loaded, Unusable, Waiting};

const EARLIER: &str = "2026-01-02T03:00:00Z";
const NOW: &str = "2026-01-02T03:04:05Z";

fn observed() -> Observed {
    let keys = |keys: &[(&str, &str)]| -> Arc<BTreeMap<String, Vec<u8>>> {
        let keys = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        Arc::new(keys.collect())
    };
    let seen = |name: &str, keys| SecretSeen::Keys {
        name: name.to_owned(),
        keys,
    };
    let secrets = SecretsSeen {
        genesys: seen(
            "genesys",
            keys(&[
                ("clientId", "id"),
                ("clientSecret", "s"),
                ("webhookSecret", "0123456789abcdef"),
            ]),
        ),
        twilio: seen(
            "twilio",
            keys(&[
                ("accountSid", "AC0123456789abcdef0123456789abcdef"),
                ("authToken", "t"),
            ]),
        ),
        operator: None,
    };
    Observed {
        secrets: ParsedSecrets::of(&secrets, "tenant", "tenant/acme"),
        platform: PlatformFacts::default(),
        children: LiveChildren::default(),
        workload: WorkloadSeen::default(),
        relay: RelaySeen::NotAsked,
        remembered: None,
        paused: false,
        reconcile_at: None,
        now: NOW.parse().unwrap(),
    }
}

/// All is well, and nothing is built yet.
fn validation() -> Validation {
    let verdict = |reason| Verdict::new(reason, "words");
    Validation {
        accepted: verdict(Reason::Accepted),
        credentials: verdict(Reason::Valid),
        integration: verdict(Reason::Resolved),
        webhooks: verdict(Reason::Configured),
        resolved: None,
        urls: None,
        build: None,
    }
}

fn composed(
    before: &MessagingBridgeStatus,
    observed: &Observed,
    validation: &Validation,
    trouble: Option<&ApplyError>,
) -> MessagingBridgeStatus {
    let inputs = Inputs {
        generation: 3,
        observed,
        validation,
        trouble,
    };
    compose(before, &inputs)
}

/// `status/reason` of a condition.
fn says(status: &MessagingBridgeStatus, kind: ConditionType) -> String {
    let condition = status.condition(kind).unwrap();
    format!("{}/{}", condition.status, condition.reason)
}

fn relay_says(fingerprints: [&str; 2]) -> RelaySeen {
    let [genesys, twilio] = fingerprints;
    RelaySeen::Seen(
        serde_json::from_value(json!({
            "lanes": [
                {"direction": "inbound", "backlog": 2, "oldestPendingTime": "2026-01-02T03:04:00Z"},
                {"direction": "outbound", "backlog": 1, "oldestPendingTime": "2026-01-02T03:03:00Z"},
            ],
            "deadLetters": 4,
            "twilio": {"lastWebhookTime": "2026-01-02T03:04:01Z"},
            "secrets": {"genesys": genesys, "twilio": twilio},
        }))
        .unwrap(),
    )
}

#[test]
fn every_condition_is_there_from_the_first_write() {
    let status = composed(
        &MessagingBridgeStatus::default(),
        &observed(),
        &validation(),
        None,
    );
    let wanted = ConditionType::ALL
        .into_iter()
        .filter(|kind| *kind != ConditionType::Stalled);
    let there: Vec<&str> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(there, wanted.map(ConditionType::as_str).collect::<Vec<_>>());
    for condition in &status.conditions {
        assert_eq!(condition.observed_generation, Some(3));
        assert!(!condition.message.is_empty(), "{}", condition.type_);
    }
    assert_eq!(status.observed_generation, 3);
}

#[test]
fn the_same_again_changes_not_a_byte() {
    let mut later = observed();
    let first = composed(
        &MessagingBridgeStatus::default(),
        &later,
        &validation(),
        None,
    );
    later.now = "2026-01-02T04:00:00Z".parse().unwrap();
    assert_eq!(composed(&first, &later, &validation(), None), first);
}

#[test]
fn a_transition_time_changes_with_the_status_alone() {
    let mut earlier = observed();
    earlier.now = EARLIER.parse().unwrap();
    let first = composed(
        &MessagingBridgeStatus::default(),
        &earlier,
        &validation(),
        None,
    );
    let changed = Validation {
        credentials: Verdict::new(Reason::SecretMissing, "words"),
        integration: Verdict::new(Reason::Resolved, "other words"),
        ..validation()
    };
    let next = composed(&first, &observed(), &changed, None);
    let since = |kind| {
        let condition: &Condition = next.condition(kind).unwrap();
        condition.last_transition_time.0.to_string()
    };
    assert_eq!(since(ConditionType::CredentialsValid), NOW);
    assert_eq!(since(ConditionType::IntegrationResolved), EARLIER);
    assert_eq!(
        says(&next, ConditionType::Stalled),
        "True/SecretMissing",
        "the user is needed"
    );
}

#[test]
fn what_is_mended_stalls_no_more() {
    let wrong = Validation {
        integration: Verdict::new(Reason::NotFound, "words"),
        ..validation()
    };
    let first = composed(&MessagingBridgeStatus::default(), &observed(), &wrong, None);
    assert!(first.condition(ConditionType::Stalled).is_some());
    let next = composed(&first, &observed(), &validation(), None);
    assert!(next.condition(ConditionType::Stalled).is_none());
}

fn named(kind: &str) -> ApplyError {
    let (object, name, message) = ("Service".to_owned(), "acme".to_owned(), "no".to_owned());
    match kind {
        "taken" => ApplyError::NameTaken { kind: object, name },
        "refused" => ApplyError::Refused {
            kind: object,
            name,
            message,
        },
        "small" => ApplyError::VolumeNotGrowable {
            name,
            size: "2Gi".to_owned(),
            message,
        },
        _ => ApplyError::Leaving { kind: object, name },
    }
}

#[rstest]
#[case::taken("taken", "False/NameTaken")]
#[case::refused("refused", "False/ApplyFailed")]
#[case::cannot_grow("small", "False/ApplyFailed")]
#[case::leaving("leaving", "True/Accepted")]
fn what_cannot_be_applied_is_told_unless_it_passes(#[case] trouble: &str, #[case] expected: &str) {
    let error = named(trouble);
    let status = composed(
        &MessagingBridgeStatus::default(),
        &observed(),
        &validation(),
        Some(&error),
    );
    assert_eq!(says(&status, ConditionType::Accepted), expected);
}

#[test]
fn counters_are_the_relays_and_stand_while_it_is_not_heard() {
    let mut seen = observed();
    seen.relay = relay_says(["x", "y"]);
    let status = composed(
        &MessagingBridgeStatus::default(),
        &seen,
        &validation(),
        None,
    );
    assert_eq!(status.backlog, Some(3));
    assert_eq!(status.dead_letters, Some(4));
    let oldest = status.oldest_pending_time.clone().unwrap();
    assert_eq!(oldest.0.to_string(), "2026-01-02T03:03:00Z");
    assert!(status.last_twilio_webhook_time.is_some());
    assert!(status.last_genesys_webhook_time.is_none());
    seen.relay = unheard(3);
    let next = composed(&status, &seen, &validation(), None);
    assert_eq!(next.backlog, status.backlog);
    assert_eq!(next.oldest_pending_time, status.oldest_pending_time);
    assert_eq!(
        next.last_twilio_webhook_time,
        status.last_twilio_webhook_time
    );
    assert_eq!(
        says(&next, ConditionType::Delivering),
        "Unknown/RelayUnreachable"
    );
}

fn unheard(times: u32) -> RelaySeen {
    RelaySeen::Unreachable {
        why: "it does not answer in time".to_owned(),
        times,
    }
}

#[rstest]
#[case::once(relay_says(["x", "y"]), unheard(1), "True/Flowing")]
#[case::twice(relay_says(["x", "y"]), unheard(2), "True/Flowing")]
#[case::three_times(relay_says(["x", "y"]), unheard(3), "Unknown/RelayUnreachable")]
#[case::never_heard_before(RelaySeen::NotAsked, unheard(1), "Unknown/RelayUnreachable")]
#[case::it_does_not_run(relay_says(["x", "y"]), RelaySeen::NotAsked, "Unknown/Pending")]
fn a_relay_s_last_word_stands_until_three_looks_were_in_vain(
    #[case] first: RelaySeen,
    #[case] then: RelaySeen,
    #[case] expected: &str,
) {
    let mut seen = observed();
    seen.relay = first;
    let before = composed(
        &MessagingBridgeStatus::default(),
        &seen,
        &validation(),
        None,
    );
    seen.relay = then;
    let status = composed(&before, &seen, &validation(), None);
    assert_eq!(says(&status, ConditionType::Delivering), expected);
}

fn states(status: &MessagingBridgeStatus) -> Vec<(&str, SecretState)> {
    status
        .secrets
        .iter()
        .map(|secret| (secret.name.as_str(), secret.state))
        .collect()
}

#[test]
fn a_secret_is_loaded_when_the_relay_says_so_and_at_no_other_time() {
    let mut seen = observed();
    let fingerprint = seen
        .secrets
        .genesys
        .content
        .as_ref()
        .unwrap()
        .fingerprint
        .clone();
    seen.relay = relay_says([&fingerprint, "older"]);
    let status = composed(
        &MessagingBridgeStatus::default(),
        &seen,
        &validation(),
        None,
    );
    assert_eq!(states(&status), [("genesys", Loaded), ("twilio", Waiting)]);
    // The Secret may have changed since the relay was last heard.
    seen.relay = RelaySeen::NotAsked;
    let next = composed(&status, &seen, &validation(), None);
    assert_eq!(states(&next), [("genesys", Waiting), ("twilio", Waiting)]);
    // One that cannot be read for a moment says nothing about its values.
    seen.secrets.genesys.content = Err(Verdict::new(Reason::Pending, "words"));
    seen.secrets.twilio.content = Err(Verdict::new(Reason::SecretMissing, "words"));
    let next = composed(&status, &seen, &validation(), None);
    assert_eq!(states(&next), [("genesys", Loaded), ("twilio", Unusable)]);
}

#[test]
fn one_secret_for_both_sides_is_as_far_as_the_side_that_is_behind() {
    let mut seen = observed();
    let fingerprint = seen
        .secrets
        .genesys
        .content
        .as_ref()
        .unwrap()
        .fingerprint
        .clone();
    seen.secrets.twilio.name = "genesys".to_owned();
    seen.relay = relay_says([&fingerprint, "older"]);
    let status = composed(
        &MessagingBridgeStatus::default(),
        &seen,
        &validation(),
        None,
    );
    assert_eq!(states(&status), [("genesys", Waiting)]);
}

/// A platform that has failed so many times in a row.
fn silent<T>(times: usize) -> Remembered<T> {
    let mut remembered = Remembered::default();
    for _ in 0..times {
        remembered.hear(Answer::None("no answer".to_owned()));
    }
    remembered
}

/// What a status says of `credentials` after another one, at this generation each.
fn credentials_after(
    (known, generation): (Reason, i64),
    platform: PlatformFacts,
    then: Reason,
) -> String {
    let credentials = |reason| Validation {
        credentials: Verdict::new(reason, "words"),
        ..validation()
    };
    let inputs = Inputs {
        generation,
        observed: &observed(),
        validation: &credentials(known),
        trouble: None,
    };
    let before = compose(&MessagingBridgeStatus::default(), &inputs);
    let mut seen = observed();
    seen.platform = platform;
    let status = composed(&before, &seen, &credentials(then), None);
    says(&status, ConditionType::CredentialsValid)
}

fn without_a_token(failures: usize) -> PlatformFacts {
    PlatformFacts {
        token: silent(failures),
        ..PlatformFacts::default()
    }
}

#[rstest]
#[case::once_after_a_restart((Reason::Valid, 3), 1, "True/Valid")]
#[case::twice((Reason::Valid, 3), 2, "True/Valid")]
#[case::three_times((Reason::Valid, 3), 3, "Unknown/PlatformUnreachable")]
#[case::for_another_spec((Reason::Valid, 2), 1, "Unknown/PlatformUnreachable")]
#[case::what_was_wrong((Reason::GenesysRefused, 3), 1, "False/GenesysRefused")]
#[case::a_right_was_missing((Reason::PermissionMissing, 3), 1, "Unknown/PermissionMissing")]
#[case::a_secret_that_is_there_again((Reason::SecretMissing, 3), 1, "Unknown/PlatformUnreachable")]
#[case::nothing_was_known((Reason::Pending, 3), 1, "Unknown/PlatformUnreachable")]
fn a_restart_while_a_platform_is_down_does_not_forget_what_was_known(
    #[case] known: (Reason, i64),
    #[case] failures: usize,
    #[case] expected: &str,
) {
    let facts = without_a_token(failures);
    let says = credentials_after(known, facts, Reason::PlatformUnreachable);
    assert_eq!(says, expected);
}

#[rstest]
#[case::known((Reason::GenesysRefused, 3), "False/GenesysRefused")]
#[case::new((Reason::Pending, 3), "Unknown/Pending")]
#[case::for_another_spec((Reason::Valid, 2), "Unknown/Pending")]
fn a_bridge_that_waits_for_its_check_is_told_as_it_was(
    #[case] known: (Reason, i64),
    #[case] expected: &str,
) {
    let says = credentials_after(known, PlatformFacts::deferred(), Reason::Pending);
    assert_eq!(says, expected);
}

#[test]
fn while_another_name_waits_status_names_the_integration_that_is_delivered_to() {
    let known = ResolvedIntegration {
        id: "id-0".to_owned(),
        name: "old".to_owned(),
        api_host: "api.mypurecloud.com".to_owned(),
    };
    let before = MessagingBridgeStatus {
        integration: Some(known.clone()),
        ..MessagingBridgeStatus::default()
    };
    let status = composed(&before, &observed(), &validation(), None);
    assert_eq!(status.integration, Some(known));
}

#[rstest]
#[case::paused(true, Reason::Paused, "messagingbridge.io/paused")]
#[case::invalid(false, Reason::Invalid, "see Accepted")]
#[case::unresolved(false, Reason::Accepted, "see IntegrationResolved")]
fn a_relay_that_is_not_installed_says_why(
    #[case] paused: bool,
    #[case] accepted: Reason,
    #[case] says: &str,
) {
    let mut seen = observed();
    seen.paused = paused;
    let validation = Validation {
        accepted: Verdict::new(accepted, "words"),
        ..validation()
    };
    let status = composed(&MessagingBridgeStatus::default(), &seen, &validation, None);
    let relay = status.condition(ConditionType::RelayAvailable).unwrap();
    assert_eq!(relay.reason, "NotInstalled");
    assert!(relay.message.contains(says), "{}", relay.message);
}

#[test]
fn a_message_is_bounded() {
    let long = Validation {
        credentials: Verdict::new(Reason::SecretMissing, "ü".repeat(5000)),
        ..validation()
    };
    let status = composed(&MessagingBridgeStatus::default(), &observed(), &long, None);
    let message = &status
        .condition(ConditionType::CredentialsValid)
        .unwrap()
        .message;
    assert_eq!(message.chars().count(), LONGEST_MESSAGE + 1);
}
