//! Which bridges a Secret concerns: a changed Secret is looked at by its bridges at once. Pure.

use std::collections::{BTreeSet, HashMap};

use messaging_bridge_crds::MessagingBridgeSpec;

/// From Secrets to bridges, each named in its namespace.
#[derive(Debug, Default)]
pub(super) struct SecretIndex {
    bridges: HashMap<(String, String), BTreeSet<String>>,
    secrets: HashMap<(String, String), BTreeSet<String>>,
}

impl SecretIndex {
    /// Notes the Secrets that a bridge names now, instead of those that it named before.
    pub(super) fn note(&mut self, namespace: &str, bridge: &str, spec: &MessagingBridgeSpec) {
        let named: BTreeSet<String> = names(spec).map(str::to_owned).collect();
        let key = (namespace.to_owned(), bridge.to_owned());
        if self.secrets.get(&key) == Some(&named) {
            return;
        }
        self.forget(namespace, bridge);
        for secret in &named {
            let bridges = self
                .bridges
                .entry((namespace.to_owned(), secret.clone()))
                .or_default();
            bridges.insert(bridge.to_owned());
        }
        self.secrets.insert(key, named);
    }

    fn forget(&mut self, namespace: &str, bridge: &str) {
        let key = (namespace.to_owned(), bridge.to_owned());
        for secret in self.secrets.remove(&key).into_iter().flatten() {
            let key = (namespace.to_owned(), secret);
            if let Some(bridges) = self.bridges.get_mut(&key) {
                bridges.remove(bridge);
                if bridges.is_empty() {
                    self.bridges.remove(&key);
                }
            }
        }
    }

    /// Forgets all bridges but these.
    pub(super) fn retain(&mut self, lives: impl Fn(&str, &str) -> bool) {
        let gone: Vec<(String, String)> = self
            .secrets
            .keys()
            .filter(|(namespace, bridge)| !lives(namespace, bridge))
            .cloned()
            .collect();
        for (namespace, bridge) in gone {
            self.forget(&namespace, &bridge);
        }
    }

    /// The bridges that name a Secret.
    pub(super) fn bridges(&self, namespace: &str, secret: &str) -> Vec<String> {
        let key = (namespace.to_owned(), secret.to_owned());
        self.bridges
            .get(&key)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

fn names(spec: &MessagingBridgeSpec) -> impl Iterator<Item = &str> {
    let own = spec.genesys.operator_credentials_secret_ref.as_ref();
    [
        &spec.genesys.credentials_secret_ref,
        &spec.twilio.credentials_secret_ref,
    ]
    .into_iter()
    .chain(own)
    .map(|reference| reference.name.as_str())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use messaging_bridge_crds::check_manifest;

    fn spec() -> MessagingBridgeSpec {
        check_manifest(include_str!("../../../crds/examples/full.yaml"))
            .unwrap()
            .spec
    }

    #[test]
    fn a_secret_leads_to_its_bridges_in_its_namespace_only() {
        let mut index = SecretIndex::default();
        index.note("n", "a", &spec());
        index.note("n", "b", &spec());
        index.note("other", "c", &spec());
        for secret in ["genesys-eu", "twilio-eu", "genesys-operator"] {
            assert_eq!(index.bridges("n", secret), ["a", "b"], "{secret}");
        }
        assert!(index.bridges("n", "unknown").is_empty());
    }

    #[test]
    fn a_bridge_that_names_another_secret_is_found_by_that_one() {
        let mut index = SecretIndex::default();
        index.note("n", "a", &spec());
        let mut changed = spec();
        changed.twilio.credentials_secret_ref.name = "new".to_owned();
        index.note("n", "a", &changed);
        assert!(index.bridges("n", "twilio-eu").is_empty());
        assert_eq!(index.bridges("n", "new"), ["a"]);
        index.note("n", "b", &spec());
        index.retain(|namespace, bridge| (namespace, bridge) == ("n", "b"));
        assert!(index.bridges("n", "new").is_empty());
        assert_eq!(index.bridges("n", "twilio-eu"), ["b"]);
        index.forget("n", "b");
        assert!(index.bridges.is_empty() && index.secrets.is_empty());
    }
}
