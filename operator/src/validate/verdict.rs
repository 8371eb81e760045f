//! One condition's verdict: a reason from the closed list, and a sentence that names the fix.

use messaging_bridge_crds::{ConditionStatus, Reason};

/// Why a condition has its status, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The word; it implies the status.
    pub reason: Reason,
    /// One sentence or two.
    pub message: String,
}

impl Verdict {
    /// A verdict.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// The status that follows.
    pub fn status(&self) -> ConditionStatus {
        self.reason.status()
    }
}
