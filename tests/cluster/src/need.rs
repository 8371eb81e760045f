//! What the machine must have before a node can start, each with the command that provides it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{ClusterError, Level};

/// Where distributions put the CNI plugins.
const CNI: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
/// Where system programs lie that a user's PATH may leave out.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// A program, the Debian package that has it, and what for.
type Program = (&'static str, &'static str, &'static str);

const API: [Program; 3] = [
    (
        "unshare",
        "util-linux",
        "everything runs in namespaces of its own",
    ),
    (
        "mount",
        "mount",
        "what the node writes outside its folder is covered",
    ),
    ("ip", "iproute2", "the node has a network of its own"),
];
const NODE: [Program; 5] = [
    ("containerd", "containerd", "runs the pods"),
    ("ctr", "containerd", "loads the images"),
    ("containerd-shim-runc-v2", "containerd", "runs the pods"),
    ("runc", "runc", "runs the pods"),
    (
        "nft",
        "nftables",
        "kube-proxy leads Services to pods with it",
    ),
];

/// The first thing that is missing, as an error with its fix.
pub(crate) fn check(level: Level) -> Result<(), ClusterError> {
    let existing = "or use a cluster you have (kind, k3d): MB_TEST_CLUSTER=existing KUBECONFIG=...";
    if !cfg!(target_os = "linux") {
        return Err(missing(
            "Linux: the cluster runs in Linux namespaces",
            existing,
        ));
    }
    if !rustix::process::geteuid().is_root() {
        let what = "root: the cluster's network, mounts and control groups are made by it";
        return Err(missing(
            what,
            &format!("sudo -E env PATH=\"$PATH\" make test; {existing}"),
        ));
    }
    let wanted = API
        .iter()
        .chain(if level == Level::Node { &NODE[..] } else { &[] });
    let absent: Vec<&Program> = wanted
        .filter(|(program, ..)| find(program).is_none())
        .collect();
    if let Some((program, package, why)) = absent.first() {
        return Err(missing(&format!("{program} ({why})"), &install(package)));
    }
    if level == Level::Node && cni_plugins().is_none() {
        let what = format!(
            "the CNI plugins ptp and host-local in one of {} (a pod's network)",
            CNI.join(", ")
        );
        return Err(missing(&what, &install("containernetworking-plugins")));
    }
    let allowed = Command::new("unshare")
        .args(["--net", "--pid", "--mount", "--fork", "true"])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    if allowed {
        Ok(())
    } else {
        let what = "the right to make namespaces (CAP_SYS_ADMIN): `unshare --net --pid --mount --fork true` fails";
        Err(missing(
            what,
            &format!("in a container: docker run --privileged; {existing}"),
        ))
    }
}

/// The folder with the CNI plugins.
pub(crate) fn cni_plugins() -> Option<PathBuf> {
    CNI.iter()
        .map(PathBuf::from)
        .find(|folder| folder.join("ptp").exists() && folder.join("host-local").exists())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = format!(
        "{}:{SYSTEM_PATH}",
        std::env::var("PATH").unwrap_or_default()
    );
    path.split(':')
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
}

fn install(package: &str) -> String {
    format!(
        "scripts/need cluster, or: apt-get update && apt-get install -y --no-install-recommends {package}"
    )
}

fn missing(what: &str, fix: &str) -> ClusterError {
    ClusterError::Missing {
        what: what.to_owned(),
        fix: fix.to_owned(),
    }
}
