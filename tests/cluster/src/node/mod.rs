//! A node of our own, seen from outside: its folder, its processes' command lines and certificates, the way in.
//!
//! The processes themselves live in namespaces whose first process is `inside`; see there.

pub(crate) mod certificates;
pub(crate) mod cgroups;
pub(crate) mod components;
pub(crate) mod control;
pub(crate) mod folder;
pub(crate) mod forward;
pub(crate) mod process;
pub(crate) mod start;
pub(crate) mod volumes;

/// The node's address, on a bridge inside: the API server, the kubelet and the cluster's DNS listen there.
pub(crate) const ADDRESS: &str = "10.250.0.1";
/// The API server's port there.
pub(crate) const API_PORT: u16 = 6443;
/// The first address of the Services' range is the API server's.
pub(crate) const API_SERVICE: &str = "10.255.0.1";
/// A /24 is full after 254 bridges.
pub(crate) const SERVICES: &str = "10.255.0.0/16";
/// The pods' addresses.
pub(crate) const PODS: &str = "10.244.0.0/24";
/// The node's name.
pub(crate) const NAME: &str = "node1";
/// The image that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "localhost/messaging-bridge/pause:1";
/// The class of the volumes that the harness makes.
pub(crate) const STORAGE_CLASS: &str = "local";
