//! What the Secrets hold, or why they cannot be used. Pure; no value is ever quoted.

use std::collections::BTreeMap;

use messaging_bridge_clients::genesys::ClientCredentials;
use messaging_bridge_clients::secrets::{
    GENESYS_KEYS, GenesysSecret, OPERATOR_KEYS, OperatorSecret, SecretsError, TWILIO_KEYS,
    TWILIO_OPTIONAL_KEYS, TwilioSecret,
};
use messaging_bridge_crds::{ConditionStatus, Reason};

use super::Verdict;
use crate::dereference::{SecretSeen, SecretsSeen};

/// The Secrets of a bridge, read and understood; or what is wrong with each.
#[derive(Clone, Debug)]
pub struct ParsedSecrets {
    /// `genesys.credentialsSecretRef`.
    pub genesys: Parsed<GenesysSecret>,
    /// `twilio.credentialsSecretRef`.
    pub twilio: Parsed<TwilioSecret>,
    /// `genesys.operatorCredentialsSecretRef`, if the bridge names one.
    pub operator: Option<Parsed<OperatorSecret>>,
}

/// One Secret.
#[derive(Clone, Debug)]
pub struct Parsed<T> {
    /// Its name.
    pub name: String,
    /// What it holds, or the verdict on it.
    pub content: Result<T, Verdict>,
}

impl ParsedSecrets {
    /// Reads what was seen. `salt` is the bridge's `namespace/name`.
    pub fn of(seen: &SecretsSeen, namespace: &str, salt: &str) -> Self {
        let required: Vec<&str> = TWILIO_KEYS
            .into_iter()
            .filter(|key| !TWILIO_OPTIONAL_KEYS.contains(key))
            .collect();
        Self {
            genesys: parse(&seen.genesys, namespace, &GENESYS_KEYS, |name, keys| {
                GenesysSecret::parse(name, salt, keys)
            }),
            twilio: parse(&seen.twilio, namespace, &required, |name, keys| {
                TwilioSecret::parse(name, salt, keys)
            }),
            operator: seen
                .operator
                .as_ref()
                .map(|seen| parse(seen, namespace, &OPERATOR_KEYS, OperatorSecret::parse)),
        }
    }

    /// The OAuth clients of the relay.
    pub fn relay_clients(&self) -> Option<&[ClientCredentials]> {
        self.genesys
            .content
            .as_ref()
            .ok()
            .map(|secret| secret.clients.as_slice())
    }

    /// The OAuth clients that look the integration up.
    pub fn lookup_clients(&self) -> Option<&[ClientCredentials]> {
        match &self.operator {
            Some(operator) => operator
                .content
                .as_ref()
                .ok()
                .map(|secret| secret.clients.as_slice()),
            None => self.relay_clients(),
        }
    }

    /// What is wrong with the Secrets, all of it at once; what is missing counts before what cannot be read.
    pub fn trouble(&self) -> Option<Verdict> {
        let operator = self.operator.as_ref();
        let mut troubles: Vec<&Verdict> = [
            self.genesys.content.as_ref().err(),
            self.twilio.content.as_ref().err(),
            operator.and_then(|operator| operator.content.as_ref().err()),
        ]
        .into_iter()
        .flatten()
        .collect();
        troubles.sort_by_key(|trouble| trouble.status() != ConditionStatus::False);
        let mut messages: Vec<&str> = troubles
            .iter()
            .map(|trouble| trouble.message.as_str())
            .collect();
        messages.dedup();
        let first = troubles.first()?;
        Some(Verdict::new(first.reason, messages.join(". ")))
    }
}

fn parse<T>(
    seen: &SecretSeen,
    namespace: &str,
    wanted: &[&str],
    read: impl FnOnce(&str, &BTreeMap<String, Vec<u8>>) -> Result<T, SecretsError>,
) -> Parsed<T> {
    let content = match seen {
        SecretSeen::Missing { name } => Err(Verdict::new(
            Reason::SecretMissing,
            format!(
                "Secret {name:?} does not exist in namespace {namespace:?}; create it with the keys {}",
                wanted.join(", ")
            ),
        )),
        SecretSeen::Unreadable { name, problem } => Err(Verdict::new(
            Reason::Pending,
            format!("waits for Secret {name:?}, which cannot be read: {problem}"),
        )),
        SecretSeen::Keys { name, keys, .. } => read(name, keys).map_err(|error| verdict(&error)),
    };
    Parsed {
        name: seen.name().to_owned(),
        content,
    }
}

fn verdict(error: &SecretsError) -> Verdict {
    match error {
        SecretsError::MissingKey { secret, key } => Verdict::new(
            Reason::SecretKeyMissing,
            format!("Secret {secret:?} has no value for the key {key:?}; add it"),
        ),
        SecretsError::Malformed { .. } | SecretsError::Unpaired { .. } => {
            Verdict::new(Reason::SecretMalformed, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use super::*;
    use rstest::rstest;

    const GENESYS: [(&str, &str); 3] = [
        ("clientId", "id"),
        ("clientSecret", "hush-hush"),
        ("webhookSecret", "0123456789abcdef"),
    ];
    const TWILIO: [(&str, &str); 2] = [
        ("accountSid", "AC0123456789abcdef0123456789abcdef"),
        ("authToken", "hush-hush"),
    ];

    fn seen(name: &str, keys: &[(&str, &str)]) -> SecretSeen {
        SecretSeen::Keys {
            name: name.to_owned(),
            keys: Arc::new(
                keys.iter()
                    .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
                    .collect(),
            ),
        }
    }

    fn parsed(
        genesys: SecretSeen,
        twilio: SecretSeen,
        operator: Option<SecretSeen>,
    ) -> ParsedSecrets {
        let seen = SecretsSeen {
            genesys,
            twilio,
            operator,
        };
        ParsedSecrets::of(&seen, "tenant", "tenant/acme")
    }

    #[test]
    fn complete_secrets_are_no_trouble() {
        let secrets = parsed(seen("g", &GENESYS), seen("t", &TWILIO), None);
        assert_eq!(secrets.trouble(), None);
        assert_eq!(secrets.lookup_clients().unwrap().len(), 1);
    }

    #[test]
    fn the_operators_own_client_looks_up_where_there_is_one() {
        let own = seen("o", &[("clientId", "own"), ("clientSecret", "s")]);
        let secrets = parsed(seen("g", &GENESYS), seen("t", &TWILIO), Some(own));
        assert_eq!(secrets.lookup_clients().unwrap()[0].client_id, "own");
        assert_eq!(secrets.relay_clients().unwrap()[0].client_id, "id");
    }

    #[test]
    fn whoever_creates_one_secret_does_not_find_the_other_missing_afterwards() {
        let missing = |name: &str| SecretSeen::Missing { name: name.into() };
        let unreadable = SecretSeen::Unreadable {
            name: "g".into(),
            problem: "it may not be read".into(),
        };
        let secrets = parsed(missing("g"), missing("t"), None);
        let message = secrets.trouble().unwrap().message;
        assert!(
            message.contains("\"g\"") && message.contains("\"t\""),
            "{message}"
        );
        let secrets = parsed(unreadable, missing("t"), None);
        assert_eq!(secrets.trouble().unwrap().reason, Reason::SecretMissing);
    }

    #[rstest]
    #[case::missing(SecretSeen::Missing { name: "g".into() }, Reason::SecretMissing,
        "Secret \"g\" does not exist in namespace \"tenant\"; create it with the keys clientId, clientSecret, webhookSecret")]
    #[case::a_key_missing(seen("g", &GENESYS[..2]), Reason::SecretKeyMissing, "\"webhookSecret\"")]
    #[case::an_empty_key(seen("g", &[("clientId", " ")]), Reason::SecretKeyMissing, "\"clientId\"")]
    #[case::too_short(seen("g", &[GENESYS[0], GENESYS[1], ("webhookSecret", "short")]), Reason::SecretMalformed, "16 characters")]
    #[case::unpaired(seen("g", &[("clientId", "a\nb"), GENESYS[1], GENESYS[2]]), Reason::SecretMalformed, "paired")]
    #[case::unreadable(SecretSeen::Unreadable { name: "g".into(), problem: "timed out".into() }, Reason::Pending, "timed out")]
    fn a_secret_that_cannot_be_used_is_named_with_its_key(
        #[case] genesys: SecretSeen,
        #[case] reason: Reason,
        #[case] says: &str,
    ) {
        let secrets = parsed(genesys, seen("t", &TWILIO), None);
        let trouble = secrets.trouble().unwrap();
        assert_eq!(trouble.reason, reason);
        assert!(trouble.message.contains(says), "{}", trouble.message);
        assert!(!trouble.message.contains("hush"), "{}", trouble.message);
    }
}
