//! What can go wrong with a test cluster, each with what to do about it where something can be done.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a cluster, or a command to it, failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Something that must be installed or allowed first.
    #[error("missing: {what}\nfix:     {fix}")]
    Missing {
        /// What is missing, and why it is needed.
        what: String,
        /// The command, or the setting, that provides it.
        fix: String,
    },
    /// A binary of the cluster could not be built.
    #[error("{binary} could not be built:\n{log}")]
    Build {
        /// The binary's name.
        binary: &'static str,
        /// What Go said.
        log: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("the cluster's certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The API server refused, or could not be reached.
    #[error("{what}: {source}")]
    Kube {
        /// What was tried.
        what: String,
        /// The client's error.
        source: Box<kube::Error>,
    },
    /// The KUBECONFIG cannot be used.
    #[error("the KUBECONFIG {path}: {reason}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A command ended with an error.
    #[error("{0}")]
    Command(Box<crate::Output>),
    /// The node's supervisor refused.
    #[error("the node, asked to \"{request}\": {answer}")]
    Node {
        /// What it was asked.
        request: String,
        /// What it said.
        answer: String,
    },
    /// Something did not come to pass in time.
    #[error("{what}: not within {patience:?}; last seen: {last}")]
    NotYet {
        /// What was waited for.
        what: String,
        /// How long.
        patience: Duration,
        /// The state at the last look.
        last: String,
    },
    /// This cluster cannot do this: one that was given (`MB_TEST_CLUSTER=existing`), or one without a node.
    #[error("{what} is not possible on this cluster: {instead}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
}

impl ClusterError {
    /// For `map_err`: says what was tried when the system refused.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            what: what.to_string(),
            source,
        }
    }

    /// For `map_err`: says which file it was.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        Self::io(path.display())
    }

    /// For `map_err`: says what was asked of the API server.
    pub(crate) fn kube(what: impl fmt::Display) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kube {
            what: what.to_string(),
            source: Box::new(source),
        }
    }
}
