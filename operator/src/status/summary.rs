//! `Ready` and `Stalled`: what follows from the other conditions. Pure.

use messaging_bridge_crds::{ConditionStatus, ConditionType, Reason};

use crate::validate::Verdict;

/// The parts of `Ready`, in the order in which a person mends them.
const PARTS: [ConditionType; 5] = [
    ConditionType::Accepted,
    ConditionType::CredentialsValid,
    ConditionType::IntegrationResolved,
    ConditionType::RelayAvailable,
    ConditionType::WebhooksConfigured,
];

/// `Ready`: False if a part is False, else Unknown if one is Unknown, with that part's reason. Webhooks that are not
/// known do not count against it.
pub(super) fn ready(verdicts: &[(ConditionType, Verdict)]) -> Verdict {
    let of = |status| {
        PARTS.into_iter().find_map(|part| {
            let (_, verdict) = verdicts.iter().find(|(condition, _)| *condition == part)?;
            let counts =
                !(part == ConditionType::WebhooksConfigured && status == ConditionStatus::Unknown);
            (counts && verdict.status() == status)
                .then(|| Verdict::new(verdict.reason, format!("{part}: {}", verdict.message)))
        })
    };
    of(ConditionStatus::False)
        .or_else(|| of(ConditionStatus::Unknown))
        .unwrap_or_else(|| Verdict::new(Reason::Available, "messages can flow both ways"))
}

/// `Stalled`: present only when a change by somebody is needed. Webhooks that cannot be looked at need none: messages
/// flow all the same.
pub(super) fn stalled(verdicts: &[(ConditionType, Verdict)]) -> Option<Verdict> {
    verdicts.iter().find_map(|(condition, verdict)| {
        let counts = !(*condition == ConditionType::WebhooksConfigured
            && verdict.status() == ConditionStatus::Unknown);
        (counts && verdict.reason.needs_a_change())
            .then(|| Verdict::new(verdict.reason, format!("{condition}: {}", verdict.message)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn verdicts(changed: &[(ConditionType, Reason)]) -> Vec<(ConditionType, Verdict)> {
        [
            (ConditionType::Accepted, Reason::Accepted),
            (ConditionType::CredentialsValid, Reason::Valid),
            (ConditionType::IntegrationResolved, Reason::Resolved),
            (ConditionType::WebhooksConfigured, Reason::Configured),
            (ConditionType::RelayAvailable, Reason::Available),
        ]
        .into_iter()
        .map(|(condition, reason)| {
            let other = changed.iter().find(|(changed, _)| *changed == condition);
            (
                condition,
                Verdict::new(other.map_or(reason, |(_, reason)| *reason), "words"),
            )
        })
        .collect()
    }

    use ConditionType as C;
    use Reason as R;

    #[rstest]
    #[case::all_right(&[], R::Available, None)]
    #[case::paused(&[(C::Accepted, R::Paused)], R::Available, None)]
    #[case::one_part_false(&[(C::IntegrationResolved, R::NotFound)], R::NotFound, Some(R::NotFound))]
    #[case::false_before_unknown(&[(C::CredentialsValid, R::Pending), (C::RelayAvailable, R::Starting)], R::Starting, None)]
    #[case::unknown(&[(C::IntegrationResolved, R::PlatformUnreachable)], R::PlatformUnreachable, None)]
    #[case::webhooks_not_known(&[(C::WebhooksConfigured, R::Pending)], R::Available, None)]
    #[case::webhooks_differ(&[(C::WebhooksConfigured, R::TwilioWebhookDiffers)], R::TwilioWebhookDiffers, Some(R::TwilioWebhookDiffers))]
    #[case::the_first_part_that_is_false(
        &[(C::CredentialsValid, R::SecretMissing), (C::RelayAvailable, R::NotReady)], R::SecretMissing, Some(R::SecretMissing))]
    #[case::a_right_to_look_is_missing(&[(C::WebhooksConfigured, R::PermissionMissing)], R::Available, None)]
    #[case::a_right_that_is_needed(&[(C::IntegrationResolved, R::PermissionMissing)], R::PermissionMissing, Some(R::PermissionMissing))]
    fn ready_is_what_its_parts_are(
        #[case] changed: &[(C, R)],
        #[case] expected: R,
        #[case] stalls: Option<R>,
    ) {
        let verdicts = verdicts(changed);
        assert_eq!(ready(&verdicts).reason, expected);
        assert_eq!(stalled(&verdicts).map(|verdict| verdict.reason), stalls);
    }
}
