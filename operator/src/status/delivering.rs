//! `Delivering`: whether traffic is healthy, as the relay itself says. Pure, and apart from `Ready`: a backlog is no
//! reason to take a bridge for broken.

use jiff::{SignedDuration, Timestamp};
use messaging_bridge_crds::Reason;

use crate::relay_status::{Lane, RelaySeen};
use crate::validate::Verdict;

/// A message that waits longer is late: an agent's reply to a customer who waits for it.
const LATE: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn judge(seen: &RelaySeen, now: Timestamp) -> Verdict {
    let status = match seen {
        RelaySeen::NotAsked => {
            return Verdict::new(Reason::Pending, "waits for the relay: see RelayAvailable");
        }
        RelaySeen::Unreachable { why, .. } => {
            return Verdict::new(
                Reason::RelayUnreachable,
                format!(
                    "the relay's status cannot be read: {why}; see RelayAvailable and the NetworkPolicies"
                ),
            );
        }
        RelaySeen::Seen(status) => status,
    };
    let blocked: Vec<String> = status.lanes.iter().filter_map(blocked).collect();
    if !blocked.is_empty() {
        return Verdict::new(Reason::Blocked, blocked.join(". "));
    }
    let late: Vec<&str> = status
        .lanes
        .iter()
        .filter(|lane| {
            lane.oldest_pending_time
                .is_some_and(|oldest| now.duration_since(oldest) > LATE)
        })
        .map(towards)
        .collect();
    if !late.is_empty() {
        // No time in here: it changes with each message, and status.oldestPendingTime has it.
        let message = format!(
            "messages {} wait longer than five minutes, since status.oldestPendingTime; see the relay's log \
             and metrics",
            late.join(" and ")
        );
        return Verdict::new(Reason::Delayed, message);
    }
    if status.lanes.iter().any(|lane| lane.backlog > 0) {
        Verdict::new(Reason::Flowing, "messages are being delivered")
    } else {
        Verdict::new(Reason::Idle, "no message waits")
    }
}

fn towards(lane: &Lane) -> &str {
    match lane.direction.as_str() {
        "inbound" => "towards Genesys Cloud",
        "outbound" => "towards Twilio",
        other => other,
    }
}

fn blocked(lane: &Lane) -> Option<String> {
    let blocked = lane.blocked.as_ref()?;
    Some(format!(
        "nothing is delivered {} ({}): {}",
        towards(lane),
        blocked.cause,
        blocked.fix
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::idle(&json!([{"direction": "inbound", "backlog": 0}]), Reason::Idle, "")]
    #[case::flowing(&json!([{"direction": "inbound", "backlog": 2, "oldestPendingTime": "2026-01-02T03:03:05Z"}]), Reason::Flowing, "")]
    #[case::late(&json!([{"direction": "outbound", "backlog": 2, "oldestPendingTime": "2026-01-02T02:04:05.123Z"}]),
        Reason::Delayed, "messages towards Twilio wait")]
    #[case::blocked(&json!([{"direction": "inbound", "backlog": 2, "oldestPendingTime": "2026-01-02T02:04:05Z",
        "blocked": {"cause": "Permission", "fix": "give the role the permission"}}]),
        Reason::Blocked, "towards Genesys Cloud (Permission): give the role the permission")]
    fn traffic_is_judged(#[case] lanes: &Value, #[case] reason: Reason, #[case] says: &str) {
        let seen = RelaySeen::Seen(serde_json::from_value(json!({"lanes": lanes})).unwrap());
        let verdict = judge(&seen, "2026-01-02T03:04:05Z".parse().unwrap());
        assert_eq!(verdict.reason, reason, "{}", verdict.message);
        assert!(verdict.message.contains(says), "{}", verdict.message);
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let unreachable = RelaySeen::Unreachable {
            why: "it does not answer in time".to_owned(),
            times: 1,
        };
        assert_eq!(judge(&unreachable, now).reason, Reason::RelayUnreachable);
        assert_eq!(judge(&RelaySeen::NotAsked, now).reason, Reason::Pending);
    }
}
