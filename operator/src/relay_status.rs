//! What the relay says of itself: its `/status`, read over the admin Service.
//!
//! Read leniently, since a relay of another release may say more or less; bounded in time and size. Not a platform
//! call: it stays within the cluster.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::http::{HttpError, local_client, read_body};
use serde::Deserialize;

use crate::names::RelayNames;

/// How long the relay may take.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// The longest status that is read.
const LARGEST: usize = 64 * 1024;
/// Where a relay's status is, inside a cluster.
pub const URL_TEMPLATE: &str = "http://{service}.{namespace}.svc:9090/status";

/// What came of reading it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RelaySeen {
    /// There is no relay to be asked.
    #[default]
    NotAsked,
    /// It did not answer.
    Unreachable {
        /// In words for a person.
        why: String,
        /// How often in a row.
        times: u32,
    },
    /// It said this.
    Seen(Box<RelayStatus>),
}

impl RelaySeen {
    /// What it said, if it did.
    pub fn status(&self) -> Option<&RelayStatus> {
        match self {
            Self::Seen(status) => Some(status),
            Self::NotAsked | Self::Unreachable { .. } => None,
        }
    }
}

/// The part of the relay's status that the operator uses.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RelayStatus {
    /// Both directions.
    pub lanes: Vec<Lane>,
    /// Messages that were given up and are kept.
    pub dead_letters: i64,
    /// How Genesys Cloud fares.
    pub genesys: Health,
    /// How Twilio fares.
    pub twilio: Health,
    /// Which Secrets are loaded.
    pub secrets: Fingerprints,
}

/// One direction.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lane {
    /// `inbound` or `outbound`.
    pub direction: String,
    /// Messages that wait.
    pub backlog: i64,
    /// When the oldest of them arrived.
    pub oldest_pending_time: Option<Timestamp>,
    /// Why nothing flows, if so.
    pub blocked: Option<Blocked>,
}

/// Why a direction stands still.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Blocked {
    /// A word.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

/// How a platform fares as the relay sees it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Health {
    /// Its last authentic webhook.
    pub last_webhook_time: Option<Timestamp>,
}

/// Salted hashes of the loaded Secrets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Fingerprints {
    /// Of the Genesys Secret.
    pub genesys: String,
    /// Of the Twilio Secret.
    pub twilio: String,
}

/// Reads relays' status.
#[derive(Debug)]
pub struct RelayStatusReader {
    http: reqwest::Client,
    template: String,
    /// By `namespace/name`, how often in a row a relay did not answer.
    failures: Mutex<HashMap<String, u32>>,
}

impl RelayStatusReader {
    /// `template` holds `{service}` and `{namespace}`; [`URL_TEMPLATE`] inside a cluster.
    pub fn new(user_agent: &str, template: String) -> Result<Self, HttpError> {
        let http = local_client(user_agent, TIME_LIMIT)?;
        Ok(Self {
            http,
            template,
            failures: Mutex::default(),
        })
    }

    /// Asks the bridge's relay.
    pub async fn read(&self, namespace: &str, bridge: &str) -> RelaySeen {
        let service = RelayNames::of(bridge).admin_service();
        let url = self
            .template
            .replace("{service}", &service)
            .replace("{namespace}", namespace);
        let outcome = self.ask(&url).await;
        let key = format!("{namespace}/{bridge}");
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(status) => {
                failures.remove(&key);
                RelaySeen::Seen(Box::new(status))
            }
            Err(why) => {
                let times = failures.entry(key).or_default();
                *times = times.saturating_add(1);
                RelaySeen::Unreachable { why, times: *times }
            }
        }
    }

    /// Forgets all bridges but these.
    pub fn retain(&self, lives: impl Fn(&str) -> bool) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|bridge, _| lives(bridge));
    }

    async fn ask(&self, url: &str) -> Result<RelayStatus, String> {
        let answer = self
            .http
            .get(url)
            .send()
            .await
            .map_err(|error| reason(&error))?;
        if !answer.status().is_success() {
            return Err(format!("it answers HTTP {}", answer.status().as_u16()));
        }
        let body = read_body(answer, LARGEST)
            .await
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map_err(|error| format!("its answer cannot be read: {error}"))
    }
}

/// The same words for the same trouble, so that a condition's message does not change each time.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "it does not answer in time".to_owned()
    } else if error.is_connect() {
        "it cannot be connected to".to_owned()
    } else {
        "its answer broke off".to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_status_is_read_leniently() {
        let status: RelayStatus = serde_json::from_str(
            r#"{"bridge": "a/b", "version": "9", "something": {"new": 1},
                "lanes": [{"direction": "inbound", "backlog": 2, "oldestPendingTime": "2026-01-02T03:04:05Z",
                           "blocked": {"cause": "Permission", "fix": "give it", "since": "2026-01-02T03:04:05Z"}}],
                "twilio": {"lastWebhookTime": "2026-01-02T03:04:05Z", "misrouted": 0},
                "secrets": {"genesys": "abc", "twilio": "def"}}"#,
        )
        .unwrap();
        assert_eq!(status.lanes[0].backlog, 2);
        assert_eq!(
            status.lanes[0].blocked.as_ref().unwrap().cause,
            "Permission"
        );
        assert!(status.twilio.last_webhook_time.is_some());
        assert_eq!(status.secrets.twilio, "def");
        assert_eq!(
            serde_json::from_str::<RelayStatus>("{}").unwrap(),
            RelayStatus::default()
        );
    }

    #[tokio::test]
    async fn looks_in_vain_are_counted_until_the_relay_is_heard() {
        static UP: AtomicBool = AtomicBool::new(false);
        let answers = |up: &'static AtomicBool| {
            axum::Router::new().fallback(move || async move {
                let code = if up.load(Ordering::Relaxed) { 200 } else { 503 };
                (http::StatusCode::from_u16(code).unwrap(), "{}")
            })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, answers(&UP)).await });
        let reader = RelayStatusReader::new("test", url).unwrap();
        let mut times = Vec::new();
        for up in [false, false, true, false] {
            UP.store(up, Ordering::Relaxed);
            times.push(match reader.read("tenant", "acme").await {
                RelaySeen::Unreachable { times, .. } => times,
                _ => 0,
            });
        }
        assert_eq!(times, [1, 2, 0, 1]);
        reader.retain(|bridge| bridge != "tenant/acme");
        let seen = reader.read("tenant", "acme").await;
        assert!(
            matches!(seen, RelaySeen::Unreachable { times: 1, .. }),
            "{seen:?}"
        );
    }
}
