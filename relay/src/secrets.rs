//! Credentials: one folder a Secret, one file a key, as Kubernetes mounts them.
//!
//! Files are read again when their content changed, without a restart. What the keys are and what their values mean is
//! decided in the clients ([`messaging_bridge_clients::secrets`]), for operator and relay alike; this reads and follows
//! the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::genesys::ClientCredentials;
use messaging_bridge_clients::secrets::{
    GENESYS_KEYS, GenesysSecret, SecretsError, TWILIO_KEYS, TwilioSecret,
};
use messaging_bridge_clients::twilio::{AccountSid, TwilioCredentials};
use secrecy::SecretString;
use tokio::sync::watch;

/// Everything secret that the relay works with.
pub struct Secrets {
    /// Genesys' OAuth clients, in order of preference.
    pub genesys_clients: Vec<ClientCredentials>,
    /// Secrets that Genesys may sign its webhooks with.
    pub webhook_secrets: Vec<SecretString>,
    /// The Twilio account.
    pub account: AccountSid,
    /// Tokens that Twilio may sign its webhooks with.
    pub auth_tokens: Vec<SecretString>,
    /// Credentials for calls to Twilio, in order of preference: API keys before tokens.
    pub twilio_credentials: Vec<TwilioCredentials>,
    /// What is loaded, without telling what it is.
    pub fingerprints: Fingerprints,
}

/// Salted hashes of the loaded Secrets: whoever has the same Secret can tell whether the relay has loaded it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fingerprints {
    /// Of the Genesys Secret.
    pub genesys: String,
    /// Of the Twilio Secret.
    pub twilio: String,
}

/// Why the Secrets cannot be loaded. Names Secret and key, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No folder.
    #[error("Secret {secret:?}: there is no folder {}; mount it there, one file a key", path.display())]
    NoFolder {
        /// The Secret's name.
        secret: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file that may not be read.
    #[error("Secret {secret:?}: key {key:?} cannot be read; check the file's permissions")]
    Unreadable {
        /// The Secret's name.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// What the files hold cannot be used.
    #[error(transparent)]
    Content(#[from] SecretsError),
}

/// Where the Secrets are.
#[derive(Debug, Clone)]
pub struct SecretsPlace {
    /// The folder that holds one folder a Secret.
    pub directory: PathBuf,
    /// The Genesys Secret's name.
    pub genesys: String,
    /// The Twilio Secret's name.
    pub twilio: String,
    /// What fingerprints are salted with: the bridge.
    pub salt: String,
}

/// The keys of a Secret and what their files hold.
type Keys = BTreeMap<String, Vec<u8>>;

impl SecretsPlace {
    /// Reads both Secrets, each once, so that values and fingerprint are of the same moment.
    pub fn load(&self) -> Result<Secrets, LoadError> {
        let keys = self.folder(&self.genesys, &GENESYS_KEYS)?;
        let genesys = GenesysSecret::parse(&self.genesys, &self.salt, &keys)?;
        let keys = self.folder(&self.twilio, &TWILIO_KEYS)?;
        let twilio = TwilioSecret::parse(&self.twilio, &self.salt, &keys)?;
        Ok(Secrets {
            genesys_clients: genesys.clients,
            webhook_secrets: genesys.webhook_secrets,
            account: twilio.account,
            auth_tokens: twilio.auth_tokens,
            twilio_credentials: twilio.credentials,
            fingerprints: Fingerprints {
                genesys: genesys.fingerprint,
                twilio: twilio.fingerprint,
            },
        })
    }

    /// Reads one Secret. Kubernetes swaps a mounted Secret as a whole, through its link `..data`: when that happens
    /// between two files, all are read again.
    fn folder(&self, secret: &str, keys: &[&'static str]) -> Result<Keys, LoadError> {
        let path = self.directory.join(secret);
        if !path.is_dir() {
            return Err(LoadError::NoFolder {
                secret: secret.into(),
                path,
            });
        }
        loop {
            let before = std::fs::read_link(path.join("..data")).ok();
            let read = read_keys(secret, &path, keys);
            if std::fs::read_link(path.join("..data")).ok() == before {
                return read;
            }
        }
    }
}

fn read_keys(secret: &str, folder: &Path, keys: &[&'static str]) -> Result<Keys, LoadError> {
    let mut read = Keys::new();
    for &key in keys {
        match std::fs::read(folder.join(key)) {
            Ok(bytes) => {
                read.insert(key.to_owned(), bytes);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => {
                return Err(LoadError::Unreadable {
                    secret: secret.into(),
                    key,
                });
            }
        }
    }
    Ok(read)
}

/// Reads the Secrets again every `every` and hands a changed set on. A set that cannot be used is reported once and
/// the last good one stays in force: half a rotation must not stop the relay.
pub async fn follow(place: SecretsPlace, every: Duration, current: watch::Sender<Arc<Secrets>>) {
    let mut reported = None;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match place.load() {
            Ok(secrets) => {
                reported = None;
                if secrets.fingerprints != current.borrow().fingerprints {
                    tracing::info!(
                        genesys = secrets.fingerprints.genesys,
                        twilio = secrets.fingerprints.twilio,
                        "Secrets changed"
                    );
                    current.send_replace(Arc::new(secrets));
                }
            }
            Err(error) => {
                if reported.as_ref() != Some(&error) {
                    tracing::error!(%error, "changed Secrets cannot be used; the last good ones stay in force");
                    reported = Some(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot set itself up should stop there"
    )]

    use super::*;
    use secrecy::ExposeSecret;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    fn place(changes: &[(&str, &str, &str)]) -> (tempfile::TempDir, SecretsPlace) {
        let directory = tempfile::tempdir().unwrap();
        let place = SecretsPlace {
            directory: directory.path().into(),
            genesys: "genesys".into(),
            twilio: "twilio".into(),
            salt: "default/acme".into(),
        };
        for (folder, key, value) in [
            ("genesys", "clientId", "id-1"),
            ("genesys", "clientSecret", "secret-1"),
            ("genesys", "webhookSecret", "0123456789abcdef"),
            ("twilio", "accountSid", ACCOUNT),
            ("twilio", "authToken", "token-1"),
        ]
        .iter()
        .chain(changes)
        {
            std::fs::create_dir_all(directory.path().join(folder)).unwrap();
            std::fs::write(directory.path().join(folder).join(key), value).unwrap();
        }
        (directory, place)
    }

    #[test]
    fn the_files_of_both_folders_are_read_by_key() {
        let (_directory, place) = place(&[
            ("genesys", "clientId", "id-1\nid-2\n"),
            ("genesys", "clientSecret", "secret-1\nsecret-2\n"),
            ("twilio", "apiKeySid", "SK1"),
            ("twilio", "apiKeySecret", "key-secret"),
        ]);
        let secrets = place.load().unwrap();
        let clients = secrets.genesys_clients.iter();
        let ids: Vec<_> = clients.map(|client| client.client_id.as_str()).collect();
        assert_eq!(ids, ["id-1", "id-2"]);
        assert_eq!(
            secrets.webhook_secrets[0].expose_secret(),
            "0123456789abcdef"
        );
        assert!(matches!(
            secrets.twilio_credentials[0],
            TwilioCredentials::ApiKey { .. }
        ));
        assert_eq!(secrets.auth_tokens.len(), 1);
    }

    #[test]
    fn a_bad_value_is_named_by_secret_and_key() {
        let (directory, place) = place(&[]);
        std::fs::remove_file(directory.path().join("twilio/authToken")).unwrap();
        let error = place.load().err().unwrap().to_string();
        assert_eq!(
            error,
            "Secret \"twilio\": key \"authToken\" is missing or empty"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_taken_for_a_missing_one() {
        let (directory, place) = place(&[]);
        let key = directory.path().join("genesys/clientId");
        std::fs::remove_file(&key).unwrap();
        std::fs::create_dir(&key).unwrap();
        let error = place.load().err().unwrap().to_string();
        assert!(error.contains("\"clientId\" cannot be read"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named_with_its_place() {
        let (directory, mut place) = place(&[]);
        place.genesys = "other".into();
        let error = place.load().err().unwrap().to_string();
        assert!(
            error.contains("Secret \"other\"")
                && error.contains(&*directory.path().to_string_lossy()),
            "{error}"
        );
    }

    #[test]
    fn the_fingerprint_changes_with_a_value_and_is_salted_with_the_bridge() {
        let (_a, first) = place(&[]);
        let (_b, rotated) = place(&[("twilio", "authToken", "token-2")]);
        let mut elsewhere = first.clone();
        elsewhere.salt = "default/other".into();
        let [first, rotated, elsewhere] =
            [first, rotated, elsewhere].map(|place| place.load().unwrap().fingerprints);
        assert_eq!(first.genesys, rotated.genesys);
        assert_ne!(first.twilio, rotated.twilio);
        assert_ne!(first.genesys, elsewhere.genesys);
    }

    #[tokio::test]
    async fn a_changed_file_is_handed_on_and_a_broken_one_leaves_the_last_good_set() {
        let (directory, place) = place(&[]);
        let (sender, mut current) = watch::channel(Arc::new(place.load().unwrap()));
        let follower = tokio::spawn(follow(place, Duration::from_millis(5), sender));
        std::fs::write(
            directory.path().join("twilio/authToken"),
            "token-1\ntoken-2",
        )
        .unwrap();
        current.changed().await.unwrap();
        assert_eq!(current.borrow_and_update().auth_tokens.len(), 2);
        std::fs::write(directory.path().join("twilio/accountSid"), "nonsense").unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(current.borrow().account.as_str(), ACCOUNT);
        follower.abort();
    }
}
