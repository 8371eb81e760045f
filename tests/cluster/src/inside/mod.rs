//! The node's first process: number 1 of namespaces of its own.
//!
//! Guarantees: it ends, and with it every process of the node, as soon as its standard input does, which the process
//! outside holds. It reaps what is orphaned, starts again what ends unasked, and does on its socket what it is asked.
//! Knows nothing of Kubernetes: what to start is in the run's folder.

mod enclosure;
mod requests;
mod supervisor;

use std::convert::Infallible;
use std::io::Read;
use std::path::Path;
use std::thread;

use crate::ClusterError;
use crate::binaries::say;
use crate::node::components::Component;
use crate::node::folder;

/// Is the first process until the standard input ends. Only errors of the beginning are returned.
pub fn run(path: &Path) -> Result<Infallible, ClusterError> {
    let _lock = folder::hold(path).map_err(ClusterError::file(path))?;
    thread::spawn(end_with_input);
    enclosure::enclose(path)?;
    let components = path.join("components.json");
    let text = std::fs::read_to_string(&components).map_err(ClusterError::file(&components))?;
    let components: Vec<Component> = serde_json::from_str(&text)
        .map_err(|error| ClusterError::io("components.json")(error.into()))?;
    let supervisor = supervisor::Supervisor::new(path, components);
    requests::listen(path, supervisor.clone())?;
    supervisor.reap()
}

fn end_with_input() {
    // An error is an end, too.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    say("the process outside has ended");
    std::process::exit(0);
}
