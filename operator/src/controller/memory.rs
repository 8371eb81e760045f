//! What is remembered of each bridge between two reconciles: the status that was written last, and what the API server
//! refused last. All of it can be lost: a restart costs a look more, and no truth.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::ResourceExt as _;
use messaging_bridge_crds::{MessagingBridge, MessagingBridgeStatus};
use tokio::time::Instant;

use super::attempt::Attempt;
use crate::apply::ApplyError;
use crate::status::write::Stored;

/// The memory of all bridges.
#[derive(Debug, Default)]
pub(super) struct Memory {
    bridges: Mutex<HashMap<String, OfBridge>>,
}

#[derive(Debug, Default)]
struct OfBridge {
    uid: String,
    written: Option<Written>,
    refused: Option<(Attempt, Arc<ApplyError>)>,
}

/// A status as it was written, and as the API server has it since.
#[derive(Debug)]
struct Written {
    status: MessagingBridgeStatus,
    stored: Stored,
    at: Instant,
}

/// What a reconcile starts from.
#[derive(Debug, PartialEq)]
pub(super) struct Before {
    pub(super) status: MessagingBridgeStatus,
    /// The version of the bridge that has it.
    pub(super) version: String,
    /// How long ago it was written.
    pub(super) since: Option<Duration>,
}

/// Versions grow. One that cannot be compared is taken for newer: the cache is then believed.
fn is_older(cached: Option<&str>, written: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    matches!((cached.and_then(number), number(written)), (Some(cached), Some(written)) if cached < written)
}

impl Memory {
    /// The status to start from. The cache may still show the one before the last write; what somebody else has made of
    /// it since is what it is now.
    pub(super) fn before(&self, key: &str, bridge: &MessagingBridge) -> Before {
        let bridges = self.lock();
        let uid = bridge.metadata.uid.as_deref();
        let known = bridges
            .get(key)
            .filter(|known| Some(known.uid.as_str()) == uid);
        let cached = bridge.metadata.resource_version.as_deref();
        let mut before = Before {
            status: bridge.status.clone().unwrap_or_default(),
            version: cached.unwrap_or_default().to_owned(),
            since: None,
        };
        if let Some(written) = known.and_then(|known| known.written.as_ref()) {
            let Stored { version, status } = &written.stored;
            let lags = is_older(cached, version);
            if lags {
                before.version.clone_from(version);
            }
            if lags || bridge.status.as_ref() == Some(status) {
                before.status = written.status.clone();
            }
            before.since = Some(written.at.elapsed());
        }
        before
    }

    /// A status was written.
    pub(super) fn wrote(
        &self,
        key: &str,
        bridge: &MessagingBridge,
        status: MessagingBridgeStatus,
        stored: Stored,
    ) {
        let written = Written {
            status,
            stored,
            at: Instant::now(),
        };
        self.of(key, bridge, |known| known.written = Some(written));
    }

    /// Why this very attempt was refused, if it was the last.
    pub(super) fn refusal(
        &self,
        key: &str,
        bridge: &MessagingBridge,
        attempt: &Attempt,
    ) -> Option<Arc<ApplyError>> {
        let bridges = self.lock();
        let known = bridges.get(key)?;
        let (last, error) = known.refused.as_ref()?;
        let same = bridge.metadata.uid.as_ref() == Some(&known.uid) && last == attempt;
        same.then(|| Arc::clone(error))
    }

    /// An attempt was made; with the error where a repeat cannot help.
    pub(super) fn attempted(
        &self,
        key: &str,
        bridge: &MessagingBridge,
        refused: Option<(Attempt, Arc<ApplyError>)>,
    ) {
        self.of(key, bridge, |known| known.refused = refused);
    }

    /// Forgets all bridges but these.
    pub(super) fn retain(&self, lives: impl Fn(&str) -> bool) {
        self.lock().retain(|key, _| lives(key));
    }

    fn of(&self, key: &str, bridge: &MessagingBridge, change: impl FnOnce(&mut OfBridge)) {
        let uid = bridge.uid().unwrap_or_default();
        let mut bridges = self.lock();
        let known = bridges.entry(key.to_owned()).or_default();
        if known.uid != uid {
            *known = OfBridge {
                uid,
                ..OfBridge::default()
            };
        }
        change(known);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OfBridge>> {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use messaging_bridge_crds::check_manifest;
    use rstest::rstest;

    fn status(generation: i64) -> MessagingBridgeStatus {
        MessagingBridgeStatus {
            observed_generation: generation,
            ..MessagingBridgeStatus::default()
        }
    }

    /// The bridge as the cache shows it: its version, and a status that says so much.
    fn cached(uid: &str, version: &str, says: i64) -> MessagingBridge {
        let mut bridge =
            check_manifest(include_str!("../../../crds/examples/minimal.yaml")).unwrap();
        bridge.metadata.uid = Some(uid.to_owned());
        bridge.metadata.resource_version = Some(version.to_owned());
        bridge.status = Some(status(says));
        bridge
    }

    #[rstest]
    #[case::the_cache_lags_behind("one", "9", 1, 2)]
    #[case::the_cache_shows_what_was_written("one", "10", 3, 2)]
    #[case::somebody_changed_another_part_since("one", "11", 3, 2)]
    #[case::somebody_changed_the_status_since("one", "11", 7, 7)]
    #[case::versions_that_cannot_be_compared("one", "x", 7, 7)]
    #[case::a_bridge_made_anew("two", "9", 1, 1)]
    fn a_status_is_what_was_written_until_the_cache_shows_another(
        #[case] uid: &str,
        #[case] version: &str,
        #[case] says: i64,
        #[case] expected: i64,
    ) {
        let memory = Memory::default();
        // What others have added to the status is in what the API server has stored.
        let stored = Stored {
            version: "10".to_owned(),
            status: status(3),
        };
        memory.wrote("tenant/acme", &cached("one", "8", 1), status(2), stored);
        let before = memory.before("tenant/acme", &cached(uid, version, says));
        assert_eq!(before.status.observed_generation, expected);
        let lags = expected == 2 && version == "9";
        assert_eq!(before.version, if lags { "10" } else { version });
    }

    #[test]
    fn a_bridge_that_is_gone_is_forgotten() {
        let memory = Memory::default();
        let stored = Stored {
            version: "10".to_owned(),
            status: status(3),
        };
        let bridge = cached("one", "8", 1);
        memory.wrote("tenant/acme", &bridge, status(2), stored);
        memory.retain(|key| key == "tenant/other");
        let expected = Before {
            status: status(1),
            version: "8".to_owned(),
            since: None,
        };
        assert_eq!(memory.before("tenant/acme", &bridge), expected);
    }
}
