//! Verdicts on what both platforms said: credentials, integration, webhooks. Pure.
//!
//! A fact about a platform is `False`; what could not be asked is `Unknown`, and says what it waits for.

use messaging_bridge_clients::genesys::{IntegrationLookupError, OpenIntegration};
use messaging_bridge_clients::webhooks::{
    self as records, Finding, WebhookUrls, judge_genesys_integration, judge_twilio_number,
};
use messaging_bridge_clients::{BlockedCause, mask};
use messaging_bridge_crds::{ConditionStatus, Reason};
use url::Url;

use super::{ParsedSecrets, Target, Verdict};
use crate::platforms::{Answer, NumberFacts, PlatformFacts};

const GENESYS: &str = "Genesys Cloud";
const TWILIO: &str = "Twilio";

/// `CredentialsValid`.
pub(super) fn credentials(
    secrets: &ParsedSecrets,
    facts: &PlatformFacts,
    target: &Target,
) -> Verdict {
    if let Some(trouble) = secrets.trouble() {
        return trouble;
    }
    let genesys = &secrets.genesys.name;
    let twilio = &secrets.twilio.name;
    let lookup = secrets
        .operator
        .as_ref()
        .map_or(genesys, |secret| &secret.name);
    let (login, api) = (&target.genesys.login, &target.genesys.api);
    let checks = [
        Access {
            platform: GENESYS,
            host: login,
            secret: genesys,
            refused: Reason::GenesysRefused,
        }
        .judge(facts.token.believed()),
        Access {
            platform: GENESYS,
            host: api,
            secret: lookup,
            refused: Reason::GenesysRefused,
        }
        .judge(facts.integration.believed()),
        Access {
            platform: TWILIO,
            host: &target.twilio,
            secret: twilio,
            refused: Reason::TwilioRefused,
        }
        .judge(facts.number.believed()),
    ];
    worst(checks.into_iter().flatten()).unwrap_or_else(|| {
        Verdict::new(
            Reason::Valid,
            "Genesys Cloud and Twilio accept the credentials",
        )
    })
}

/// A platform's door: who is asked, where, and with which Secret.
struct Access<'a> {
    platform: &'a str,
    host: &'a Url,
    secret: &'a str,
    refused: Reason,
}

impl Access<'_> {
    /// What an answer says about the credentials; `None` if they are right.
    fn judge<T>(&self, answer: Option<&Answer<T>>) -> Option<Verdict> {
        match answer {
            None => Some(Verdict::new(
                Reason::Pending,
                format!("waits for {}'s first answer", self.platform),
            )),
            // A missing right says that the credentials are right.
            Some(Answer::Said(_) | Answer::Forbidden(_)) => None,
            Some(Answer::Refused(words)) => Some(Verdict::new(
                self.refused,
                format!(
                    "{} refuses the credentials in Secret {:?}: {words}; {}",
                    self.platform,
                    self.secret,
                    BlockedCause::Credentials.fix()
                ),
            )),
            Some(Answer::Suspended(words)) => Some(Verdict::new(
                Reason::AccountSuspended,
                format!("{words}; {}", BlockedCause::AccountSuspended.fix()),
            )),
            Some(Answer::None(words)) => Some(unreachable(self.platform, self.host, words)),
        }
    }
}

/// `IntegrationResolved`.
pub(super) fn integration(
    secrets: &ParsedSecrets,
    facts: &PlatformFacts,
    target: &Target,
) -> Verdict {
    match facts.integration.believed() {
        Some(Answer::Said(Ok(found))) => Verdict::new(
            Reason::Resolved,
            format!("{} is {}", shown(&found.name), found.id),
        ),
        Some(Answer::Said(Err(error))) => {
            let reason = match error {
                IntegrationLookupError::NotFound { .. } => Reason::NotFound,
                IntegrationLookupError::Ambiguous { .. } => Reason::Ambiguous,
            };
            let place = &target.config.genesys.api_host;
            let fix = match error {
                IntegrationLookupError::NotFound { .. } => {
                    "; correct spec.genesys.integrationName or spec.genesys.region, or create the integration"
                }
                IntegrationLookupError::Ambiguous { .. } => "",
            };
            Verdict::new(reason, format!("at {place}, {}{fix}", masked(error)))
        }
        Some(Answer::Forbidden(words)) => Verdict::new(
            Reason::PermissionMissing,
            format!("{words}; {}", BlockedCause::Permission.fix()),
        ),
        Some(Answer::None(words)) => unreachable(GENESYS, &target.genesys.api, words),
        Some(Answer::Refused(_) | Answer::Suspended(_)) => Verdict::new(
            Reason::Pending,
            "waits for credentials that Genesys Cloud accepts",
        ),
        None if secrets.lookup_clients().is_none() => Verdict::new(
            Reason::Pending,
            "waits for the Secret with the OAuth client: see CredentialsValid",
        ),
        None => Verdict::new(Reason::Pending, "waits for Genesys Cloud's first answer"),
    }
}

/// A name that an administrator gave: it may hold a phone number.
fn shown(name: &str) -> String {
    mask::numbers_in(&format!("{name:?}"))
}

/// The error with its names masked. An id is none of a person's: it is shown whole, to be found by.
fn masked(error: &IntegrationLookupError) -> IntegrationLookupError {
    match error {
        IntegrationLookupError::NotFound { name, nearest } => IntegrationLookupError::NotFound {
            name: mask::numbers_in(name),
            nearest: nearest.iter().map(|name| mask::numbers_in(name)).collect(),
        },
        IntegrationLookupError::Ambiguous { name, ids } => IntegrationLookupError::Ambiguous {
            name: mask::numbers_in(name),
            ids: ids.clone(),
        },
    }
}

/// `WebhooksConfigured`.
pub(super) fn webhooks(secrets: &ParsedSecrets, facts: &PlatformFacts, target: &Target) -> Verdict {
    let sides = [
        twilio_webhook(secrets, facts.number.believed(), target),
        genesys_webhook(facts.integration.believed(), &target.urls),
    ];
    let wrong: Vec<&Verdict> = sides
        .iter()
        .filter(|side| side.status() == ConditionStatus::False)
        .collect();
    if let Some(first) = wrong.first() {
        // Both sides at once: whoever mends one should not find the other afterwards.
        let messages: Vec<&str> = wrong.iter().map(|side| side.message.as_str()).collect();
        return Verdict::new(first.reason, messages.join(". "));
    }
    let advice: Vec<&str> = sides
        .iter()
        .filter(|side| side.status() == ConditionStatus::True && !side.message.is_empty())
        .map(|side| side.message.as_str())
        .collect();
    let settled = match advice[..] {
        [] => "both platforms call this bridge".to_owned(),
        _ => format!("both platforms call this bridge. {}", advice.join(". ")),
    };
    worst(sides.into_iter()).unwrap_or_else(|| Verdict::new(Reason::Configured, settled))
}

fn twilio_webhook(
    secrets: &ParsedSecrets,
    answer: Option<&Answer<NumberFacts>>,
    target: &Target,
) -> Verdict {
    match answer {
        Some(Answer::Said(facts)) => number_webhook(facts, target),
        Some(Answer::Forbidden(words)) => Verdict::new(
            Reason::PermissionMissing,
            format!(
                "{words}; let the API key in Secret {:?} read incoming phone numbers \
                 (/2010-04-01/Accounts/{{AccountSid}}/IncomingPhoneNumbers*)",
                secrets.twilio.name
            ),
        ),
        Some(Answer::None(words)) => unreachable(TWILIO, &target.twilio, words),
        Some(Answer::Refused(_) | Answer::Suspended(_)) => {
            Verdict::new(Reason::Pending, "waits for credentials that Twilio accepts")
        }
        None if secrets.twilio.content.is_err() => Verdict::new(
            Reason::Pending,
            "waits for Twilio's Secret: see CredentialsValid",
        ),
        None => Verdict::new(Reason::Pending, "waits for Twilio's first answer"),
    }
}

fn number_webhook(facts: &NumberFacts, target: &Target) -> Verdict {
    let Some(number) = &facts.number else {
        return Verdict::new(
            Reason::NumberNotFound,
            "the Twilio account does not have the number of spec.twilio.number (in this region); buy it, or correct \
             number, account or spec.twilio.region",
        );
    };
    let judged = of_record(judge_twilio_number(number, &facts.service, &target.urls));
    // In a service that cannot be read, the number's own address says nothing.
    let settled = judged.status() == ConditionStatus::False
        && (target.messaging_service.is_none() || judged.reason == Reason::NumberWithoutSms);
    match &facts.service_unread {
        Some(words) if !settled => Verdict::new(
            Reason::PermissionMissing,
            format!(
                "whether a Messaging Service takes the number's messages is not known: {words}; let the API key read \
                 Messaging Services (/v1/Services*)"
            ),
        ),
        _ => judged,
    }
}

fn genesys_webhook(
    answer: Option<&Answer<Result<OpenIntegration, IntegrationLookupError>>>,
    urls: &WebhookUrls,
) -> Verdict {
    match answer {
        Some(Answer::Said(Ok(found))) => of_record(judge_genesys_integration(found, urls)),
        _ => Verdict::new(Reason::Pending, "waits for the integration to be resolved"),
    }
}

/// The judgement of a platform's record as a verdict. Advice is `True`, and says itself.
fn of_record(judged: records::Verdict) -> Verdict {
    match judged {
        records::Verdict::Right => Verdict::new(Reason::Configured, ""),
        records::Verdict::Advice { message } => Verdict::new(Reason::Configured, message),
        records::Verdict::Wrong { finding, message } => Verdict::new(reason(finding), message),
    }
}

fn reason(finding: Finding) -> Reason {
    match finding {
        Finding::NumberWithoutSms => Reason::NumberWithoutSms,
        Finding::MessagingServiceMissing => Reason::MessagingServiceNotFound,
        Finding::NumberNotInService => Reason::NumberNotInService,
        Finding::MessagingServiceOverrides => Reason::MessagingServiceOverrides,
        Finding::TwilioApplication => Reason::TwilioApplicationOverrides,
        Finding::TwilioWebhookNotSet | Finding::TwilioWebhookElsewhere => {
            Reason::TwilioWebhookDiffers
        }
        Finding::TwilioMethod => Reason::TwilioMethodDiffers,
        Finding::IntegrationFailed | Finding::IntegrationInactive => Reason::IntegrationInactive,
        Finding::IntegrationCreating => Reason::Pending,
        Finding::GenesysWebhookNotSet | Finding::GenesysWebhookElsewhere => {
            Reason::GenesysWebhookDiffers
        }
    }
}

/// No usable answer. It is asked again soon; the way there is what a platform team can mend.
fn unreachable(platform: &str, host: &Url, words: &str) -> Verdict {
    let host = host.host_str().unwrap_or_default();
    Verdict::new(
        Reason::PlatformUnreachable,
        format!(
            "{platform} at {host} does not answer: {words}; it is asked again. If it is up, let the operator reach it on \
             TCP 443: the chart's operator.httpsProxy, operator.caBundle, operator.networkPolicy.extraEgress"
        ),
    )
}

/// The first that is `False`, else the first that is `Unknown`.
fn worst(verdicts: impl Iterator<Item = Verdict>) -> Option<Verdict> {
    let mut unknown = None;
    for verdict in verdicts {
        match verdict.status() {
            ConditionStatus::False => return Some(verdict),
            ConditionStatus::Unknown => unknown = unknown.or(Some(verdict)),
            ConditionStatus::True => {}
        }
    }
    unknown
}
