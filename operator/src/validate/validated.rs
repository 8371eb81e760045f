//! A bridge of which everything is known that its relay needs: the only thing that `build` sees.

use std::sync::Arc;

use messaging_bridge_crds::RelayConfig;
use url::Url;

use crate::settings::RelaySettings;

/// Which bridge an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: a bridge of the same name that is created later has another.
    pub uid: String,
}

/// Where messages wait. A second kind, shared by several replicas, has its place here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// In the relay, on a volume of its own.
    Embedded(EmbeddedVolume),
}

/// The volume of an embedded queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedVolume {
    /// Its size, a Kubernetes quantity.
    pub size: String,
    /// Its storage class; without it the cluster's default.
    pub storage_class: Option<String>,
}

/// A bridge that can be built.
#[derive(Clone, Debug)]
pub struct ValidatedBridge {
    /// Whose objects these are.
    pub bridge: BridgeRef,
    /// What the relay reads, the integration's id included.
    pub config: RelayConfig,
    /// Where messages wait.
    pub queue: QueueKind,
    /// What every relay has in common.
    pub relay: Arc<RelaySettings>,
    /// The namespace that the operator runs in: it reads the relay's status.
    pub operator_namespace: String,
    /// Platforms instead of the real ones.
    pub genesys_base_url: Option<Url>,
    /// Platforms instead of the real ones.
    pub twilio_base_url: Option<Url>,
}
