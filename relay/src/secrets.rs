//! Credentials: one folder a Secret, one file a key, as Kubernetes mounts them.
//!
//! Files are read again when their content changed, without a restart. `webhookSecret` and `authToken` may hold
//! several values, one a line; `clientId`/`clientSecret` and `apiKeySid`/`apiKeySecret` are paired line by line. All
//! values verify webhooks, so that a rotation refuses nobody; calls use the first that the platform accepts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use messaging_bridge_clients::genesys::ClientCredentials;
use messaging_bridge_clients::twilio::{AccountSid, TwilioCredentials};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

/// The keys of the Genesys Secret.
const GENESYS_KEYS: [&str; 3] = ["clientId", "clientSecret", "webhookSecret"];
/// The keys of the Twilio Secret.
const TWILIO_KEYS: [&str; 4] = ["accountSid", "apiKeySecret", "apiKeySid", "authToken"];

/// Genesys refuses shorter webhook secrets: "must be longer than 15 characters".
const SHORTEST_WEBHOOK_SECRET: usize = 16;

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

/// Why the Secrets cannot be used. Names Secret and key, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// No folder.
    #[error("Secret {secret:?}: there is no folder {}; mount it there, one file a key", path.display())]
    MissingSecret {
        /// The Secret's name.
        secret: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// No file, or an empty one.
    #[error("Secret {secret:?}: key {key:?} is missing or empty")]
    MissingKey {
        /// The Secret's name.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// A value that the platform could not have given.
    #[error("Secret {secret:?}: key {key:?} {problem}")]
    Malformed {
        /// The Secret's name.
        secret: String,
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// Two keys that are paired line by line have different numbers of lines.
    #[error(
        "Secret {secret:?}: {first:?} and {second:?} must have as many lines as each other; they are paired"
    )]
    Unpaired {
        /// The Secret's name.
        secret: String,
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
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

/// A Secret as it was read: once, so that values and fingerprint are of the same moment.
struct Folder<'a> {
    name: &'a str,
    files: BTreeMap<&'static str, String>,
}

impl<'a> Folder<'a> {
    fn read(name: &'a str, path: &Path, keys: &[&'static str]) -> Result<Self, SecretsError> {
        let mut folder = Self {
            name,
            files: BTreeMap::new(),
        };
        for key in keys {
            match std::fs::read(path.join(key)) {
                Ok(bytes) => {
                    let text = String::from_utf8(bytes)
                        .map_err(|_| folder.malformed(key, "is not UTF-8 text"))?;
                    folder.files.insert(key, text);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => {
                    return Err(
                        folder.malformed(key, "cannot be read; check the file's permissions")
                    );
                }
            }
        }
        Ok(folder)
    }

    /// The values of a key, one a line; none when there is no such file.
    fn values(&self, key: &'static str) -> Vec<String> {
        let text = self.files.get(key).map(String::as_str).unwrap_or_default();
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn required(&self, key: &'static str) -> Result<Vec<String>, SecretsError> {
        let values = self.values(key);
        if values.is_empty() {
            return Err(SecretsError::MissingKey {
                secret: self.name.into(),
                key,
            });
        }
        Ok(values)
    }

    fn paired(
        &self,
        (first, firsts): (&'static str, Vec<String>),
        (second, seconds): (&'static str, Vec<String>),
    ) -> Result<Vec<(String, SecretString)>, SecretsError> {
        if firsts.len() != seconds.len() {
            return Err(SecretsError::Unpaired {
                secret: self.name.into(),
                first,
                second,
            });
        }
        Ok(firsts
            .into_iter()
            .zip(seconds.into_iter().map(SecretString::from))
            .collect())
    }

    fn malformed(&self, key: &'static str, problem: &'static str) -> SecretsError {
        SecretsError::Malformed {
            secret: self.name.into(),
            key,
            problem,
        }
    }

    /// The first twelve hex digits of SHA-256 over the salt and every key with its values.
    fn fingerprint(&self, salt: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(salt.as_bytes());
        for key in self.files.keys() {
            hash.update([0]);
            hash.update(key.as_bytes());
            for value in self.values(key) {
                hash.update([1]);
                hash.update(value.as_bytes());
            }
        }
        hash.finalize()
            .iter()
            .take(6)
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

impl SecretsPlace {
    /// Reads one Secret. Kubernetes swaps a mounted Secret as a whole, through its link `..data`: when that happens
    /// between two files, all are read again.
    fn folder<'a>(&self, name: &'a str, keys: &[&'static str]) -> Result<Folder<'a>, SecretsError> {
        let path = self.directory.join(name);
        if !path.is_dir() {
            return Err(SecretsError::MissingSecret {
                secret: name.into(),
                path,
            });
        }
        loop {
            let before = std::fs::read_link(path.join("..data")).ok();
            let folder = Folder::read(name, &path, keys);
            if std::fs::read_link(path.join("..data")).ok() == before {
                return folder;
            }
        }
    }

    /// Reads both Secrets.
    pub fn load(&self) -> Result<Secrets, SecretsError> {
        let genesys = self.folder(&self.genesys, &GENESYS_KEYS)?;
        let clients = genesys.paired(
            ("clientId", genesys.required("clientId")?),
            ("clientSecret", genesys.required("clientSecret")?),
        )?;
        let webhook_secrets = genesys.required("webhookSecret")?;
        if webhook_secrets
            .iter()
            .any(|secret| secret.chars().count() < SHORTEST_WEBHOOK_SECRET)
        {
            return Err(genesys.malformed(
                "webhookSecret",
                "must have 16 characters or more, as Genesys demands",
            ));
        }
        let twilio = self.folder(&self.twilio, &TWILIO_KEYS)?;
        let account = single_account(&twilio)?;
        let auth_tokens = twilio.required("authToken")?;
        let keys = twilio.paired(
            ("apiKeySid", twilio.values("apiKeySid")),
            ("apiKeySecret", twilio.values("apiKeySecret")),
        )?;
        let api_keys = keys
            .into_iter()
            .map(|(sid, secret)| TwilioCredentials::ApiKey { sid, secret });
        let tokens = auth_tokens
            .iter()
            .map(|token| TwilioCredentials::AuthToken(token.clone().into()));
        Ok(Secrets {
            genesys_clients: clients
                .into_iter()
                .map(|(client_id, client_secret)| ClientCredentials {
                    client_id,
                    client_secret,
                })
                .collect(),
            webhook_secrets: webhook_secrets
                .into_iter()
                .map(SecretString::from)
                .collect(),
            account,
            twilio_credentials: api_keys.chain(tokens).collect(),
            auth_tokens: auth_tokens.into_iter().map(SecretString::from).collect(),
            fingerprints: Fingerprints {
                genesys: genesys.fingerprint(&self.salt),
                twilio: twilio.fingerprint(&self.salt),
            },
        })
    }
}

fn single_account(twilio: &Folder<'_>) -> Result<AccountSid, SecretsError> {
    let mut accounts = twilio.required("accountSid")?;
    let account = accounts.swap_remove(0);
    let digits = account.strip_prefix("AC").unwrap_or_default();
    let well_formed = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !accounts.is_empty() || !well_formed {
        return Err(twilio.malformed(
            "accountSid",
            "must be one account SID: AC and 32 hexadecimal digits",
        ));
    }
    Ok(AccountSid::new(account))
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
    use rstest::rstest;
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
    fn several_values_stand_one_a_line_and_pairs_stay_pairs() {
        let (_directory, place) = place(&[
            ("genesys", "clientId", "id-1\nid-2\n"),
            ("genesys", "clientSecret", "secret-1\nsecret-2\n"),
            ("twilio", "authToken", "token-1\n\n  token-2  \n"),
        ]);
        let secrets = place.load().unwrap();
        let pairs: Vec<_> = secrets
            .genesys_clients
            .iter()
            .map(|client| {
                (
                    client.client_id.as_str(),
                    client.client_secret.expose_secret(),
                )
            })
            .collect();
        assert_eq!(pairs, [("id-1", "secret-1"), ("id-2", "secret-2")]);
        let tokens: Vec<_> = secrets
            .auth_tokens
            .iter()
            .map(ExposeSecret::expose_secret)
            .collect();
        assert_eq!(tokens, ["token-1", "token-2"]);
    }

    #[test]
    fn api_keys_are_preferred_for_calls_and_never_verify_webhooks() {
        let (_directory, place) = place(&[
            ("twilio", "apiKeySid", "SK1"),
            ("twilio", "apiKeySecret", "key-secret"),
        ]);
        let secrets = place.load().unwrap();
        assert!(matches!(
            secrets.twilio_credentials[0],
            TwilioCredentials::ApiKey { .. }
        ));
        assert_eq!(secrets.auth_tokens.len(), 1);
    }

    #[rstest]
    #[case(
        "twilio",
        "authToken",
        "",
        "Secret \"twilio\": key \"authToken\" is missing or empty"
    )]
    #[case("genesys", "webhookSecret", "short", "must have 16 characters or more")]
    #[case("genesys", "clientId", "a\nb", "must have as many lines")]
    #[case("twilio", "accountSid", "AC1", "AC and 32 hexadecimal digits")]
    fn a_bad_value_is_named_by_secret_and_key(
        #[case] folder: &str,
        #[case] key: &str,
        #[case] value: &str,
        #[case] said: &str,
    ) {
        let (_directory, place) = place(&[(folder, key, value)]);
        let error = place.load().err().unwrap().to_string();
        assert!(error.contains(said) && error.contains(key), "{error}");
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
