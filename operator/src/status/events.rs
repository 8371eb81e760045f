//! Which changes of a status deserve an Event. Pure: transitions only, never a repetition.

use messaging_bridge_crds::{ConditionType, MessagingBridgeStatus, Reason};

/// An Event to be published about a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether somebody should look.
    pub warning: bool,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub message: String,
}

/// Reasons of Events that are no condition's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The bridge has become ready.
    Ready,
    /// The bridge was deleted, and its volume is kept.
    VolumeKept,
}

impl News {
    /// The Event's reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::VolumeKept => "VolumeKept",
        }
    }
}

/// What everybody sees pass by when a relay starts or is replaced: no news.
const PASSING: [Reason; 5] = [
    Reason::Pending,
    Reason::Starting,
    Reason::RollingOut,
    Reason::NotInstalled,
    Reason::RelayUnreachable,
];

/// The Events of the step from one status to the next.
pub fn notices(before: &MessagingBridgeStatus, next: &MessagingBridgeStatus) -> Vec<Notice> {
    next.conditions
        .iter()
        .filter_map(|condition| {
            let kind = ConditionType::ALL
                .into_iter()
                .find(|kind| kind.as_str() == condition.type_)?;
            // What `Ready` and `Stalled` say, their parts say too, but for the good news.
            let derived = matches!(kind, ConditionType::Ready | ConditionType::Stalled);
            if derived && !(kind == ConditionType::Ready && condition.status == "True") {
                return None;
            }
            let known = before.condition(kind);
            let same = known.is_some_and(|known| {
                known.status == condition.status
                    && (known.reason == condition.reason || condition.status == "True")
            });
            let passing = is_passing(&condition.reason);
            // What is right from the first moment on is no transition, nor is the end of what was passing; that a
            // bridge becomes ready is news.
            let was_passing = known.is_none_or(|known| is_passing(&known.reason));
            let quiet = was_passing && condition.status == "True" && !derived;
            (!same && !passing && !quiet).then(|| Notice {
                warning: condition.status != "True",
                reason: if derived {
                    News::Ready.as_str().to_owned()
                } else {
                    condition.reason.clone()
                },
                message: condition.message.clone(),
            })
        })
        .collect()
}

fn is_passing(reason: &str) -> bool {
    PASSING.iter().any(|passing| passing.as_str() == reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use rstest::rstest;

    fn status(conditions: &[(&str, &str, &str)]) -> MessagingBridgeStatus {
        MessagingBridgeStatus {
            conditions: conditions
                .iter()
                .map(|(kind, status, reason)| Condition {
                    type_: (*kind).to_owned(),
                    status: (*status).to_owned(),
                    reason: (*reason).to_owned(),
                    message: "words".to_owned(),
                    observed_generation: None,
                    last_transition_time: Time(Timestamp::UNIX_EPOCH),
                })
                .collect(),
            ..MessagingBridgeStatus::default()
        }
    }

    #[rstest]
    #[case::a_repetition(&[("Accepted", "False", "Invalid")], &[("Accepted", "False", "Invalid")], &[])]
    #[case::it_broke(&[("CredentialsValid", "True", "Valid")], &[("CredentialsValid", "False", "SecretMissing")], &[("SecretMissing", true)])]
    #[case::for_another_reason(&[("CredentialsValid", "False", "SecretMissing")], &[("CredentialsValid", "False", "GenesysRefused")], &[("GenesysRefused", true)])]
    #[case::it_was_mended(&[("CredentialsValid", "False", "SecretMissing")], &[("CredentialsValid", "True", "Valid")], &[("Valid", false)])]
    #[case::wrong_from_the_start(&[], &[("IntegrationResolved", "False", "NotFound")], &[("NotFound", true)])]
    #[case::right_from_the_start(&[], &[("Accepted", "True", "Accepted")], &[])]
    #[case::waiting(&[], &[("IntegrationResolved", "Unknown", "Pending")], &[])]
    #[case::it_has_started(&[("RelayAvailable", "False", "Starting")], &[("RelayAvailable", "True", "Available")], &[])]
    #[case::it_no_longer_crashes(&[("RelayAvailable", "False", "CrashLooping")], &[("RelayAvailable", "True", "Available")], &[("Available", false)])]
    #[case::heard_again(&[("Delivering", "Unknown", "RelayUnreachable")], &[("Delivering", "True", "Idle")], &[])]
    #[case::it_starts(&[], &[("RelayAvailable", "False", "Starting")], &[])]
    #[case::from_idle_to_flowing(&[("Delivering", "True", "Idle")], &[("Delivering", "True", "Flowing")], &[])]
    #[case::ready(&[("Ready", "False", "Starting")], &[("Ready", "True", "Available")], &[("Ready", false)])]
    #[case::not_ready_is_told_by_its_part(&[("Ready", "True", "Available")], &[("Ready", "False", "NotReady")], &[])]
    fn only_transitions_are_told(
        #[case] before: &[(&str, &str, &str)],
        #[case] next: &[(&str, &str, &str)],
        #[case] expected: &[(&str, bool)],
    ) {
        let told = notices(&status(before), &status(next));
        let told: Vec<_> = told
            .iter()
            .map(|notice| (notice.reason.as_str(), notice.warning))
            .collect();
        assert_eq!(told, expected);
    }
}
