//! Genesys Cloud, asked once for all bridges of an organisation.
//!
//! Token and list of integrations are kept by API host, client id and a hash of the client's secret: who knows another
//! tenant's client id alone has a cache of his own, and is refused by Genesys Cloud itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use messaging_bridge_clients::ApiError;
use messaging_bridge_clients::genesys::{
    ClientCredentials, GenesysClient, GenesysHosts, OpenIntegration, WireProfile,
};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// Caches that nobody used for so long are dropped, tokens included.
const UNUSED: Duration = Duration::from_hours(1);
/// Two bridges that ask at once share an answer, also when both want a fresh one.
const SAME_TIME: Duration = Duration::from_secs(5);

/// An organisation as one OAuth client sees it.
pub(super) struct Org {
    client: GenesysClient,
    /// Held while the list is read, so that it is read once.
    list: tokio::sync::Mutex<Option<(Instant, Arc<Vec<OpenIntegration>>)>>,
}

impl Org {
    pub(super) fn client(&self) -> &GenesysClient {
        &self.client
    }

    /// All integrations, not older than `age`.
    pub(super) async fn integrations(
        &self,
        age: Duration,
    ) -> Result<Arc<Vec<OpenIntegration>>, ApiError> {
        let mut list = self.list.lock().await;
        if let Some((read, found)) = list.as_ref()
            && read.elapsed() < age.max(SAME_TIME)
        {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(self.client.open_integrations().await?);
        *list = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }
}

/// Every organisation that bridges lead to.
#[derive(Default)]
pub(super) struct Orgs {
    known: Mutex<HashMap<[u8; 32], (Instant, Arc<Org>)>>,
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
                let org = Org {
                    client,
                    list: tokio::sync::Mutex::new(None),
                };
                (Instant::now(), Arc::new(org))
            });
        entry.0 = Instant::now();
        Arc::clone(&entry.1)
    }
}

fn key(hosts: &GenesysHosts, profile: WireProfile, credentials: &[ClientCredentials]) -> [u8; 32] {
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
