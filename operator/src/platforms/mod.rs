//! What both platforms say about a bridge: asked seldom, remembered in between.
//!
//! A platform is called when a bridge is new, when something changed that the answer depends on, when a person asks
//! for it, and otherwise on a schedule of about ten minutes. In between the remembered facts are handed out, and no
//! call is made. Everything here reads; nothing is changed at either platform.
//!
//! What follows from the facts is decided in `validate` and `status`.

mod facts;
mod orgs;
pub mod schedule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{
    ClientCredentials, GenesysHosts, WireProfile, find_integration,
};
use messaging_bridge_clients::secrets::TwilioSecret;
use messaging_bridge_clients::twilio::{
    AccountStatus, MessagingServiceSid, ServiceView, TwilioClient,
};
use messaging_bridge_clients::{ApiError, ErrorKind, Platform};
use tokio::time::Instant;
use url::Url;

pub use self::facts::{Answer, NumberFacts, PlatformFacts, Remembered};
use self::orgs::Orgs;

/// Hears of each call: platform, operation, outcome, duration.
pub type CallObserver = Arc<dyn Fn(Platform, &'static str, &'static str, Duration) + Send + Sync>;

/// What is asked for one bridge.
pub struct FactsRequest {
    /// `namespace/name`.
    pub bridge: String,
    /// Changes when anything changes that an answer depends on: spec, Secrets.
    pub version: String,
    /// A person asks for a check now.
    pub force: bool,
    /// Where the organisation is.
    pub hosts: GenesysHosts,
    /// The shape of the API.
    pub profile: WireProfile,
    /// The integration's name.
    pub integration_name: String,
    /// The relay's OAuth clients, if the Secret can be used.
    pub relay_clients: Option<Vec<ClientCredentials>>,
    /// The clients that look the integration up: the operator's own where the bridge names them.
    pub lookup_clients: Option<Vec<ClientCredentials>>,
    /// Twilio's Secret, if it can be used.
    pub twilio: Option<TwilioSecret>,
    /// Where Twilio's API is.
    pub twilio_api: Url,
    /// The number, E.164.
    pub number: String,
    /// The Messaging Service that the bridge names.
    pub messaging_service: Option<MessagingServiceSid>,
}

/// What is remembered of one bridge.
struct Remembering {
    version: String,
    facts: PlatformFacts,
    due: Instant,
    pools: Option<Instant>,
}

/// Both platforms, as the operator asks them.
pub struct Platforms {
    http: reqwest::Client,
    interval: Duration,
    orgs: Orgs,
    bridges: Mutex<HashMap<String, Remembering>>,
    observe: CallObserver,
    chance: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl Platforms {
    /// Asks through `http` every `interval`; `chance` gives numbers from 0 to 1.
    pub fn new(
        http: reqwest::Client,
        interval: Duration,
        observe: CallObserver,
        chance: Box<dyn Fn() -> f64 + Send + Sync>,
    ) -> Self {
        Self {
            http,
            interval,
            orgs: Orgs::default(),
            bridges: Mutex::default(),
            observe,
            chance,
        }
    }

    /// Forgets a bridge that is gone.
    pub fn forget(&self, bridge: &str) {
        self.lock().remove(bridge);
    }

    /// What both platforms say; asked now only if it is due. With the time until it is due again.
    pub async fn facts(&self, request: &FactsRequest, now: Timestamp) -> (PlatformFacts, Duration) {
        let known = self.lock().remove(&request.bridge);
        let mut remembering = match known {
            Some(known) if known.version == request.version => {
                let wait = known.due.saturating_duration_since(Instant::now());
                if !request.force && !wait.is_zero() {
                    let facts = known.facts.clone();
                    self.lock().insert(request.bridge.clone(), known);
                    return (facts, wait);
                }
                known
            }
            // Something changed: what was said before is about something else.
            _ => Remembering {
                version: request.version.clone(),
                facts: PlatformFacts::default(),
                due: Instant::now(),
                pools: None,
            },
        };
        let wait = self.check(request, &mut remembering).await;
        remembering.facts.checked = Some(now);
        remembering.due = Instant::now() + wait;
        let facts = remembering.facts.clone();
        self.lock().insert(request.bridge.clone(), remembering);
        (facts, wait)
    }

    async fn check(&self, request: &FactsRequest, remembering: &mut Remembering) -> Duration {
        let mut trouble = Trouble::default();
        let facts = &mut remembering.facts;
        if let Some(clients) = &request.relay_clients {
            let answer = self.token(request, clients).await;
            facts.token.hear(trouble.note(answer));
        }
        if let Some(clients) = &request.lookup_clients {
            let found = self.integrations(request, clients).await;
            let answer =
                found.map(|all| find_integration(&all, &request.integration_name).cloned());
            facts.integration.hear(trouble.note(answer));
        }
        if let Some(secret) = &request.twilio {
            let answer = self
                .number(request, secret, &mut remembering.pools, facts)
                .await;
            let facts = &mut remembering.facts;
            facts.number.hear(match answer {
                Ok(Some(number)) => Answer::Said(number),
                Ok(None) => {
                    Answer::Suspended("the Twilio account is suspended or closed".to_owned())
                }
                Err(error) => trouble.note(Err(error)),
            });
        }
        schedule::next(
            self.interval,
            trouble.failed,
            trouble.patience,
            (self.chance)(),
        )
    }

    async fn token(
        &self,
        request: &FactsRequest,
        clients: &[ClientCredentials],
    ) -> Result<(), ApiError> {
        let org = self
            .orgs
            .get(&self.http, &request.hosts, request.profile, clients);
        self.observed(Platform::Genesys, "token", org.client().authenticate())
            .await
    }

    async fn integrations(
        &self,
        request: &FactsRequest,
        clients: &[ClientCredentials],
    ) -> Result<Arc<Vec<messaging_bridge_clients::genesys::OpenIntegration>>, ApiError> {
        let org = self
            .orgs
            .get(&self.http, &request.hosts, request.profile, clients);
        // A list that another bridge of the organisation has read lately is as good.
        let age = if request.force {
            Duration::ZERO
        } else {
            self.interval / 2
        };
        self.observed(
            Platform::Genesys,
            "list_integrations",
            org.integrations(age),
        )
        .await
    }

    /// The number and its Messaging Service; `None` if the account is suspended.
    async fn number(
        &self,
        request: &FactsRequest,
        secret: &TwilioSecret,
        pools: &mut Option<Instant>,
        known: &PlatformFacts,
    ) -> Result<Option<NumberFacts>, ApiError> {
        let twilio = TwilioClient::new(
            self.http.clone(),
            request.twilio_api.clone(),
            secret.account.clone(),
            secret.credentials.clone(),
        );
        let number = self
            .observed(
                Platform::Twilio,
                "read_number",
                twilio.phone_number(&request.number),
            )
            .await?;
        let account = self
            .observed(Platform::Twilio, "read_account", twilio.account())
            .await;
        if let Ok(AccountStatus::Suspended | AccountStatus::Closed) = account {
            return Ok(None);
        }
        let Some(found) = number else {
            return Ok(Some(NumberFacts {
                number: None,
                service: ServiceView::NotRead,
                service_unread: None,
            }));
        };
        let service = self
            .service(request, &twilio, &found.sid, pools, known)
            .await;
        let (service, service_unread) = match service {
            Ok(view) => (view, None),
            Err(error) => (
                ServiceView::NotRead,
                Some(error.without_correlation_id().to_string()),
            ),
        };
        Ok(Some(NumberFacts {
            number: Some(found),
            service,
            service_unread,
        }))
    }

    /// The Messaging Service of the number: the named one each time, an unnamed one through all pools once a day.
    async fn service(
        &self,
        request: &FactsRequest,
        twilio: &TwilioClient,
        number_sid: &str,
        pools: &mut Option<Instant>,
        known: &PlatformFacts,
    ) -> Result<ServiceView, ApiError> {
        let before = match known.number.believed() {
            Some(Answer::Said(facts)) => Some(&facts.service),
            _ => None,
        };
        let fresh = !request.force && pools.is_some_and(|read| read.elapsed() < schedule::POOLS);
        let named = match (&request.messaging_service, before) {
            (Some(sid), _) => Some(sid.clone()),
            (None, Some(ServiceView::In(service))) if fresh => Some(service.sid.clone()),
            (None, Some(ServiceView::InNone)) if fresh => return Ok(ServiceView::InNone),
            (None, _) => None,
        };
        let call = twilio.service_view(number_sid, named.as_ref());
        let view = self
            .observed(Platform::Twilio, "read_messaging_service", call)
            .await?;
        if request.messaging_service.is_none() {
            *pools = match view {
                // It left the service that it was in: look through all pools at the next check.
                ServiceView::Missing(_) | ServiceView::NotInPool(_) => None,
                _ if named.is_none() => Some(Instant::now()),
                _ => *pools,
            };
            if matches!(view, ServiceView::Missing(_) | ServiceView::NotInPool(_)) {
                let call = twilio.service_view(number_sid, None);
                let view = self
                    .observed(Platform::Twilio, "read_messaging_service", call)
                    .await?;
                *pools = Some(Instant::now());
                return Ok(view);
            }
        }
        Ok(view)
    }

    async fn observed<T>(
        &self,
        platform: Platform,
        operation: &'static str,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let began = Instant::now();
        let outcome = call.await;
        let word = match &outcome {
            Ok(_) => "ok",
            Err(error) => error.kind.as_str(),
        };
        (self.observe)(platform, operation, word, began.elapsed());
        outcome
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Remembering>> {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the calls of one check say about the next.
#[derive(Default)]
struct Trouble {
    failed: bool,
    patience: Option<Duration>,
}

impl Trouble {
    fn note<T>(&mut self, outcome: Result<T, ApiError>) -> Answer<T> {
        match outcome {
            Ok(said) => Answer::Said(said),
            Err(error) => {
                if let ErrorKind::Throttled { retry_after } = error.kind {
                    self.patience = self.patience.max(retry_after);
                }
                let answer = Answer::of_error(error);
                self.failed |= answer.is_none();
                answer
            }
        }
    }
}
