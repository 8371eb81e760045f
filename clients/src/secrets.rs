//! The Secrets of a bridge: which keys they have, and what their values must look like.
//!
//! `webhookSecret` and `authToken` may hold several values, one a line; `clientId`/`clientSecret` and
//! `apiKeySid`/`apiKeySecret` are paired line by line. All values verify webhooks, so that a rotation refuses nobody;
//! calls use the first that the platform accepts.
//!
//! Pure: the relay reads the keys from files, the operator from the API server, and both get the same values and the
//! same fingerprint from the same Secret. No error holds a value.

use std::collections::BTreeMap;

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::genesys::ClientCredentials;
use crate::twilio::{AccountSid, TwilioCredentials};

/// The keys of the Genesys Secret; all are required.
pub const GENESYS_KEYS: [&str; 3] = ["clientId", "clientSecret", "webhookSecret"];
/// The keys of the Twilio Secret; all but [`TWILIO_OPTIONAL_KEYS`] are required.
pub const TWILIO_KEYS: [&str; 4] = ["accountSid", "apiKeySecret", "apiKeySid", "authToken"];
/// The keys of the Twilio Secret that may be absent.
pub const TWILIO_OPTIONAL_KEYS: [&str; 2] = ["apiKeySecret", "apiKeySid"];
/// The keys of the Secret that the operator alone uses at Genesys; all are required.
pub const OPERATOR_KEYS: [&str; 2] = ["clientId", "clientSecret"];

/// Genesys refuses shorter webhook secrets: "must be longer than 15 characters".
const SHORTEST_WEBHOOK_SECRET: usize = 16;

/// The Genesys Secret.
#[derive(Debug, Clone)]
pub struct GenesysSecret {
    /// OAuth clients, in order of preference.
    pub clients: Vec<ClientCredentials>,
    /// Secrets that Genesys may sign its webhooks with.
    pub webhook_secrets: Vec<SecretString>,
    /// Twelve hex digits by which two programs can tell whether they have loaded the same values, and nothing more.
    pub fingerprint: String,
}

/// The Twilio Secret.
#[derive(Debug, Clone)]
pub struct TwilioSecret {
    /// The account.
    pub account: AccountSid,
    /// Tokens that Twilio may sign its webhooks with.
    pub auth_tokens: Vec<SecretString>,
    /// Credentials for calls, in order of preference: API keys before tokens.
    pub credentials: Vec<TwilioCredentials>,
    /// Twelve hex digits by which two programs can tell whether they have loaded the same values, and nothing more.
    pub fingerprint: String,
}

/// The Secret with OAuth clients that the operator alone uses, so that the relay's may have fewer rights.
#[derive(Debug, Clone)]
pub struct OperatorSecret {
    /// OAuth clients, in order of preference.
    pub clients: Vec<ClientCredentials>,
}

/// Why a Secret cannot be used. Names Secret and key, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// The key is not there, or has no value.
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

impl SecretsError {
    /// The Secret's name.
    pub fn secret(&self) -> &str {
        match self {
            Self::MissingKey { secret, .. }
            | Self::Malformed { secret, .. }
            | Self::Unpaired { secret, .. } => secret,
        }
    }
}

impl GenesysSecret {
    /// Reads the Secret `secret_name`; keys other than [`GENESYS_KEYS`] are ignored. `salt` is the bridge's
    /// `namespace/name`.
    pub fn parse(
        secret_name: &str,
        salt: &str,
        keys: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, SecretsError> {
        let secret = Texts::read(secret_name, keys, &GENESYS_KEYS)?;
        let clients = secret.clients()?;
        let webhook_secrets = secret.required("webhookSecret")?;
        if webhook_secrets
            .iter()
            .any(|value| value.chars().count() < SHORTEST_WEBHOOK_SECRET)
        {
            return Err(secret.malformed(
                "webhookSecret",
                "must have 16 characters or more, as Genesys demands",
            ));
        }
        Ok(Self {
            clients,
            webhook_secrets: webhook_secrets
                .into_iter()
                .map(SecretString::from)
                .collect(),
            fingerprint: secret.fingerprint(salt),
        })
    }
}

impl TwilioSecret {
    /// Reads the Secret `secret_name`; keys other than [`TWILIO_KEYS`] are ignored. `salt` is the bridge's
    /// `namespace/name`.
    pub fn parse(
        secret_name: &str,
        salt: &str,
        keys: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, SecretsError> {
        let secret = Texts::read(secret_name, keys, &TWILIO_KEYS)?;
        let account = secret.single_account()?;
        let auth_tokens = secret.required("authToken")?;
        let api_keys = secret.paired(
            ("apiKeySid", secret.values("apiKeySid")),
            ("apiKeySecret", secret.values("apiKeySecret")),
        )?;
        let api_keys = api_keys
            .into_iter()
            .map(|(sid, secret)| TwilioCredentials::ApiKey { sid, secret });
        let tokens = auth_tokens
            .iter()
            .map(|&token| TwilioCredentials::AuthToken(token.into()));
        Ok(Self {
            account,
            credentials: api_keys.chain(tokens).collect(),
            auth_tokens: auth_tokens.into_iter().map(SecretString::from).collect(),
            fingerprint: secret.fingerprint(salt),
        })
    }
}

impl OperatorSecret {
    /// Reads the Secret `secret_name`; keys other than [`OPERATOR_KEYS`] are ignored.
    pub fn parse(
        secret_name: &str,
        keys: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, SecretsError> {
        let secret = Texts::read(secret_name, keys, &OPERATOR_KEYS)?;
        Ok(Self {
            clients: secret.clients()?,
        })
    }
}

/// The keys of a Secret that concern us, as text.
struct Texts<'a> {
    name: &'a str,
    texts: BTreeMap<&'static str, &'a str>,
}

impl<'a> Texts<'a> {
    fn read(
        name: &'a str,
        keys: &'a BTreeMap<String, Vec<u8>>,
        wanted: &[&'static str],
    ) -> Result<Self, SecretsError> {
        let mut secret = Self {
            name,
            texts: BTreeMap::new(),
        };
        for &key in wanted {
            if let Some(bytes) = keys.get(key) {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| secret.malformed(key, "is not UTF-8 text"))?;
                secret.texts.insert(key, text);
            }
        }
        Ok(secret)
    }

    /// The values of a key, one a line; none when there is no such key.
    fn values(&self, key: &'static str) -> Vec<&'a str> {
        let text = self.texts.get(key).copied().unwrap_or_default();
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect()
    }

    fn required(&self, key: &'static str) -> Result<Vec<&'a str>, SecretsError> {
        let values = self.values(key);
        if values.is_empty() {
            return Err(SecretsError::MissingKey {
                secret: self.name.into(),
                key,
            });
        }
        Ok(values)
    }

    fn clients(&self) -> Result<Vec<ClientCredentials>, SecretsError> {
        let pairs = self.paired(
            ("clientId", self.required("clientId")?),
            ("clientSecret", self.required("clientSecret")?),
        )?;
        Ok(pairs
            .into_iter()
            .map(|(client_id, client_secret)| ClientCredentials {
                client_id,
                client_secret,
            })
            .collect())
    }

    fn single_account(&self) -> Result<AccountSid, SecretsError> {
        let accounts = self.required("accountSid")?;
        let digits = accounts[0].strip_prefix("AC").unwrap_or_default();
        let well_formed = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if accounts.len() > 1 || !well_formed {
            return Err(self.malformed(
                "accountSid",
                "must be one account SID: AC and 32 hexadecimal digits",
            ));
        }
        Ok(AccountSid::new(accounts[0]))
    }

    fn paired(
        &self,
        (first, firsts): (&'static str, Vec<&str>),
        (second, seconds): (&'static str, Vec<&str>),
    ) -> Result<Vec<(String, SecretString)>, SecretsError> {
        if firsts.len() != seconds.len() {
            return Err(SecretsError::Unpaired {
                secret: self.name.into(),
                first,
                second,
            });
        }
        let firsts = firsts.into_iter().map(str::to_owned);
        Ok(firsts
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

    /// Twelve hex digits that tell whether two programs have loaded the same values, and nothing of the values: the
    /// beginning of SHA-256 over the salt and every key with its values.
    fn fingerprint(&self, salt: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(salt.as_bytes());
        for key in self.texts.keys() {
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

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot set itself up should stop there"
    )]

    use rstest::rstest;
    use secrecy::ExposeSecret;

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const BRIDGE: &str = "default/acme";

    fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    fn genesys(changes: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let mut all = keys(&[
            ("clientId", "id-1"),
            ("clientSecret", "secret-1"),
            ("webhookSecret", "0123456789abcdef"),
        ]);
        all.extend(keys(changes));
        all
    }

    fn twilio(changes: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let mut all = keys(&[("accountSid", ACCOUNT), ("authToken", "token-1")]);
        all.extend(keys(changes));
        all
    }

    fn exposed(secrets: &[SecretString]) -> Vec<&str> {
        secrets.iter().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn several_values_stand_one_a_line_and_pairs_stay_pairs() {
        let keys = genesys(&[
            ("clientId", "id-1\nid-2\n"),
            ("clientSecret", "secret-1\nsecret-2\n"),
        ]);
        let clients = OperatorSecret::parse("genesys", &keys).unwrap().clients;
        let pairs: Vec<_> = clients
            .iter()
            .map(|client| {
                (
                    client.client_id.as_str(),
                    client.client_secret.expose_secret(),
                )
            })
            .collect();
        assert_eq!(pairs, [("id-1", "secret-1"), ("id-2", "secret-2")]);
        let keys = twilio(&[("authToken", "token-1\n\n  token-2  \n")]);
        let secret = TwilioSecret::parse("twilio", BRIDGE, &keys).unwrap();
        assert_eq!(exposed(&secret.auth_tokens), ["token-1", "token-2"]);
    }

    #[test]
    fn api_keys_are_preferred_for_calls_and_never_verify_webhooks() {
        let keys = twilio(&[("apiKeySid", "SK1"), ("apiKeySecret", "key-secret")]);
        let secret = TwilioSecret::parse("twilio", BRIDGE, &keys).unwrap();
        assert!(matches!(
            secret.credentials[..],
            [
                TwilioCredentials::ApiKey { .. },
                TwilioCredentials::AuthToken(_)
            ]
        ));
        assert_eq!(exposed(&secret.auth_tokens), ["token-1"]);
    }

    #[rstest]
    #[case::no_value(
        "webhookSecret",
        "\n",
        "Secret \"genesys\": key \"webhookSecret\" is missing or empty"
    )]
    #[case::short("webhookSecret", "short", "must have 16 characters or more")]
    #[case::one_of_two_short(
        "webhookSecret",
        "0123456789abcdef\nshort",
        "must have 16 characters or more"
    )]
    #[case::unpaired(
        "clientId",
        "a\nb",
        "\"clientId\" and \"clientSecret\" must have as many lines"
    )]
    fn a_bad_value_at_genesys_is_named_by_secret_and_key(
        #[case] key: &str,
        #[case] value: &str,
        #[case] said: &str,
    ) {
        let error = GenesysSecret::parse("genesys", BRIDGE, &genesys(&[(key, value)])).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.secret(), "genesys");
    }

    #[rstest]
    #[case::no_value(
        "authToken",
        "",
        "Secret \"twilio\": key \"authToken\" is missing or empty"
    )]
    #[case::not_a_sid("accountSid", "AC1", "AC and 32 hexadecimal digits")]
    #[case::two_accounts("accountSid", &format!("{ACCOUNT}\n{ACCOUNT}"), "must be one account SID")]
    #[case::unpaired("apiKeySid", "SK1", "\"apiKeySid\" and \"apiKeySecret\"")]
    fn a_bad_value_at_twilio_is_named_by_secret_and_key(
        #[case] key: &str,
        #[case] value: &str,
        #[case] said: &str,
    ) {
        let error = TwilioSecret::parse("twilio", BRIDGE, &twilio(&[(key, value)])).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_without_showing_them() {
        let mut keys = genesys(&[]);
        keys.insert("clientSecret".into(), vec![0xff, b'x']);
        let error = GenesysSecret::parse("genesys", BRIDGE, &keys).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Secret \"genesys\": key \"clientSecret\" is not UTF-8 text"
        );
    }

    #[test]
    fn what_is_parsed_cannot_be_printed() {
        let genesys = GenesysSecret::parse("genesys", BRIDGE, &genesys(&[])).unwrap();
        let keys = twilio(&[("apiKeySid", "SK1"), ("apiKeySecret", "key-secret")]);
        let twilio = TwilioSecret::parse("twilio", BRIDGE, &keys).unwrap();
        let shown = format!("{genesys:?} {twilio:?}");
        for value in ["secret-1", "0123456789abcdef", "token-1", "key-secret"] {
            assert!(!shown.contains(value), "{shown}");
        }
    }

    /// Operator and relay compare these across versions: a change of the function would make every Secret look stale.
    #[test]
    fn the_fingerprint_is_the_same_for_ever() {
        let genesys = GenesysSecret::parse("genesys", BRIDGE, &genesys(&[])).unwrap();
        assert_eq!(genesys.fingerprint, "637f5961abeb");
        let twilio = TwilioSecret::parse("twilio", BRIDGE, &twilio(&[])).unwrap();
        assert_eq!(twilio.fingerprint, "2c61996ffe42");
    }

    #[rstest]
    #[case::another_value(BRIDGE, &[("authToken", "token-2")], true)]
    #[case::another_bridge("default/other", &[], true)]
    #[case::a_key_more(BRIDGE, &[("apiKeySid", "SK1"), ("apiKeySecret", "s")], true)]
    #[case::a_key_that_is_not_ours(BRIDGE, &[("note", "x")], false)]
    #[case::blanks_and_empty_lines(BRIDGE, &[("authToken", "\n token-1 \n\n")], false)]
    fn the_fingerprint_changes_with_values_and_bridge_alone(
        #[case] bridge: &str,
        #[case] changes: &[(&str, &str)],
        #[case] changes_it: bool,
    ) {
        let plain = TwilioSecret::parse("twilio", BRIDGE, &twilio(&[])).unwrap();
        let other = TwilioSecret::parse("a name", bridge, &twilio(changes)).unwrap();
        assert_eq!(plain.fingerprint != other.fingerprint, changes_it);
    }
}
