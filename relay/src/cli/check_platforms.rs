//! What `check` reads from both platforms and from the public URL, judged by pure functions.

use messaging_bridge_clients::genesys::{GenesysClient, OpenIntegration, find_integration};
use messaging_bridge_clients::twilio::{AccountStatus, IncomingPhoneNumber, TwilioClient};
use messaging_bridge_clients::{ApiError, ErrorKind, http, mask};

use super::CliError;
use super::check::Finding;
use super::platforms::Platforms;
use crate::public_url::PublicUrl;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// Retries that Twilio is asked for in the webhook's fragment (Twilio: Webhook connection overrides): by default a slow or failed answer is
/// not retried at all.
const RETRY_FRAGMENT: &str = "#rc=3&rp=ct,rt,5xx&rt=4000";

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
            judge_genesys_webhook(WEBHOOK, found, &settings.public_url),
        ],
        Err(error) => vec![
            credentials,
            Finding::wrong(INTEGRATION, error.to_string()),
            Finding::skipped(WEBHOOK),
        ],
    }
}

fn judge_genesys_webhook(
    what: &'static str,
    found: &OpenIntegration,
    public_url: &PublicUrl,
) -> Finding {
    let wanted = public_url.genesys_outbound();
    match found.webhook_url.as_deref() {
        Some(url) if url == wanted => Finding::right(what, wanted),
        Some(url) => Finding::wrong(
            what,
            format!("is {url}; set the outbound notification webhook URL to {wanted}"),
        ),
        None => Finding::wrong(
            what,
            format!("is not set; set the outbound notification webhook URL to {wanted}"),
        ),
    }
}

async fn check_twilio(settings: &Settings, twilio: &TwilioClient) -> Vec<Finding> {
    const CREDENTIALS: &str = "Twilio credentials";
    const NUMBER: &str = "Twilio number";
    const WEBHOOK: &str = "Twilio webhook";
    let number = match twilio.phone_number(&settings.number).await {
        Ok(number) => number,
        Err(error) => {
            return vec![
                Finding::wrong(CREDENTIALS, with_fix(&error)),
                Finding::skipped(NUMBER),
                Finding::skipped(WEBHOOK),
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
    let shown = mask::phone(&settings.number);
    let Some(number) = number else {
        let missing = format!(
            "{shown} does not belong to this account (or not to this region); buy it, or correct spec.twilio.number"
        );
        return vec![
            credentials,
            Finding::wrong(NUMBER, missing),
            Finding::skipped(WEBHOOK),
        ];
    };
    let able = if number.capabilities.sms {
        Finding::right(NUMBER, format!("{shown} can send and receive SMS"))
    } else {
        Finding::wrong(
            NUMBER,
            format!("{shown} cannot send or receive SMS; choose a number that can"),
        )
    };
    vec![
        credentials,
        able,
        judge_twilio_webhook(WEBHOOK, &number, &settings.public_url),
    ]
}

fn judge_twilio_webhook(
    what: &'static str,
    number: &IncomingPhoneNumber,
    public_url: &PublicUrl,
) -> Finding {
    let wanted = public_url.twilio_inbound();
    let best = format!("{wanted}{RETRY_FRAGMENT}");
    if let Some(application) = number
        .sms_application_sid
        .as_deref()
        .filter(|sid| !sid.is_empty())
    {
        return Finding::wrong(
            what,
            format!(
                "the number uses application {application}, which overrides its URL; remove it and set \"A message comes in\" to {best}"
            ),
        );
    }
    let set = number.sms_url.as_deref().unwrap_or_default();
    let (url, fragment) = set.split_once('#').unwrap_or((set, ""));
    if url.is_empty() {
        return Finding::wrong(
            what,
            format!("is not set; set \"A message comes in\" to {best}"),
        );
    }
    if url != wanted {
        return Finding::wrong(
            what,
            format!("is {url}; set \"A message comes in\" to {best}"),
        );
    }
    if !number
        .sms_method
        .as_deref()
        .unwrap_or("POST")
        .eq_ignore_ascii_case("POST")
    {
        return Finding::wrong(what, "its method is not POST; set it to HTTP POST");
    }
    if !fragment.contains("rp=") {
        return Finding::advice(
            what,
            format!("is right; with {best} Twilio also retries slow and failed answers"),
        );
    }
    Finding::right(what, wanted)
}

/// Asks the relay itself, over its public URL, by the handshake: it answers only when it runs and is reached.
async fn check_public_url(public_url: &PublicUrl, client: &reqwest::Client) -> Finding {
    const PUBLIC_URL: &str = "public URL";
    let url = format!("{}?validationToken=check", public_url.genesys_outbound());
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
                format!(
                    "{}: {reason}; route it to this relay's --listen address",
                    public_url.genesys_outbound()
                ),
            );
        }
    };
    if answer.as_ref() == br#"{"challenge":"check"}"# {
        Finding::right(PUBLIC_URL, "a relay answers there")
    } else {
        Finding::wrong(
            PUBLIC_URL,
            format!(
                "{} is answered by something else; route it to this relay",
                public_url.genesys_outbound()
            ),
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
    use rstest::rstest;
    use serde_json::json;

    const WANTED: &str = "https://b.example.com/acme/twilio/inbound";

    #[rstest]
    #[case("with retries", json!({"sms_url": format!("{WANTED}#rc=3&rp=5xx"), "sms_method": "POST"}), Outcome::Right, "")]
    #[case("without retries", json!({"sms_url": WANTED, "sms_method": "POST"}), Outcome::Advice, "rc=3")]
    #[case("elsewhere", json!({"sms_url": "https://demo.twilio.com/welcome"}), Outcome::Wrong, WANTED)]
    #[case("not set", json!({"sms_url": ""}), Outcome::Wrong, WANTED)]
    #[case("by GET", json!({"sms_url": WANTED, "sms_method": "GET"}), Outcome::Wrong, "HTTP POST")]
    #[case("an application overrides it", json!({"sms_url": WANTED, "sms_application_sid": "AP1"}), Outcome::Wrong, "AP1")]
    fn the_numbers_webhook_is_judged_with_the_value_to_set(
        #[case] case: &str,
        #[case] mut number: serde_json::Value,
        #[case] outcome: Outcome,
        #[case] says: &str,
    ) {
        number["sid"] = json!("PN1");
        number["phone_number"] = json!("+15551230000");
        let number: IncomingPhoneNumber = serde_json::from_value(number).unwrap();
        let public_url = PublicUrl::parse("https://b.example.com/acme").unwrap();
        let finding = judge_twilio_webhook("Twilio webhook", &number, &public_url);
        assert_eq!(finding.outcome, outcome, "{case}");
        assert!(finding.says.contains(says), "{case}: {}", finding.says);
    }
}
