//! The whole status, out of the verdicts and of what was there before. Pure.
//!
//! A transition time changes only when the status of its condition does. What has not changed stays byte for byte, so
//! that nothing is written.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use messaging_bridge_crds::{
    ConditionStatus, ConditionType, MessagingBridgeStatus, Reason, SecretState, SecretStatus,
    StatusWebhooks,
};

use super::relay::{self, Install};
use super::{delivering, summary};
use crate::apply::ApplyError;
use crate::dereference::Observed;
use crate::relay_status::RelaySeen;
use crate::validate::{Parsed, Validation, Verdict};

/// The longest message of a condition, in characters.
const LONGEST_MESSAGE: usize = 1024;
/// Looks in vain in a row after which a relay's last word is not believed any more.
const PATIENCE: u32 = 3;

/// Everything that a status is made of.
pub struct Inputs<'a> {
    /// The generation that was looked at.
    pub generation: i64,
    /// What was read.
    pub observed: &'a Observed,
    /// What follows from it.
    pub validation: &'a Validation,
    /// Why not everything was applied, if so.
    pub trouble: Option<&'a ApplyError>,
}

/// The status as it is now.
pub fn compose(before: &MessagingBridgeStatus, inputs: &Inputs<'_>) -> MessagingBridgeStatus {
    let Inputs {
        generation,
        observed,
        validation,
        trouble: _,
    } = inputs;
    let verdicts = verdicts(before, inputs);
    let counters = observed.relay.status();
    let time = |time: Option<Timestamp>| time.map(Time);
    let backlog = counters.map(|status| status.lanes.iter().map(|lane| lane.backlog).sum());
    let oldest = counters.and_then(|status| {
        status
            .lanes
            .iter()
            .filter_map(|lane| lane.oldest_pending_time)
            .min()
    });
    MessagingBridgeStatus {
        observed_generation: *generation,
        conditions: conditions(before, &verdicts, *generation, observed.now),
        // While another name or region waits to be resolved, the relay still delivers to this one.
        integration: validation
            .resolved
            .clone()
            .or_else(|| before.integration.clone()),
        webhooks: validation.urls.as_ref().map(|urls| StatusWebhooks {
            twilio: urls.twilio_inbound_with_retries(),
            genesys: urls.genesys_outbound(),
        }),
        secrets: secrets(before, observed),
        // A relay that does not answer for a moment has not lost its backlog: the last word stands.
        backlog: backlog.or(before.backlog),
        oldest_pending_time: match counters {
            Some(_) => time(oldest),
            None => before.oldest_pending_time.clone(),
        },
        dead_letters: counters
            .map(|status| status.dead_letters)
            .or(before.dead_letters),
        last_twilio_webhook_time: time(counters.and_then(|status| status.twilio.last_webhook_time))
            .or_else(|| before.last_twilio_webhook_time.clone()),
        last_genesys_webhook_time: time(
            counters.and_then(|status| status.genesys.last_webhook_time),
        )
        .or_else(|| before.last_genesys_webhook_time.clone()),
        last_handled_reconcile_at: observed.reconcile_at.clone(),
    }
}

fn verdicts(before: &MessagingBridgeStatus, inputs: &Inputs<'_>) -> Vec<(ConditionType, Verdict)> {
    let Inputs {
        observed,
        validation,
        trouble,
        ..
    } = inputs;
    let steadily =
        |kind: ConditionType, verdict: &Verdict| (kind, steady(before, inputs, kind, verdict));
    let relay = relay::judge(&observed.workload, install(inputs), observed.now);
    let mut verdicts = vec![
        (ConditionType::Accepted, accepted(validation, *trouble)),
        steadily(ConditionType::CredentialsValid, &validation.credentials),
        steadily(ConditionType::IntegrationResolved, &validation.integration),
        steadily(ConditionType::WebhooksConfigured, &validation.webhooks),
        (ConditionType::RelayAvailable, relay),
    ];
    let ready = summary::ready(&verdicts);
    verdicts.push((ConditionType::Delivering, delivering(before, observed)));
    let stalled = summary::stalled(&verdicts);
    verdicts.insert(verdicts.len() - 1, (ConditionType::Ready, ready));
    verdicts.extend(stalled.map(|stalled| (ConditionType::Stalled, stalled)));
    verdicts
}

/// What a platform had said before the operator started stands until one has failed to answer often enough, or has been
/// asked at all.
fn steady(
    before: &MessagingBridgeStatus,
    inputs: &Inputs<'_>,
    kind: ConditionType,
    verdict: &Verdict,
) -> Verdict {
    let facts = &inputs.observed.platform;
    let unsettled = match verdict.reason {
        Reason::PlatformUnreachable => facts.are_unsettled(),
        Reason::Pending => facts.deferred,
        _ => false,
    };
    let of_secrets = [
        Reason::SecretMissing,
        Reason::SecretKeyMissing,
        Reason::SecretMalformed,
    ];
    before
        .condition(kind)
        .filter(|known| unsettled && known.observed_generation == Some(inputs.generation))
        .and_then(told)
        // What was wrong with a Secret was known without a platform, and is right now.
        .filter(|known| !of_secrets.contains(&known.reason))
        .unwrap_or_else(|| verdict.clone())
}

/// The relay's last word on its traffic stands until it was not heard three times in a row.
fn delivering(before: &MessagingBridgeStatus, observed: &Observed) -> Verdict {
    let unsettled =
        matches!(observed.relay, RelaySeen::Unreachable { times, .. } if times < PATIENCE);
    before
        .condition(ConditionType::Delivering)
        .filter(|_| unsettled)
        .and_then(told)
        .unwrap_or_else(|| delivering::judge(&observed.relay, observed.now))
}

/// What a condition tells, unless it is that nobody was heard yet.
fn told(known: &Condition) -> Option<Verdict> {
    let unheard = [
        Reason::Pending,
        Reason::PlatformUnreachable,
        Reason::RelayUnreachable,
    ];
    let reason = Reason::ALL
        .iter()
        .find(|reason| reason.as_str() == known.reason && !unheard.contains(reason))?;
    Some(Verdict::new(*reason, known.message.clone()))
}

fn install(inputs: &Inputs<'_>) -> Install {
    let validation = inputs.validation;
    match (inputs.trouble, &validation.build) {
        _ if validation.accepted.reason == Reason::Invalid => Install::Invalid,
        _ if inputs.observed.paused => Install::Paused,
        (_, None) => Install::Unresolved,
        (Some(error), Some(_)) if error.is_permanent() => Install::Refused,
        (_, Some(_)) => Install::Wanted,
    }
}

fn accepted(validation: &Validation, trouble: Option<&ApplyError>) -> Verdict {
    match trouble {
        Some(error @ ApplyError::NameTaken { .. }) => {
            Verdict::new(Reason::NameTaken, error.to_string())
        }
        Some(error @ (ApplyError::Refused { .. } | ApplyError::VolumeNotGrowable { .. })) => {
            Verdict::new(Reason::ApplyFailed, error.to_string())
        }
        // Passing trouble of the API server's is no verdict on the bridge.
        Some(ApplyError::Leaving { .. } | ApplyError::Unanswered { .. }) | None => {
            validation.accepted.clone()
        }
    }
}

fn conditions(
    before: &MessagingBridgeStatus,
    verdicts: &[(ConditionType, Verdict)],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    verdicts
        .iter()
        .map(|(condition, verdict)| {
            // `Stalled` is the one that is good when it is not there.
            let status = if *condition == ConditionType::Stalled {
                "True"
            } else {
                verdict.status().as_str()
            };
            let since = before
                .condition(*condition)
                .filter(|known| known.status == status)
                .map_or_else(|| Time(now), |known| known.last_transition_time.clone());
            Condition {
                type_: condition.as_str().to_owned(),
                status: status.to_owned(),
                reason: verdict.reason.as_str().to_owned(),
                message: bounded(&verdict.message),
                observed_generation: Some(generation),
                last_transition_time: since,
            }
        })
        .collect()
}

fn bounded(message: &str) -> String {
    message.char_indices().nth(LONGEST_MESSAGE).map_or_else(
        || message.to_owned(),
        |(end, _)| format!("{}…", &message[..end]),
    )
}

fn secrets(before: &MessagingBridgeStatus, observed: &Observed) -> Vec<SecretStatus> {
    let loaded = observed.relay.status().map(|status| &status.secrets);
    let parsed = &observed.secrets;
    let genesys = state(
        before,
        &parsed.genesys,
        |secret| &secret.fingerprint,
        loaded.map(|loaded| loaded.genesys.as_str()),
    );
    let twilio = state(
        before,
        &parsed.twilio,
        |secret| &secret.fingerprint,
        loaded.map(|loaded| loaded.twilio.as_str()),
    );
    if genesys.name != twilio.name {
        return vec![genesys, twilio];
    }
    // One Secret for both sides is as far as the side that is behind.
    let worse = [
        SecretState::Unusable,
        SecretState::Waiting,
        SecretState::Loaded,
    ]
    .into_iter()
    .find(|state| [genesys.state, twilio.state].contains(state));
    vec![SecretStatus {
        name: genesys.name,
        state: worse.unwrap_or(SecretState::Waiting),
    }]
}

fn state<T>(
    before: &MessagingBridgeStatus,
    parsed: &Parsed<T>,
    fingerprint: impl Fn(&T) -> &str,
    loaded: Option<&str>,
) -> SecretStatus {
    let known = before
        .secrets
        .iter()
        .find(|known| known.name == parsed.name)
        .map(|known| known.state);
    let state = match (&parsed.content, loaded) {
        (Ok(secret), Some(loaded)) if fingerprint(secret) == loaded => SecretState::Loaded,
        // A relay that was not heard may still work with other values: nobody is to switch a platform yet.
        (Ok(_), _) => SecretState::Waiting,
        // The operator could not read it just now, which says nothing about its values.
        (Err(verdict), _) if verdict.status() == ConditionStatus::Unknown => {
            known.unwrap_or(SecretState::Waiting)
        }
        (Err(_), _) => SecretState::Unusable,
    };
    SecretStatus {
        name: parsed.name.clone(),
        state,
    }
}

#[cfg(test)]
mod tests;
