//! A real one-node Kubernetes for tests: started in Linux namespaces, with the machine's own network untouched, and gone
//! with the process that started it.
//!
//! ```no_run
//! # async fn test() -> Result<(), messaging_bridge_cluster::ClusterError> {
//! use std::time::Duration;
//! use messaging_bridge_cluster::{Cluster, Helm, Level, wait_for};
//!
//! let cluster = Cluster::shared(Level::Node).await?;
//! cluster.load_image("target/images/relay.tar".as_ref()).await?;
//! cluster.helm(Helm::V4, &["install", "bridge", "charts/messaging-bridge"]).await?.ok()?;
//! let mark = cluster.audit()?.mark()?;
//! wait_for("the bridge", Duration::from_secs(60), || async {
//!     let get = ["get", "messagingbridge", "support", "-o", "jsonpath={.status.conditions}"];
//!     let seen = cluster.kubectl(&get).await.and_then(|output| output.ok()).map_err(|error| error.to_string())?;
//!     if seen.contains(r#""type":"Ready","status":"True""#) { Ok(()) } else { Err(seen) }
//! })
//! .await?;
//! assert!(cluster.audit()?.since(mark)?.iter().any(|request| request.mutated()));
//! # Ok(())
//! # }
//! ```
//!
//! With `MB_TEST_CLUSTER=existing` the same tests use the cluster that KUBECONFIG names; what only an own cluster can do
//! (the audit log, restarting the node) is then [`ClusterError::Unsupported`].
//!
//! No network policy is enforced here, and nothing outside the node can be reached from it.

mod audit;
mod binaries;
mod cluster;
mod command;
mod error;
mod existing;
pub mod images;
#[doc(hidden)]
pub mod inside;
mod kubeconfig;
mod need;
mod node;
mod ports;
mod wait;

pub use audit::{Audit, Mark, Request};
pub use binaries::Binary;
pub use cluster::{Cluster, Helm, Level, Options};
pub use command::Output;
pub use error::ClusterError;
pub use wait::wait_for;
