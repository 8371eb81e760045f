//! What both platforms say about a bridge: asked seldom, remembered in between.
//!
//! A platform is called when a bridge is new, when something changed that the answer depends on, when a person asks
//! for it, and otherwise on a schedule of about ten minutes. In between the remembered facts are handed out, and no
//! call is made. Everything here reads; nothing is changed at either platform.
//!
//! A check never takes longer than `LONGEST`, whatever hangs, and one that is given up changes nothing that was known.
//! Only so many run at a time, and fewer of those that were not answered last time: who finds no place goes on with what
//! is known, and asks soon.
//! What follows from the facts is decided in `validate` and `status`.

mod facts;
mod observer;
mod orgs;
mod question;
pub mod schedule;
mod twilio;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{
    ClientCredentials, GenesysHosts, IntegrationLookupError, OpenIntegration, WireProfile,
};
use messaging_bridge_clients::secrets::TwilioSecret;
use messaging_bridge_clients::twilio::{MessagingServiceSid, TwilioClient};
use messaging_bridge_clients::{ApiError, ErrorKind, Platform};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::Url;

pub use self::facts::{Answer, NumberFacts, PlatformFacts, Remembered};
pub use self::observer::CallObserver;
use self::observer::Observer;
use self::orgs::{Org, Orgs};
use self::question::Questions;
use self::twilio::Inquiry;

/// How long one platform may take in all: below the deadline of a reconcile.
const LONGEST: Duration = Duration::from_secs(40);
/// Checks that run at the same time, of bridges that were answered last time or are new; fewer than reconciles may
/// run, so that the others go on.
const CHECKS: usize = 8;
/// The same of bridges that were not answered last time.
const CHECKS_AGAIN: usize = 4;
/// When a check is tried again for which there was no place.
const DEFERRED: Duration = Duration::from_secs(5);
/// How old a list of integrations may be for a bridge that is new or has changed.
const RECENT: Duration = Duration::from_secs(10);

/// What is asked for one bridge.
pub struct FactsRequest {
    /// `namespace/name`.
    pub bridge: String,
    /// Changes when anything changes that an answer depends on: spec, Secrets.
    pub version: String,
    /// A person asks for a check now, with this word. For one word both are asked once, also where the status that
    /// would repeat it could not be written.
    pub force: Option<String>,
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

impl FactsRequest {
    fn is_forced(&self, known: Option<&Remembering>) -> bool {
        self.force.is_some() && known.and_then(|known| known.forced.as_ref()) != self.force.as_ref()
    }
}

/// What is remembered of one bridge.
#[derive(Clone)]
struct Remembering {
    version: String,
    forced: Option<String>,
    questions: Questions,
    facts: PlatformFacts,
    due: Instant,
    pools: Option<Instant>,
    /// Whether a platform did not answer at the last check.
    failed: bool,
}

/// Both platforms, as the operator asks them.
pub struct Platforms {
    http: reqwest::Client,
    interval: Duration,
    orgs: Orgs,
    bridges: Mutex<HashMap<String, Remembering>>,
    places: Semaphore,
    places_again: Semaphore,
    observer: Observer,
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
            places: Semaphore::new(CHECKS),
            places_again: Semaphore::new(CHECKS_AGAIN),
            observer: Observer(observe),
            chance,
        }
    }

    /// Forgets all bridges but these.
    pub fn retain(&self, lives: impl Fn(&str) -> bool) {
        self.lock().retain(|bridge, _| lives(bridge));
    }

    /// What both platforms say; asked now only if it is due, and not too many wait for them already. With the time until
    /// it is due again.
    pub async fn facts(&self, request: &FactsRequest, now: Timestamp) -> (PlatformFacts, Duration) {
        let known = self.lock().get(&request.bridge).cloned();
        let questions = Questions::of(request);
        let same = known
            .as_ref()
            .is_some_and(|known| known.version == request.version && known.questions == questions);
        let forced = request.is_forced(known.as_ref());
        if let Some(known) = known.as_ref().filter(|_| same && !forced) {
            let wait = known.due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                return (known.facts.clone(), wait);
            }
        }
        let mut remembering = known.unwrap_or_else(|| Remembering {
            version: String::new(),
            forced: None,
            questions: Questions::default(),
            facts: PlatformFacts::default(),
            due: Instant::now(),
            pools: None,
            failed: false,
        });
        question::attune(&mut remembering, questions);
        let places = if remembering.failed {
            &self.places_again
        } else {
            &self.places
        };
        let Ok(_place) = places.try_acquire() else {
            remembering.facts.deferred = true;
            return (
                remembering.facts,
                DEFERRED.mul_f64(0.8 + 0.4 * (self.chance)()),
            );
        };
        let age = match (forced, same) {
            (true, _) => Duration::ZERO,
            (false, true) => self.interval / 2,
            (false, false) => RECENT,
        };
        let wait = Box::pin(self.check(request, &mut remembering, age)).await;
        remembering.version.clone_from(&request.version);
        remembering.forced.clone_from(&request.force);
        remembering.facts.checked = Some(now);
        remembering.due = Instant::now() + wait;
        let facts = remembering.facts.clone();
        self.lock().insert(request.bridge.clone(), remembering);
        (facts, wait)
    }

    /// Asks both at once; the lists of integrations may be of `age`.
    async fn check(
        &self,
        request: &FactsRequest,
        remembering: &mut Remembering,
        age: Duration,
    ) -> Duration {
        let mut trouble = Trouble::default();
        let ((token, integration), number) = tokio::join!(
            self.ask_genesys(request, age),
            self.ask_twilio(request, remembering)
        );
        let facts = &mut remembering.facts;
        if let Some(outcome) = token {
            facts.token.hear(trouble.note(outcome.map(Answer::Said)));
        }
        if let Some(outcome) = integration {
            facts
                .integration
                .hear(trouble.note(outcome.map(Answer::Said)));
        }
        if let Some((outcome, pools)) = number {
            facts.number.hear(trouble.note(outcome));
            remembering.pools = pools;
        }
        remembering.failed = trouble.failed;
        schedule::next(
            self.interval,
            trouble.failed,
            trouble.patience,
            (self.chance)(),
        )
    }

    /// The relay's token, and the integration.
    async fn ask_genesys(
        &self,
        request: &FactsRequest,
        age: Duration,
    ) -> (Option<Result<(), ApiError>>, Option<Integration>) {
        let began = Instant::now();
        let token = match &request.relay_clients {
            Some(clients) => {
                let org = self.org(request, clients);
                let call = org.authenticate(&self.observer);
                Some(within(LONGEST, Platform::Genesys, call).await)
            }
            None => None,
        };
        let Some(clients) = &request.lookup_clients else {
            return (token, None);
        };
        if let Some(Err(error)) = &token
            && Answer::<()>::of_error(error.clone()).is_none()
        {
            // Who does not answer is not asked for more.
            let error = error.clone();
            return (token, Some(Err(error)));
        }
        let org = self.org(request, clients);
        let call = org.integration(&request.integration_name, age, &self.observer);
        let rest = LONGEST.saturating_sub(began.elapsed());
        let integration = within(rest, Platform::Genesys, call).await;
        (token, Some(integration))
    }

    fn org(&self, request: &FactsRequest, clients: &[ClientCredentials]) -> Arc<Org> {
        self.orgs
            .get(&self.http, &request.hosts, request.profile, clients)
    }

    /// The number.
    async fn ask_twilio(
        &self,
        request: &FactsRequest,
        remembering: &Remembering,
    ) -> Option<twilio::Findings> {
        let secret = request.twilio.as_ref()?;
        let client = TwilioClient::new(
            self.http.clone(),
            request.twilio_api.clone(),
            secret.account.clone(),
            secret.credentials.clone(),
        );
        let known = match remembering.facts.number.believed() {
            Some(Answer::Said(facts)) => Some(facts.service.clone()),
            _ => None,
        };
        let inquiry = Inquiry {
            client: &client,
            request,
            observer: &self.observer,
            known,
            pools: remembering.pools,
            forced: request.is_forced(Some(remembering)),
        };
        let findings = timeout(LONGEST, inquiry.make()).await;
        Some(findings.unwrap_or_else(|_| (Err(too_long(Platform::Twilio)), remembering.pools)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Remembering>> {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Integration = Result<Result<OpenIntegration, IntegrationLookupError>, ApiError>;

async fn within<T>(
    limit: Duration,
    platform: Platform,
    call: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let outcome = timeout(limit, call).await;
    outcome.unwrap_or_else(|_| Err(too_long(platform)))
}

fn too_long(platform: Platform) -> ApiError {
    ApiError::new(
        platform,
        "check",
        ErrorKind::Transient,
        "the answers take too long",
    )
}

/// What the calls of one check say about the next.
#[derive(Default)]
struct Trouble {
    failed: bool,
    patience: Option<Duration>,
}

impl Trouble {
    fn note<T>(&mut self, outcome: Result<Answer<T>, ApiError>) -> Answer<T> {
        outcome.unwrap_or_else(|error| {
            if let ErrorKind::Throttled { retry_after } = error.kind {
                self.patience = self.patience.max(retry_after);
            }
            let answer = Answer::of_error(error);
            self.failed |= answer.is_none();
            answer
        })
    }
}

#[cfg(test)]
mod tests;
