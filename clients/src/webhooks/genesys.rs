//! Whether an Open Messaging integration posts to this bridge.

use super::shown::{address, same_address};
use super::{Finding, Verdict, WebhookUrls};
use crate::genesys::OpenIntegration;
use crate::mask;

/// States that Genesys' free string is known to mean "off" by; any other word is only mentioned.
const OFF: [&str; 2] = ["inactive", "disabled"];
const ON: &str = "active";

/// Judges an integration as Genesys has it on record.
pub fn judge_genesys_integration(found: &OpenIntegration, wanted: &WebhookUrls) -> Verdict {
    let name = mask::numbers_in(&found.name);
    match found.create_status.as_deref() {
        Some("Error") => {
            let why = found
                .create_error
                .as_deref()
                .unwrap_or("it gives no reason");
            let message = format!(
                "Genesys could not create the integration {name:?} ({why}); delete it and create it again"
            );
            return Verdict::wrong(Finding::IntegrationFailed, message);
        }
        Some("Initiated") => {
            let message = format!(
                "Genesys is still creating the integration {name:?}; wait until it is completed"
            );
            return Verdict::wrong(Finding::IntegrationCreating, message);
        }
        _ => {}
    }
    let status = found.status.as_deref().unwrap_or(ON);
    if OFF.iter().any(|off| status.eq_ignore_ascii_case(off)) {
        let message = format!(
            "the integration {name:?} is {}; activate it in Genesys Cloud",
            status.to_lowercase()
        );
        return Verdict::wrong(Finding::IntegrationInactive, message);
    }
    let wanted = wanted.genesys_outbound();
    match found
        .webhook_url
        .as_deref()
        .map(str::trim)
        .filter(|url| !url.is_empty())
    {
        None => {
            let message = format!(
                "the integration {name:?} has no webhook; set its outbound notification webhook URL to {wanted}"
            );
            Verdict::wrong(Finding::GenesysWebhookNotSet, message)
        }
        Some(url) if !same_address(url, &wanted) => {
            let message = format!(
                "the integration {name:?} posts to {}; set its outbound notification webhook URL to {wanted}",
                address(url)
            );
            Verdict::wrong(Finding::GenesysWebhookElsewhere, message)
        }
        Some(_) if !status.eq_ignore_ascii_case(ON) => Verdict::Advice {
            message: format!(
                "Genesys gives the integration {name:?} the status {status:?} instead of {ON:?}; see whether messages flow"
            ),
        },
        Some(_) => Verdict::Right,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;
    use crate::genesys::IntegrationId;
    use Finding as F;

    const WANTED: &str = "https://b.example.com/acme/genesys/outbound";

    fn integration(changes: impl FnOnce(&mut OpenIntegration)) -> OpenIntegration {
        let mut found = OpenIntegration {
            id: IntegrationId::new("id-1"),
            name: "acme-sms".into(),
            webhook_url: Some(WANTED.into()),
            status: Some("active".into()),
            create_status: Some("Completed".into()),
            create_error: None,
        };
        changes(&mut found);
        found
    }

    fn judge(changes: impl FnOnce(&mut OpenIntegration)) -> Verdict {
        let wanted = WebhookUrls::parse("https://b.example.com/acme").unwrap();
        judge_genesys_integration(&integration(changes), &wanted)
    }

    #[rstest]
    #[case::as_it_should_be(|_: &mut _| {})]
    #[case::without_states(|found: &mut OpenIntegration| {
        found.status = None;
        found.create_status = None;
    })]
    #[case::in_capitals(|found: &mut OpenIntegration| found.status = Some("ACTIVE".into()))]
    fn what_posts_here_and_is_active_is_right(#[case] changes: fn(&mut OpenIntegration)) {
        assert_eq!(judge(changes), Verdict::Right);
    }

    #[rstest]
    #[case::not_set(|found: &mut OpenIntegration| found.webhook_url = None, F::GenesysWebhookNotSet, WANTED)]
    #[case::empty(|found: &mut OpenIntegration| found.webhook_url = Some(" ".into()), F::GenesysWebhookNotSet, WANTED)]
    #[case::elsewhere(
        |found: &mut OpenIntegration| found.webhook_url = Some("https://old.example/?token=secret".into()),
        F::GenesysWebhookElsewhere,
        "posts to https://old.example/?…; set its outbound notification webhook URL to \
         https://b.example.com/acme/genesys/outbound"
    )]
    #[case::off(|found: &mut OpenIntegration| found.status = Some("Inactive".into()), F::IntegrationInactive, "activate it")]
    #[case::creating(
        |found: &mut OpenIntegration| found.create_status = Some("Initiated".into()), F::IntegrationCreating, "wait"
    )]
    #[case::failed(
        |found: &mut OpenIntegration| {
            found.create_status = Some("Error".into());
            found.create_error = Some("the URL is not reachable".into());
        },
        F::IntegrationFailed,
        "(the URL is not reachable)"
    )]
    fn what_is_wrong_is_named_with_its_fix(
        #[case] changes: fn(&mut OpenIntegration),
        #[case] expected: Finding,
        #[case] says: &str,
    ) {
        let verdict = judge(changes);
        let Verdict::Wrong { finding, message } = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(finding, expected);
        assert!(
            message.contains(says) && message.contains("\"acme-sms\""),
            "{message}"
        );
    }

    #[test]
    fn a_status_that_nobody_knows_is_only_mentioned() {
        let verdict = judge(|found| found.status = Some("warming".into()));
        assert!(matches!(verdict, Verdict::Advice { message } if message.contains("\"warming\"")));
    }
}
