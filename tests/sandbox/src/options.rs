//! What a sandbox is started with: one tenant on both platforms, and how fast time runs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

use crate::settings::{self, MIN_WEBHOOK_SECRET};

/// A thousand times slower than real is slow enough.
const TIME_SCALE: std::ops::RangeInclusive<f64> = 0.0..=1000.0;

/// One tenant on both simulated platforms. [`Options::default`] is the tenant of the demo.
#[derive(Clone)]
pub struct Options {
    /// Twilio's account, `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The account's primary auth token: it signs the webhooks and is one way to authenticate.
    pub auth_token: String,
    /// The other way to authenticate: an API key's SID and secret. It never signs anything.
    pub api_key: Option<(String, String)>,
    /// The first phone number of the account, E.164. Others are added at run time.
    pub number: String,
    /// The customer who writes when nobody else is named, E.164.
    pub customer: String,
    /// The first Genesys OAuth client, and its secret. It has every permission.
    pub client_id: String,
    /// See [`Options::client_id`].
    pub client_secret: String,
    /// The Open Messaging integration whose webhook points to the bridge.
    pub integration: Integration,
    /// More integrations of the organisation, so that a list has several pages or a name is not unique.
    pub other_integrations: Vec<Integration>,
    /// The public URL of the bridge. What it signs and where it is configured: `{public_url}/twilio/inbound` and
    /// `{public_url}/genesys/outbound`.
    pub public_url: Url,
    /// Where the webhooks for a public host really go. A host that is not here is resolved as usual.
    pub connect: BTreeMap<String, Url>,
    /// The shape of the agent's webhooks.
    pub profile: Profile,
    /// All waits (between retries, carrier delays, between status callbacks) are multiplied by it. Time limits
    /// ([`Options::twilio_time_limit`]), token life and the rate limit's minute are real.
    pub time_scale: f64,
    /// How long Twilio waits for the whole answer to a webhook.
    pub twilio_time_limit: Duration,
    /// How long Genesys waits for the answer to one try of a webhook.
    pub genesys_time_limit: Duration,
    /// Life of a Genesys token, as `expires_in` announces it.
    pub token_life: Duration,
    /// Requests that one token may make in one minute; above it Genesys answers 429.
    pub genesys_limit_per_minute: u32,
    /// How they are counted.
    pub genesys_limiter: RateLimiter,
    /// The window in which they are counted, real: each holds its share of the minute.
    pub genesys_window: Duration,
    /// How far the clocks of both platforms are from this machine's, as their `Date` headers show it. Only these show
    /// it: times in bodies and in the log are the machine's.
    pub date_offset: SignedDuration,
    /// Seed of the faults' probabilities. Identifiers are random whatever the seed.
    pub seed: u64,
}

/// How Genesys counts the requests of a token. The platform does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateLimiter {
    /// In one window after the other, each begun by the first request in it.
    #[default]
    Fixed,
    /// In the window that ends now. What is refused is not counted.
    Sliding,
    /// As a leaky bucket, which takes this many at once and then one at a time, evenly.
    Leaky {
        /// So many at once.
        burst: u32,
    },
}

/// The rate limit of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    pub(crate) per_minute: u32,
    pub(crate) limiter: RateLimiter,
    pub(crate) window: Duration,
}

impl RateLimit {
    /// What a window holds.
    pub(crate) fn per_window(self) -> u32 {
        let share = self.window.as_secs_f64() / 60.0;
        let requests = (f64::from(self.per_minute) * share).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a number of requests is one"
        )]
        let requests = requests as u32;
        requests.max(1)
    }
}

/// An Open Messaging integration of the Genesys organisation.
#[derive(Clone)]
pub struct Integration {
    /// A UUID.
    pub id: String,
    /// The name an administrator gave it.
    pub name: String,
    /// Signs its webhooks; 16 characters or more.
    pub webhook_secret: String,
}

/// The shape of the agent's webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// As the platform sends it.
    #[default]
    Current,
    /// `recipientId` and `text`, as a widely read integration guide has it.
    Guide,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            account_sid: "AC0123456789abcdef0123456789abcdef".into(),
            auth_token: "sandbox-auth-token-0123456789abcd".into(),
            api_key: Some((
                "SK0123456789abcdef0123456789abcdef".into(),
                "sandbox-api-key-secret-0123456789".into(),
            )),
            number: "+15551230000".into(),
            customer: "+15557654321".into(),
            client_id: "4f6d1c1e-6f0a-4b7e-9d63-0c8f4e5a2b10".into(),
            client_secret: "sandbox-client-secret-0123456789".into(),
            integration: Integration {
                id: "b7a3c5d2-1f4e-4a6b-8c9d-2e5f7a1b3c4d".into(),
                name: "acme-sms".into(),
                webhook_secret: "sandbox-webhook-secret-0123456789".into(),
            },
            other_integrations: Vec::new(),
            public_url: Url::parse("https://bridge.example.com/acme").expect("a valid URL"),
            connect: BTreeMap::new(),
            profile: Profile::Current,
            time_scale: 1.0,
            twilio_time_limit: Duration::from_secs(15),
            genesys_time_limit: Duration::from_secs(10),
            token_life: Duration::from_hours(24),
            genesys_limit_per_minute: 300,
            genesys_limiter: RateLimiter::Fixed,
            genesys_window: Duration::from_mins(1),
            date_offset: SignedDuration::ZERO,
            seed: 0,
        }
    }
}

impl Options {
    /// Refuses a tenant that neither platform would have.
    pub fn check(&self) -> Result<(), SandboxError> {
        for (field, number) in [("number", &self.number), ("customer", &self.customer)] {
            if !is_e164(number) {
                return Err(SandboxError::NotE164 { field });
            }
        }
        if self.number == self.customer {
            return Err(SandboxError::CustomerIsNumber);
        }
        if self.integration.webhook_secret.chars().count() < MIN_WEBHOOK_SECRET {
            return Err(SandboxError::WebhookSecretTooShort);
        }
        if !TIME_SCALE.contains(&self.time_scale) {
            return Err(SandboxError::TimeScale(self.time_scale));
        }
        if self.public_url.host_str().is_none_or(str::is_empty)
            || !matches!(self.public_url.scheme(), "http" | "https")
            || self.public_url.query().is_some()
        {
            return Err(SandboxError::PublicUrl(self.public_url.to_string()));
        }
        Ok(())
    }

    pub(crate) fn rate_limit(&self) -> RateLimit {
        RateLimit {
            per_minute: self.genesys_limit_per_minute,
            limiter: self.genesys_limiter,
            window: self.genesys_window,
        }
    }

    /// `{public_url}/{path}`, whether or not the public URL ends in a slash.
    pub(crate) fn public(&self, path: &str) -> String {
        settings::below(self.public_url.as_str(), path)
    }

    pub(crate) fn integrations(&self) -> impl Iterator<Item = &Integration> {
        std::iter::once(&self.integration).chain(&self.other_integrations)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("integration", &self.integration)
            .field("public_url", &self.public_url.as_str())
            .field("profile", &self.profile)
            .field("time_scale", &self.time_scale)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A phone number that is not one.
    #[error("{field} is not a phone number in E.164 form, such as +15551230000")]
    NotE164 {
        /// Which of the options.
        field: &'static str,
    },
    /// Twilio refuses messages from a number to itself.
    #[error("number and customer are the same: give the customer another number")]
    CustomerIsNumber,
    /// Genesys takes no shorter secret.
    #[error(
        "the integration's webhook secret has fewer than 16 characters: Genesys Cloud refuses it"
    )]
    WebhookSecretTooShort,
    /// Time can't run backwards.
    #[error("time scale {0} is not between 0 and 1000: 1 is real time, 0.02 is fifty times faster")]
    TimeScale(f64),
    /// Webhooks could not be addressed.
    #[error("public URL {0:?} must be http(s)://HOST[/PATH] without a query")]
    PublicUrl(String),
    /// The listener could not tell its own address.
    #[error("the listener has no local address")]
    Listener(#[source] std::io::Error),
    /// The listener's address makes no URL.
    #[error("the listener's address makes no URL")]
    Address(#[source] url::ParseError),
    /// The file of further root certificates cannot be used.
    #[error("cannot read root certificates from {path} (SSL_CERT_FILE): {reason}")]
    Roots {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client for webhooks could not be made")]
    Client(#[source] reqwest::Error),
}

/// `+`, a digit from 1 to 9, and up to 14 more digits.
pub(crate) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_tenant_is_valid() {
        assert!(Options::default().check().is_ok());
    }

    #[test]
    fn a_tenant_that_neither_platform_would_have_is_refused() {
        type Change = fn(&mut Options);
        let table: [(&str, Change); 6] = [
            ("number", |o| o.number = "15551230000".into()),
            ("customer", |o| o.customer = "+0555".into()),
            ("same", |o| o.customer = o.number.clone()),
            ("secret", |o| {
                o.integration.webhook_secret = "fifteen-letters".into();
            }),
            ("time scale", |o| o.time_scale = f64::NAN),
            ("public URL", |o| {
                o.public_url = Url::parse("https://a.example/x?y=1").expect("valid");
            }),
        ];
        for (what, change) in table {
            let mut options = Options::default();
            change(&mut options);
            assert!(options.check().is_err(), "{what}");
        }
    }

    #[test]
    fn no_secret_is_in_the_debug_output() {
        let shown = format!("{:?}", Options::default());
        for secret in [
            "auth-token",
            "client-secret",
            "webhook-secret",
            "api-key-secret",
            "+1555",
        ] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
