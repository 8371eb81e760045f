//! The access token of the client-credentials grant: cached, fetched by one caller at a time, renewed ahead of time.
//!
//! When to renew is decided by [`TokenState::decide`], a pure function of the time. A token's life counts from before
//! the request for it was sent. While a renewal fails, a token that is still valid is used. A token that the API
//! refused is dropped only if it is still the cached one, so that late refusals cannot drop its successor.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::answer::{self, Operation};
use crate::error::{ApiError, BlockedCause, ErrorKind};
use crate::http::{endpoint, exchange};

/// A token is renewed when less than this remains, or less than a tenth of its life if that is shorter.
const RENEW_AHEAD: Duration = Duration::from_mins(5);
/// After a failed renewal the valid token is used this long before the next try.
const RENEW_RETRY: Duration = Duration::from_secs(10);

/// One OAuth client of the organisation.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: SecretString,
}

impl ClientCredentials {
    fn is_same(&self, other: &Self) -> bool {
        self.client_id == other.client_id
            && self.client_secret.expose_secret() == other.client_secret.expose_secret()
    }
}

/// A token and the times that matter.
#[derive(Debug)]
pub(super) struct Token {
    bearer: SecretString,
    requested_at: Instant,
    life: Duration,
    issued_to: ClientCredentials,
}

impl Token {
    pub(super) fn bearer(&self) -> &SecretString {
        &self.bearer
    }

    fn remaining(&self, now: Instant) -> Duration {
        self.life
            .saturating_sub(now.saturating_duration_since(self.requested_at))
    }

    fn is_valid(&self, now: Instant) -> bool {
        !self.remaining(now).is_zero()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.remaining(now) < RENEW_AHEAD.min(self.life / 10)
    }
}

/// How old the cached token is, and how long it will live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLife {
    /// Since before it was asked for.
    pub age: Duration,
    /// What is left; zero when it is over.
    pub remaining: Duration,
}

/// The cached token, if any, and when the next renewal may be tried.
#[derive(Debug, Default)]
struct TokenState {
    token: Option<Arc<Token>>,
    renew_after: Option<Instant>,
}

#[derive(Debug)]
enum Decision {
    /// Use the cached token.
    Use(Arc<Token>),
    /// It is valid but due: whoever is first renews it, the others use it.
    Renew(Arc<Token>),
    /// There is no valid token: everybody waits for one fetch.
    Fetch,
}

impl TokenState {
    fn decide(&self, now: Instant) -> Decision {
        match &self.token {
            Some(token) if token.is_valid(now) => {
                let may_renew = self.renew_after.is_none_or(|after| now >= after);
                if may_renew && token.is_due(now) {
                    Decision::Renew(Arc::clone(token))
                } else {
                    Decision::Use(Arc::clone(token))
                }
            }
            _ => Decision::Fetch,
        }
    }
}

/// Fetches and caches the token of the first client that Genesys accepts.
#[derive(Debug)]
pub(super) struct TokenSource {
    http: reqwest::Client,
    endpoint: Url,
    /// Never locked across an await.
    cache: Mutex<Cache>,
    /// Held by the one caller that talks to the token endpoint.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Cache {
    credentials: Arc<[ClientCredentials]>,
    /// Counts changes of `credentials`: what was fetched with older ones is not cached.
    epoch: u64,
    state: TokenState,
    /// Counts finished fetches, so that whoever waited for a failed one does not repeat it in turn.
    flights: u64,
    failure: Option<ApiError>,
}

impl TokenSource {
    pub(super) fn new(
        http: reqwest::Client,
        login: &Url,
        credentials: Vec<ClientCredentials>,
    ) -> Self {
        Self {
            http,
            endpoint: endpoint(login, ["oauth", "token"]),
            cache: Mutex::new(Cache {
                credentials: credentials.into(),
                ..Cache::default()
            }),
            flight: tokio::sync::Mutex::new(()),
        }
    }

    /// Replaces the clients. The cached token stays if its client is still among them.
    pub(super) fn set_credentials(&self, credentials: Vec<ClientCredentials>) {
        let mut cache = self.lock();
        let kept = cache.state.token.take().filter(|token| {
            credentials
                .iter()
                .any(|client| client.is_same(&token.issued_to))
        });
        cache.state = TokenState {
            token: kept,
            renew_after: None,
        };
        cache.credentials = credentials.into();
        cache.epoch += 1;
        cache.failure = None;
    }

    /// The life of the cached token, if there is one.
    pub(super) fn life(&self) -> Option<TokenLife> {
        let now = Instant::now();
        self.lock().state.token.as_ref().map(|token| TokenLife {
            age: now.saturating_duration_since(token.requested_at),
            remaining: token.remaining(now),
        })
    }

    /// A token to use now.
    pub(super) async fn token(&self) -> Result<Arc<Token>, ApiError> {
        let (decision, flights) = {
            let cache = self.lock();
            (cache.state.decide(Instant::now()), cache.flights)
        };
        match decision {
            Decision::Use(token) => Ok(token),
            Decision::Renew(token) => Ok(self.renew(token).await),
            Decision::Fetch => self.fetch_once(flights).await,
        }
    }

    /// Drops `refused`, unless another caller replaced it already.
    pub(super) fn refuse(&self, refused: &Arc<Token>) {
        let mut cache = self.lock();
        let is_cached = cache
            .state
            .token
            .as_ref()
            .is_some_and(|cached| Arc::ptr_eq(cached, refused));
        if is_cached {
            cache.state.token = None;
        }
    }

    /// A newer token if this caller is the one to renew and succeeds, else the one at hand.
    async fn renew(&self, at_hand: Arc<Token>) -> Arc<Token> {
        let Ok(_flight) = self.flight.try_lock() else {
            return at_hand;
        };
        if let Decision::Use(token) = self.lock().state.decide(Instant::now()) {
            return token;
        }
        match self.fetch().await {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(%error, "token not renewed; using the one that is still valid");
                at_hand
            }
        }
    }

    /// Fetches a token, or shares the outcome of a fetch that finished while this caller waited (`seen` counts those
    /// finished before).
    async fn fetch_once(&self, seen: u64) -> Result<Arc<Token>, ApiError> {
        let _flight = self.flight.lock().await;
        {
            let cache = self.lock();
            if let Decision::Use(token) | Decision::Renew(token) =
                cache.state.decide(Instant::now())
            {
                return Ok(token);
            }
            if let (true, Some(failure)) = (cache.flights != seen, &cache.failure) {
                return Err(failure.clone());
            }
        }
        self.fetch().await
    }

    async fn fetch(&self) -> Result<Arc<Token>, ApiError> {
        let (credentials, epoch) = {
            let cache = self.lock();
            (Arc::clone(&cache.credentials), cache.epoch)
        };
        let outcome = self
            .request_first_accepted(&credentials)
            .await
            .map(Arc::new);
        let mut cache = self.lock();
        cache.flights += 1;
        if cache.epoch == epoch {
            match &outcome {
                Ok(token) => {
                    cache.state = TokenState {
                        token: Some(Arc::clone(token)),
                        renew_after: None,
                    };
                    cache.failure = None;
                }
                Err(error) => {
                    cache.state.renew_after = Some(Instant::now() + RENEW_RETRY);
                    cache.failure = Some(error.clone());
                }
            }
        }
        outcome
    }

    /// Tries the clients in order. Only when all are refused are the credentials to blame.
    async fn request_first_accepted(
        &self,
        credentials: &[ClientCredentials],
    ) -> Result<Token, ApiError> {
        let blocked = ErrorKind::Blocked(BlockedCause::Credentials);
        let mut worst: Option<ApiError> = None;
        for client in credentials {
            match self.request(client).await {
                Ok(token) => return Ok(token),
                Err(error) if error.kind == blocked => {
                    worst.get_or_insert(error);
                }
                // This client was not judged, so the credentials as a whole are not either.
                Err(error) => return Err(error),
            }
        }
        Err(worst
            .unwrap_or_else(|| Operation::GetToken.error(blocked, "no OAuth client is configured")))
    }

    async fn request(&self, client: &ClientCredentials) -> Result<Token, ApiError> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            expires_in: u64,
        }

        let operation = Operation::GetToken;
        let requested_at = Instant::now();
        let request = self
            .http
            .post(self.endpoint.clone())
            .basic_auth(
                &client.client_id,
                Some(client.client_secret.expose_secret()),
            )
            .form(&[("grant_type", "client_credentials")]);
        let answer = exchange(request)
            .await
            .map_err(|failure| answer::no_answer(operation, failure))?
            .withholding(&client.client_secret);
        if !answer.status.is_success() {
            return Err(answer::refused(operation, &answer));
        }
        let granted: Granted = serde_json::from_slice(&answer.body)
            .map_err(|_| answer::undecodable(operation, &answer))?;
        tracing::debug!(expires_in = granted.expires_in, "token received");
        Ok(Token {
            bearer: SecretString::from(granted.access_token),
            requested_at,
            life: Duration::from_secs(granted.expires_in),
            issued_to: client.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // Every change under this lock is complete before anything can panic.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DAY: u64 = 86_400;

    fn token(requested_at: Instant, life: u64) -> Arc<Token> {
        Arc::new(Token {
            bearer: SecretString::from("token"),
            requested_at,
            life: Duration::from_secs(life),
            issued_to: ClientCredentials {
                client_id: "id".to_owned(),
                client_secret: SecretString::from("secret"),
            },
        })
    }

    fn word(decision: &Decision) -> &'static str {
        match decision {
            Decision::Use(_) => "use",
            Decision::Renew(_) => "renew",
            Decision::Fetch => "fetch",
        }
    }

    #[rstest]
    #[case::fresh(DAY, 0, "use")]
    #[case::five_minutes_left_of_a_day(DAY, DAY - 300, "use")]
    #[case::less_than_five_minutes_left(DAY, DAY - 299, "renew")]
    #[case::last_second(DAY, DAY - 1, "renew")]
    #[case::expired(DAY, DAY, "fetch")]
    #[case::long_expired(DAY, 2 * DAY, "fetch")]
    #[case::a_tenth_left_of_a_short_life(300, 270, "use")]
    #[case::less_than_a_tenth_left(300, 271, "renew")]
    #[case::no_life_at_all(0, 0, "fetch")]
    fn a_token_is_renewed_before_it_ends(
        #[case] life: u64,
        #[case] age: u64,
        #[case] expected: &str,
    ) {
        let start = Instant::now();
        let state = TokenState {
            token: Some(token(start, life)),
            renew_after: None,
        };
        let decision = state.decide(start + Duration::from_secs(age));
        assert_eq!(word(&decision), expected);
    }

    #[test]
    fn without_a_token_one_is_fetched() {
        assert_eq!(word(&TokenState::default().decide(Instant::now())), "fetch");
    }

    #[test]
    fn after_a_failed_renewal_the_valid_token_is_used_for_a_while() {
        let start = Instant::now();
        let failed_at = start + Duration::from_secs(280);
        let state = TokenState {
            token: Some(token(start, 300)),
            renew_after: Some(failed_at + RENEW_RETRY),
        };
        assert_eq!(word(&state.decide(failed_at)), "use");
        assert_eq!(word(&state.decide(failed_at + RENEW_RETRY)), "renew");
        let expired = start + Duration::from_mins(5);
        assert_eq!(word(&state.decide(expired)), "fetch");
    }

    #[test]
    fn debug_shows_neither_token_nor_secret() {
        let shown = format!("{:?}", token(Instant::now(), 300));
        assert!(!shown.contains("\"token\""), "{shown}");
        assert!(!shown.contains("\"secret\""), "{shown}");
    }
}
