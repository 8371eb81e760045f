//! Whether a status is worth a write. Pure.
//!
//! What tells how the bridge is, is written at once; counters and times of the last webhook alone at most once a
//! minute, since a busy bridge changes them with every message.

use std::time::Duration;

use messaging_bridge_crds::{ConditionType, MessagingBridgeStatus};

/// How often counters alone are written.
const COUNTERS: Duration = Duration::from_mins(1);

/// Whether to write `next` over `before`, `since` after the last write.
pub fn is_due(
    before: &MessagingBridgeStatus,
    next: &MessagingBridgeStatus,
    since: Option<Duration>,
) -> bool {
    if before == next {
        return false;
    }
    without_counters(before) != without_counters(next)
        || since.is_none_or(|since| since >= COUNTERS)
}

fn without_counters(status: &MessagingBridgeStatus) -> MessagingBridgeStatus {
    let mut conditions = status.conditions.clone();
    for condition in &mut conditions {
        // Whether a message waits at this very moment is a counter, too.
        if condition.type_ == ConditionType::Delivering.as_str() && condition.status == "True" {
            condition.reason.clear();
            condition.message.clear();
        }
    }
    MessagingBridgeStatus {
        conditions,
        backlog: None,
        oldest_pending_time: None,
        dead_letters: None,
        last_twilio_webhook_time: None,
        last_genesys_webhook_time: None,
        ..status.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use rstest::rstest;

    fn status(generation: i64, backlog: i64) -> MessagingBridgeStatus {
        MessagingBridgeStatus {
            observed_generation: generation,
            backlog: Some(backlog),
            ..MessagingBridgeStatus::default()
        }
    }

    #[rstest]
    #[case::nothing_changed(status(1, 1), None, false)]
    #[case::something_changed(status(2, 1), Some(1), true)]
    #[case::a_counter_soon_after(status(1, 2), Some(59), false)]
    #[case::a_counter_a_minute_later(status(1, 2), Some(60), true)]
    #[case::a_counter_and_never_written(status(1, 2), None, true)]
    fn counters_alone_wait(
        #[case] next: MessagingBridgeStatus,
        #[case] since: Option<u64>,
        #[case] expected: bool,
    ) {
        assert_eq!(
            is_due(&status(1, 1), &next, since.map(Duration::from_secs)),
            expected
        );
    }
    fn delivering(status: &str, reason: &str) -> MessagingBridgeStatus {
        let condition = Condition {
            type_: "Delivering".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: reason.to_owned(),
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        };
        MessagingBridgeStatus {
            conditions: vec![condition],
            ..MessagingBridgeStatus::default()
        }
    }

    #[rstest]
    #[case::nothing_waits_for_a_moment(&delivering("True", "Idle"), false)]
    #[case::it_stands_still(&delivering("False", "Blocked"), true)]
    fn a_busy_bridge_that_is_idle_in_between_is_not_written_each_time(
        #[case] next: &MessagingBridgeStatus,
        #[case] expected: bool,
    ) {
        let since = Some(Duration::from_secs(30));
        assert_eq!(
            is_due(&delivering("True", "Flowing"), next, since),
            expected
        );
    }
}
