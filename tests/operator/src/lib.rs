//! What the operator's suites share: the chart installed with its own rights, the platforms simulated, tenants.
//!
//! Two settings. [`control_plane`] has an API server and no node: the operator is a process beside it, with the rights
//! that the chart gives it and no others. [`node`] has all of it: operator, relays and platforms are pods. Both use
//! [`tenant`]s, [`platforms`] (the sandbox's control API, wherever it runs) and [`conditions`] (waiting for a bridge's
//! status, with all that is known of it when it does not come).

pub mod conditions;
pub mod control_plane;
pub mod ingress;
pub mod node;
pub mod operator;
pub mod pages;
pub mod platforms;
pub mod relays;
pub mod tenant;

use std::path::PathBuf;
use std::time::Duration;

pub use conditions::{status, until, until_status};

/// How long a condition may take that needs no pod.
pub const SOON: Duration = Duration::from_secs(20);
/// How long one may take that needs a pod to start.
pub const STARTED: Duration = Duration::from_secs(90);

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}
