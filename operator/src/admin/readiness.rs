//! What the operator still waits for before it can do its work, by name.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What is still waited for.
#[derive(Debug)]
pub struct Readiness {
    missing: Mutex<BTreeSet<String>>,
}

impl Readiness {
    /// Waits for these.
    pub fn waiting_for(missing: &[&str]) -> Self {
        Self {
            missing: Mutex::new(missing.iter().map(|what| (*what).to_owned()).collect()),
        }
    }

    /// It is there.
    pub fn has(&self, what: &str) {
        self.lock().remove(what);
    }

    /// It is not there any more.
    pub fn lacks(&self, what: &str) {
        self.lock().insert(what.to_owned());
    }

    /// What is missing, in words; `None` when nothing is.
    pub fn missing(&self) -> Option<String> {
        let missing = self.lock();
        (!missing.is_empty()).then(|| missing.iter().cloned().collect::<Vec<_>>().join(", "))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
