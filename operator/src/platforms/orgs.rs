//! Genesys Cloud, asked once for all bridges of an organisation.
//!
//! Token and list of integrations are kept by API host, client id and a hash of the client's secret: who knows another
//! tenant's client id alone has a cache of his own, and is refused by Genesys Cloud itself.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use messaging_bridge_clients::genesys::{
    ClientCredentials, GenesysClient, GenesysHosts, IntegrationLookupError, OpenIntegration,
    WireProfile, find_integration,
};
use messaging_bridge_clients::{ApiError, Platform};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::observer::Observer;

/// Caches that nobody used for so long are dropped, tokens included.
const UNUSED: Duration = Duration::from_hours(1);
/// Two bridges that ask at once share a failure.
const SAME_TIME: Duration = Duration::from_secs(5);

/// A hash.
pub(super) type Key = [u8; 32];

type Listed = Result<Arc<Vec<OpenIntegration>>, ApiError>;

/// An organisation as one OAuth client sees it.
pub(super) struct Org {
    client: GenesysClient,
    /// The last refusal of a token, and when. Held while a token is asked for, so that it is asked for once.
    refusal: tokio::sync::Mutex<Option<(Instant, ApiError)>>,
    /// The list, and when it began to be read. Held meanwhile, so that it is read once for all who wait.
    list: tokio::sync::Mutex<Option<(Instant, Listed)>>,
}

impl Org {
    fn new(client: GenesysClient) -> Self {
        Self {
            client,
            refusal: tokio::sync::Mutex::default(),
            list: tokio::sync::Mutex::default(),
        }
    }

    /// Whether Genesys Cloud gives this client a token. A token that is still valid is not asked for again: a client
    /// that was disabled meanwhile shows when the token is used.
    pub(super) async fn authenticate(&self, observer: &Observer) -> Result<(), ApiError> {
        let mut refusal = self.refusal.lock().await;
        if let Some((when, error)) = refusal.as_ref()
            && when.elapsed() < SAME_TIME
        {
            return Err(error.clone());
        }
        let mut call = pin!(self.client.authenticate());
        // What is ready at once came from memory: no call is counted.
        let at_once = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        let outcome = match at_once {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => observer.watch(Platform::Genesys, "token", call).await,
        };
        *refusal = outcome
            .as_ref()
            .err()
            .map(|error| (Instant::now(), error.clone()));
        outcome
    }

    /// All integrations, in a list not older than `age`, or one that was read while this waited for it; with when it
    /// began to be read.
    pub(super) async fn integrations(
        &self,
        age: Duration,
        observer: &Observer,
    ) -> (Instant, Listed) {
        let asked = Instant::now();
        let mut list = self.list.lock().await;
        if let Some((began, outcome)) = list.as_ref() {
            let usable = if outcome.is_ok() { age } else { SAME_TIME };
            // A list that began before the question may lack what was created in between.
            if *began >= asked || began.elapsed() < usable {
                return (*began, outcome.clone());
            }
        }
        let began = Instant::now();
        let call = self.client.open_integrations();
        let outcome = observer
            .watch(Platform::Genesys, "list_integrations", call)
            .await
            .map(Arc::new);
        *list = Some((began, outcome.clone()));
        (began, outcome)
    }

    /// The integration of this name, in a list not older than `age`. A name that is not found there is looked up in a
    /// fresh list, unless that one was: what was created a moment ago is to be seen.
    pub(super) async fn integration(
        &self,
        name: &str,
        age: Duration,
        observer: &Observer,
    ) -> Result<Result<OpenIntegration, IntegrationLookupError>, ApiError> {
        let asked = Instant::now();
        let (began, known) = self.integrations(age, observer).await;
        let known = known?;
        let found = find_integration(&known, name);
        if found.is_ok() || began >= asked {
            return Ok(found.cloned());
        }
        let (_, fresh) = self.integrations(Duration::ZERO, observer).await;
        Ok(find_integration(&fresh?, name).cloned())
    }
}

#[cfg(test)]
impl Org {
    /// As if the list had been read so much earlier.
    pub(super) async fn grow_older(&self, by: Duration) {
        if let Some((began, _)) = self.list.lock().await.as_mut() {
            *began = began.checked_sub(by).unwrap_or(*began);
        }
    }
}

/// Every organisation that bridges lead to.
#[derive(Default)]
pub(super) struct Orgs {
    /// With the time of the last use.
    known: Mutex<HashMap<Key, (Instant, Arc<Org>)>>,
}

impl Orgs {
    /// The organisation at these hosts, as these clients see it.
    pub(super) fn get(
        &self,
        http: &reqwest::Client,
        hosts: &GenesysHosts,
        profile: WireProfile,
        credentials: &[ClientCredentials],
    ) -> Arc<Org> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (used, _)| used.elapsed() < UNUSED);
        let entry = known
            .entry(key(hosts, profile, credentials))
            .or_insert_with(|| {
                let client =
                    GenesysClient::new(http.clone(), hosts.clone(), profile, credentials.to_vec());
                (Instant::now(), Arc::new(Org::new(client)))
            });
        entry.0 = Instant::now();
        Arc::clone(&entry.1)
    }
}

/// Tells organisations and clients apart; no secret can be read out of it.
pub(super) fn key(
    hosts: &GenesysHosts,
    profile: WireProfile,
    credentials: &[ClientCredentials],
) -> Key {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    part(hosts.api.as_str());
    part(hosts.login.as_str());
    part(&format!("{profile:?}"));
    for client in credentials {
        part(&client.client_id);
        part(client.client_secret.expose_secret());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn client(id: &str, secret: &str) -> ClientCredentials {
        ClientCredentials {
            client_id: id.to_owned(),
            client_secret: secret.to_owned().into(),
        }
    }

    #[test]
    fn whoever_knows_only_the_client_id_has_a_cache_of_his_own() {
        let hosts = GenesysHosts {
            api: "https://api.example.com".parse().unwrap(),
            login: "https://login.example.com".parse().unwrap(),
        };
        let of = |id, secret| key(&hosts, WireProfile::Current, &[client(id, secret)]);
        assert_eq!(of("id", "secret"), of("id", "secret"));
        assert_ne!(of("id", "secret"), of("id", "guess"));
        assert_ne!(of("id", "secret"), of("ids", "ecret"));
    }
}
