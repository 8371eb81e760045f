//! What keeps the node apart from its machine, beyond the namespaces that it is born into: their contents.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ClusterError;
use crate::node::ADDRESS;

/// Where Kubernetes and containerd write on a machine, whatever they are told: covered by what goes with the node.
const WRITTEN: [&str; 2] = ["/run", "/var/lib"];

/// Mounts and addresses. Runs before there are other processes.
pub(crate) fn enclose(folder: &Path) -> Result<(), ClusterError> {
    mount(&["-t", "proc", "proc", "/proc"])?;
    for place in WRITTEN {
        if !folder.starts_with(place) {
            mount(&["-t", "tmpfs", "tmpfs", place])?;
        }
    }
    mount(&[
        "--bind",
        &folder.join("log").display().to_string(),
        "/var/log",
    ])?;
    // There is no `dummy` link type everywhere; a bridge without ports carries an address as well. The default route is
    // for processes that look for the address of the way out; nothing answers there.
    let network = format!(
        "link set lo up\nlink add node0 type bridge\naddr add {ADDRESS}/24 dev node0\nlink set node0 up\n\
         route add default dev node0\n"
    );
    ip(&network)?;
    let forward = Path::new("/proc/sys/net/ipv4/ip_forward");
    std::fs::write(forward, "1").map_err(ClusterError::file(forward))
}

fn mount(args: &[&str]) -> Result<(), ClusterError> {
    let failed = || format!("mount {}", args.join(" "));
    let status = Command::new("mount")
        .args(args)
        .stdin(Stdio::null())
        .status()
        .map_err(ClusterError::io(failed()))?;
    succeeded(status.success(), &failed())
}

fn ip(batch: &str) -> Result<(), ClusterError> {
    let failed = || ClusterError::io("ip -batch");
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed())?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(batch.as_bytes()).map_err(failed())?;
    }
    let status = child.wait().map_err(failed())?;
    succeeded(status.success(), "ip -batch")
}

fn succeeded(success: bool, what: &str) -> Result<(), ClusterError> {
    if success {
        Ok(())
    } else {
        Err(ClusterError::Node {
            request: what.to_owned(),
            answer: "it failed; see above".to_owned(),
        })
    }
}
