//! Secrets, read when their version changed.
//!
//! Names and versions come from the watch; values are read one by one, for the Secrets that bridges name, and kept
//! until the version changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, ResourceExt as _};
use messaging_bridge_crds::MessagingBridgeSpec;

use super::{DereferenceError, SecretSeen, SecretsSeen};
use crate::controller::Caches;

type Keys = Arc<BTreeMap<String, Vec<u8>>>;

/// Reads Secrets.
pub(crate) struct SecretReader {
    client: Client,
    known: Mutex<HashMap<(String, String), (String, Keys)>>,
}

impl SecretReader {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// Forgets the values of Secrets that nobody names any more.
    pub(crate) fn retain(&self, named: impl Fn(&str, &str) -> bool) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(namespace, name), _| named(namespace, name));
    }

    /// The Secrets that a bridge names.
    pub(super) async fn read(
        &self,
        namespace: &str,
        spec: &MessagingBridgeSpec,
        caches: &Caches,
    ) -> Result<SecretsSeen, DereferenceError> {
        let operator = match &spec.genesys.operator_credentials_secret_ref {
            Some(reference) => Some(self.one(namespace, &reference.name, caches).await?),
            None => None,
        };
        Ok(SecretsSeen {
            genesys: self
                .one(namespace, &spec.genesys.credentials_secret_ref.name, caches)
                .await?,
            twilio: self
                .one(namespace, &spec.twilio.credentials_secret_ref.name, caches)
                .await?,
            operator,
        })
    }

    async fn one(
        &self,
        namespace: &str,
        name: &str,
        caches: &Caches,
    ) -> Result<SecretSeen, DereferenceError> {
        let key = (namespace.to_owned(), name.to_owned());
        let reference = ObjectRef::<PartialObjectMeta<Secret>>::new(name).within(namespace);
        let version = caches
            .secrets
            .get(&reference)
            .and_then(|seen| seen.resource_version());
        let Some(version) = version else {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            return Ok(SecretSeen::Missing {
                name: name.to_owned(),
            });
        };
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some((of, keys)) = known
            && of == version
        {
            return Ok(SecretSeen::Keys {
                name: name.to_owned(),
                keys,
            });
        }
        self.read_now(key).await
    }

    /// Reads it from the API server, and keeps what it holds.
    async fn read_now(&self, key: (String, String)) -> Result<SecretSeen, DereferenceError> {
        let name = key.1.clone();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.0);
        match api.get_opt(&name).await {
            Ok(Some(secret)) => {
                let version = secret.resource_version().unwrap_or_default();
                let data = secret.data.unwrap_or_default();
                let keys: Keys = Arc::new(
                    data.into_iter()
                        .map(|(key, value)| (key, value.0))
                        .collect(),
                );
                let entry = (version, Arc::clone(&keys));
                self.known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(key, entry);
                Ok(SecretSeen::Keys { name, keys })
            }
            Ok(None) => Ok(SecretSeen::Missing { name }),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(SecretSeen::Unreadable {
                name,
                problem: "the operator may not read it; see the chart's ClusterRole".to_owned(),
            }),
            Err(error) => Err(DereferenceError::Api {
                what: "a Secret",
                source: Box::new(error),
            }),
        }
    }
}
