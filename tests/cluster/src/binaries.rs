//! The cluster's binaries: built from Go modules that are pinned beside this crate, once, and kept outside the work tree.
//!
//! Guarantees: what is used was built from exactly these module files, flags and Go; two processes do not build the same
//! at once; half a binary is never used. Does not remove what older module files left in the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::ClusterError;

/// What can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binary {
    /// The store behind the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// The controllers that come with Kubernetes.
    KubeControllerManager,
    /// What places pods on the node.
    KubeScheduler,
    /// What runs the node's pods.
    Kubelet,
    /// What makes a Service's address lead to its pods.
    KubeProxy,
    /// The command line.
    Kubectl,
    /// The cluster's names.
    Coredns,
    /// Helm 4.
    Helm,
    /// Helm 3.
    Helm3,
    /// Writes a chart's reference of values.
    HelmDocs,
    /// Holds a pod's namespaces.
    Pause,
    /// The harness's own workload.
    Probe,
}

const STRIP: &str = "-s -w";
/// A Kubernetes that is built from its module knows its version from here only; helm and the kubelet ask for it.
const KUBERNETES: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
                          -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

/// From what a binary is built: (name, module folder, package, linker flags, how long it takes on two cores).
type Recipe = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

impl Binary {
    fn recipe(self) -> Recipe {
        match self {
            Self::Etcd => (
                "etcd",
                "kubernetes",
                "go.etcd.io/etcd/server/v3",
                STRIP,
                "half a minute",
            ),
            Self::KubeApiserver => kubernetes(
                "kube-apiserver",
                "k8s.io/kubernetes/cmd/kube-apiserver",
                "5 minutes",
            ),
            Self::KubeControllerManager => {
                let package = "k8s.io/kubernetes/cmd/kube-controller-manager";
                kubernetes("kube-controller-manager", package, "2 minutes")
            }
            Self::KubeScheduler => kubernetes(
                "kube-scheduler",
                "k8s.io/kubernetes/cmd/kube-scheduler",
                "a minute",
            ),
            Self::Kubelet => kubernetes("kubelet", "k8s.io/kubernetes/cmd/kubelet", "a minute"),
            Self::KubeProxy => kubernetes(
                "kube-proxy",
                "k8s.io/kubernetes/cmd/kube-proxy",
                "half a minute",
            ),
            Self::Kubectl => kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl", "2 minutes"),
            Self::Coredns => (
                "coredns",
                "coredns",
                "github.com/coredns/coredns",
                STRIP,
                "3 minutes",
            ),
            Self::Helm => (
                "helm",
                "helm",
                "helm.sh/helm/v4/cmd/helm",
                STRIP,
                "3 minutes",
            ),
            Self::Helm3 => (
                "helm3",
                "helm3",
                "helm.sh/helm/v3/cmd/helm",
                STRIP,
                "3 minutes",
            ),
            Self::HelmDocs => (
                "helm-docs",
                "helm-docs",
                "github.com/norwoodj/helm-docs/cmd/helm-docs",
                STRIP,
                "a minute",
            ),
            Self::Pause => ("pause", "images", "./pause", STRIP, "half a minute"),
            Self::Probe => ("probe", "images", "./probe", STRIP, "half a minute"),
        }
    }

    /// The path of this binary; builds it first if need be, which is said on the standard error.
    ///
    /// Blocks for minutes when something is to be built.
    pub fn path(self) -> Result<PathBuf, ClusterError> {
        let (name, module, package, flags, duration) = self.recipe();
        let folder = module_folder(module);
        let home = cache()?.join(format!("{module}-{}", key(&folder, flags)?));
        let binary = home.join(name);
        if binary.exists() {
            return Ok(binary);
        }
        fs::create_dir_all(&home).map_err(ClusterError::file(&home))?;
        let lock = home.join(".lock");
        let lock = File::create(&lock).map_err(ClusterError::file(&lock))?;
        lock.lock()
            .map_err(ClusterError::io("waiting for another process that builds"))?;
        if binary.exists() {
            return Ok(binary);
        }
        say(&format!("building {name} (about {duration}, once)"));
        let unfinished = home.join(format!(".{name}"));
        let output = go(&folder)
            .args([
                "build",
                "-mod=readonly",
                "-trimpath",
                &format!("-ldflags={flags}"),
                "-o",
            ])
            .arg(&unfinished)
            .arg(package)
            .stdin(Stdio::null())
            .output()
            .map_err(ClusterError::io("go build"))?;
        if !output.status.success() {
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(ClusterError::Build { binary: name, log });
        }
        fs::rename(&unfinished, &binary).map_err(ClusterError::file(&binary))?;
        Ok(binary)
    }
}

fn kubernetes(name: &'static str, package: &'static str, long: &'static str) -> Recipe {
    (name, "kubernetes", package, KUBERNETES, long)
}

fn module_folder(module: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("modules")
        .join(module)
}

fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env_remove("GOFLAGS");
    command
}

/// What a binary depends on, as a short hash: the module's files, the flags and the Go that would build it.
fn key(folder: &Path, flags: &str) -> Result<String, ClusterError> {
    let mut hash = Sha256::new();
    for file in sources(folder)? {
        hash.update(fs::read(&file).map_err(ClusterError::file(&file))?);
        hash.update([0]);
    }
    hash.update(flags);
    hash.update(go_version(folder)?);
    Ok(hex(&hash.finalize()[..8]))
}

/// The module's files in a fixed order.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, ClusterError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(ClusterError::file(folder))? {
        let path = entry.map_err(ClusterError::file(folder))?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn go_version(folder: &Path) -> Result<Vec<u8>, ClusterError> {
    let missing = |reason: String| ClusterError::Missing {
        what: format!(
            "Go 1.21 or newer, which builds the test cluster's Kubernetes ({})",
            reason.trim()
        ),
        fix: "install it from https://go.dev/dl (it fetches the version it needs by itself)"
            .to_owned(),
    };
    let output = go(folder)
        .args(["env", "GOVERSION", "GOOS", "GOARCH"])
        .output()
        .map_err(|error| missing(error.to_string()))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(missing(String::from_utf8_lossy(&output.stderr).into()))
    }
}

/// Where what is built, and what runs, is kept: outside the work tree.
pub(crate) fn cache() -> Result<PathBuf, ClusterError> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("messaging-bridge").join("cluster"))
        .ok_or_else(|| ClusterError::Missing {
            what: "a place for the cluster's binaries: neither XDG_CACHE_HOME nor HOME is set"
                .to_owned(),
            fix: "export XDG_CACHE_HOME=/var/cache".to_owned(),
        })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Says what takes long, to a person who waits.
#[expect(
    clippy::print_stderr,
    reason = "a test that builds for minutes must say so"
)]
pub(crate) fn say(text: &str) {
    eprintln!("cluster: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_changes_with_the_modules_files_and_with_the_flags() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |text: &str| fs::write(folder.path().join("go.mod"), text).expect("written");
        write("module a\n");
        let first = key(folder.path(), STRIP).expect("a key");
        assert_eq!(first, key(folder.path(), STRIP).expect("a key"));
        assert_ne!(first, key(folder.path(), KUBERNETES).expect("a key"));
        write("module b\n");
        assert_ne!(first, key(folder.path(), STRIP).expect("a key"));
    }
}
