//! What admission makes of what we apply. A webhook that rewrites a field of ours does so each time: the live object never
//! says what was built, and to apply it again would be a request that changes nothing, for ever.
//!
//! It guarantees: after an apply whose answer still differs, nothing is written while the same is built and the object
//! stays as it was answered. Any other change is put right as always. What is remembered ends with the process: the next
//! one writes once more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::Value;

use super::diff;
use super::object::Child;
use crate::names::{HASH_ANNOTATION, hex_digits};
use crate::validate::BridgeRef;

/// Digits of a hash: 128 bits.
const HASH_DIGITS: usize = 32;

/// The bridge (`namespace/name`), the object's kind and its name.
type Place = (String, String, String);

/// What was answered to applies that changed less than they said.
#[derive(Default)]
pub struct Rewritten(Mutex<HashMap<Place, Answer>>);

#[derive(PartialEq, Eq)]
struct Answer {
    /// The hash of what was built.
    built: Option<String>,
    /// The hash of what the API server made of it.
    answer: String,
}

impl Rewritten {
    /// Forgets all bridges but these.
    pub fn retain(&self, lives: impl Fn(&str) -> bool) {
        self.lock().retain(|(of, _, _), _| lives(of));
    }

    /// Whether the live object is what the API server answered when the same was applied.
    pub(super) fn holds<K: Child>(&self, bridge: &BridgeRef, built: &K, live: &K) -> bool {
        let known = self.lock();
        let Some(known) = known.get(&place(bridge, built)) else {
            return false;
        };
        *known == Answer::of(built, live)
    }

    /// Remembers the answer to an apply if it does not say what was applied.
    pub(super) fn note<K: Child>(&self, bridge: &BridgeRef, built: &K, answered: &K) {
        let place = place(bridge, built);
        if diff::is_current(built, answered) {
            self.lock().remove(&place);
            return;
        }
        let answer = Answer::of(built, answered);
        let known = self.lock().insert(place, answer);
        let built_before = known.and_then(|known| known.built);
        if built_before.as_ref() != built.annotations().get(HASH_ANNOTATION) {
            tracing::warn!(
                namespace = bridge.namespace,
                bridge = bridge.name,
                kind = %K::kind(&()),
                name = built.name_any(),
                "an admission webhook changes what is applied; it is left as it is"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn of<K: Child>(built: &K, live: &K) -> Self {
        Self {
            built: built.annotations().get(HASH_ANNOTATION).cloned(),
            answer: hash(live),
        }
    }
}

fn place<K: Child>(bridge: &BridgeRef, object: &K) -> Place {
    (
        format!("{}/{}", bridge.namespace, bridge.name),
        K::kind(&()).into_owned(),
        object.name_any(),
    )
}

/// Of all that people or webhooks set: not of versions, owners of fields, or what controllers say.
fn hash<K: Serialize>(object: &K) -> String {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("status");
    }
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        for passing in ["resourceVersion", "managedFields", "generation"] {
            metadata.remove(passing);
        }
    }
    hex_digits(value.to_string().as_bytes(), HASH_DIGITS)
}
