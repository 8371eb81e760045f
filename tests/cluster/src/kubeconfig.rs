//! From a KUBECONFIG to a client.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::ClusterError;

/// A client for the file's current context, bound to the runtime that calls.
pub(crate) async fn client(path: &Path) -> Result<Client, ClusterError> {
    let wrong = |reason: String| ClusterError::Kubeconfig {
        path: path.to_owned(),
        reason,
    };
    let file = Kubeconfig::read_from(path).map_err(|error| wrong(error.to_string()))?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let config = config.map_err(|error| wrong(error.to_string()))?;
    Client::try_from(config).map_err(ClusterError::kube("a client"))
}
