//! What `check` reads from both platforms and from the public URL, judged by pure functions.

use messaging_bridge_clients::genesys::{GenesysClient, find_integration};
use messaging_bridge_clients::twilio::{
    AccountStatus, IncomingPhoneNumber, ServiceView, TwilioClient,
};
use messaging_bridge_clients::webhooks::{
    self, Verdict, WebhookUrls, judge_genesys_integration, judge_twilio_number,
};
use messaging_bridge_clients::{ApiError, ErrorKind, http, mask};

use super::CliError;
use super::check::Finding;
use super::platforms::Platforms;
use crate::public_url::PublicUrl;
use crate::secrets::Secrets;
use crate::settings::Settings;

const NUMBER: &str = "Twilio number";
const TWILIO_WEBHOOK: &str = "Twilio webhook";

/// Everything beyond the files.
pub(super) async fn check(
    settings: &Settings,
    secrets: &Secrets,
) -> Result<Vec<Finding>, CliError> {
    let Platforms {
        http: client,
        genesys,
        twilio,
    } = Platforms::new(settings, secrets)?;
    let mut findings = check_genesys(settings, &genesys).await;
    findings.extend(check_twilio(settings, &twilio).await);
    findings.push(check_public_url(&settings.public_url, &client).await);
    Ok(findings)
}

async fn check_genesys(settings: &Settings, genesys: &GenesysClient) -> Vec<Finding> {
    const CREDENTIALS: &str = "Genesys credentials";
    const INTEGRATION: &str = "Genesys integration";
    const WEBHOOK: &str = "Genesys webhook";
    if let Err(error) = genesys.authenticate().await {
        return vec![
            Finding::wrong(CREDENTIALS, with_fix(&error)),
            Finding::skipped(INTEGRATION),
            Finding::skipped(WEBHOOK),
        ];
    }
    let credentials = Finding::right(CREDENTIALS, "a token was given out");
    let integrations = match genesys.open_integrations().await {
        Ok(integrations) => integrations,
        Err(error) => {
            return vec![
                credentials,
                Finding::wrong(INTEGRATION, with_fix(&error)),
                Finding::skipped(WEBHOOK),
            ];
        }
    };
    match find_integration(&integrations, &settings.integration_name) {
        Ok(found) => vec![
            credentials,
            Finding::right(INTEGRATION, format!("{:?} is {}", found.name, found.id)),
            finding(
                WEBHOOK,
                judge_genesys_integration(found, settings.public_url.webhooks()),
                settings.public_url.webhooks().genesys_outbound(),
            ),
        ],
        Err(error) => vec![
            credentials,
            Finding::wrong(INTEGRATION, error.to_string()),
            Finding::skipped(WEBHOOK),
        ],
    }
}

/// A verdict as a line of the table; `right` is what it says when nothing is wrong.
fn finding(what: &'static str, verdict: Verdict, right: String) -> Finding {
    match verdict {
        Verdict::Right => Finding::right(what, right),
        Verdict::Advice { message } => Finding::advice(what, message),
        Verdict::Wrong { message, .. } => Finding::wrong(what, message),
    }
}

async fn check_twilio(settings: &Settings, twilio: &TwilioClient) -> Vec<Finding> {
    const CREDENTIALS: &str = "Twilio credentials";
    let number = match twilio.phone_number(&settings.number).await {
        Ok(number) => number,
        Err(error) => {
            return vec![
                Finding::wrong(CREDENTIALS, with_fix(&error)),
                Finding::skipped(NUMBER),
                Finding::skipped(TWILIO_WEBHOOK),
            ];
        }
    };
    // Restricted keys may not read the account; that they read the number proves them.
    let credentials = match twilio.account().await {
        Ok(AccountStatus::Suspended | AccountStatus::Closed) => Finding::wrong(
            CREDENTIALS,
            "the account is suspended or closed; see the Twilio console",
        ),
        _ => Finding::right(CREDENTIALS, "the account answers"),
    };
    let Some(number) = number else {
        let missing = format!(
            "{} does not belong to this account (or not to this region); buy it, or correct spec.twilio.number",
            mask::phone(&settings.number)
        );
        return vec![
            credentials,
            Finding::wrong(NUMBER, missing),
            Finding::skipped(TWILIO_WEBHOOK),
        ];
    };
    let service = twilio.service_view(&number.sid, None).await;
    let mut findings = vec![credentials];
    findings.extend(judge_number(
        &number,
        service,
        settings.public_url.webhooks(),
    ));
    findings
}

/// The lines about the number and its webhook. A Messaging Service that cannot be read (a restricted key may lack the
/// right) leaves the number's own webhook to be judged.
fn judge_number(
    number: &IncomingPhoneNumber,
    service: Result<ServiceView, ApiError>,
    wanted: &WebhookUrls,
) -> Vec<Finding> {
    let (view, unread) = match service {
        Ok(view) => (view, None),
        Err(error) => (ServiceView::NotRead, Some(error)),
    };
    let able = Finding::right(
        NUMBER,
        format!(
            "{} can send and receive SMS",
            mask::phone(&number.phone_number)
        ),
    );
    let mut findings = match judge_twilio_number(number, &view, wanted) {
        Verdict::Wrong {
            finding: webhooks::Finding::NumberWithoutSms,
            message,
        } => vec![
            Finding::wrong(NUMBER, message),
            Finding::skipped(TWILIO_WEBHOOK),
        ],
        verdict => vec![
            able,
            finding(TWILIO_WEBHOOK, verdict, wanted.twilio_inbound()),
        ],
    };
    if let Some(error) = unread {
        findings.push(Finding::advice(
            "Messaging Service",
            format!(
                "one that has the number in its pool would take its messages; {}",
                with_fix(&error)
            ),
        ));
    }
    findings
}

/// Asks the relay itself, over its public URL, by the handshake: it answers only when it runs and is reached.
async fn check_public_url(public_url: &PublicUrl, client: &reqwest::Client) -> Finding {
    const PUBLIC_URL: &str = "public URL";
    let address = public_url.webhooks().genesys_outbound();
    let url = format!("{address}?validationToken=check");
    let answer = match client.get(&url).send().await {
        Ok(response) => http::read_body(response, 4096).await.unwrap_or_default(),
        Err(error) => {
            let reason = if error.is_connect() {
                "nobody listens there, or its certificate is not valid"
            } else {
                "no answer"
            };
            return Finding::wrong(
                PUBLIC_URL,
                format!("{address}: {reason}; route it to this relay's --listen address"),
            );
        }
    };
    if answer.as_ref() == br#"{"challenge":"check"}"# {
        Finding::right(PUBLIC_URL, "a relay answers there")
    } else {
        Finding::wrong(
            PUBLIC_URL,
            format!("{address} is answered by something else; route it to this relay"),
        )
    }
}

fn with_fix(error: &ApiError) -> String {
    match error.kind {
        ErrorKind::Blocked(cause) => format!("{error}; {}", cause.fix()),
        ErrorKind::Transient | ErrorKind::Ambiguous => format!(
            "could not be checked: {error}; see that this machine reaches the platform (DNS, proxy, firewall), and the platform's status page"
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot read its own input should stop there"
    )]

    use super::super::check::Outcome;
    use super::*;
    use messaging_bridge_clients::Platform;
    use rstest::rstest;
    use serde_json::json;

    const WANTED: &str = "https://b.example.com/acme/twilio/inbound";

    fn judged(
        changes: &serde_json::Value,
        service: Result<ServiceView, ApiError>,
    ) -> Vec<(&'static str, Outcome)> {
        let mut number = json!({
            "sid": "PN1", "phone_number": "+15551230000", "capabilities": {"sms": true},
            "sms_url": format!("{WANTED}#rc=3&rp=5xx"), "sms_fallback_url": WANTED,
        });
        for (name, value) in changes.as_object().unwrap() {
            number[name] = value.clone();
        }
        let number: IncomingPhoneNumber = serde_json::from_value(number).unwrap();
        let wanted = WebhookUrls::parse("https://b.example.com/acme").unwrap();
        judge_number(&number, service, &wanted)
            .iter()
            .map(|finding| (finding.what, finding.outcome))
            .collect()
    }

    #[rstest]
    #[case::right(json!({}), Outcome::Right, Outcome::Right)]
    #[case::without_retries(json!({"sms_url": WANTED}), Outcome::Right, Outcome::Advice)]
    #[case::without_a_fallback(json!({"sms_fallback_url": ""}), Outcome::Right, Outcome::Advice)]
    #[case::elsewhere(json!({"sms_url": "https://demo.twilio.com/"}), Outcome::Right, Outcome::Wrong)]
    #[case::without_sms(json!({"capabilities": {}}), Outcome::Wrong, Outcome::Skipped)]
    fn number_and_webhook_have_a_line_each(
        #[case] changes: serde_json::Value,
        #[case] number: Outcome,
        #[case] webhook: Outcome,
    ) {
        assert_eq!(
            judged(&changes, Ok(ServiceView::InNone)),
            [(NUMBER, number), (TWILIO_WEBHOOK, webhook)]
        );
    }

    #[test]
    fn services_that_cannot_be_read_are_mentioned_and_the_number_judged_alone() {
        let error = ApiError::new(
            Platform::Twilio,
            "list Messaging Services",
            ErrorKind::Permanent,
            "forbidden",
        );
        let lines = judged(&json!({}), Err(error));
        assert_eq!(lines[1], (TWILIO_WEBHOOK, Outcome::Right));
        assert_eq!(lines[2], ("Messaging Service", Outcome::Advice));
    }
}
