//! The node's processes as command lines, and the files they read: pure functions of the run's folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ADDRESS, API_PORT, NAME, PAUSE, PODS, SERVICES};
use crate::{Binary, ClusterError, Level};

/// One process of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Component {
    /// Its name, and its log's.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}

/// The store and the API server: they start first.
pub(crate) const FIRST: [&str; 2] = ["etcd", "kube-apiserver"];

/// What a level consists of, in the order of the start.
pub(crate) fn of(level: Level) -> &'static [(&'static str, Option<Binary>)] {
    const ALL: [(&str, Option<Binary>); 8] = [
        ("etcd", Some(Binary::Etcd)),
        ("kube-apiserver", Some(Binary::KubeApiserver)),
        (
            "kube-controller-manager",
            Some(Binary::KubeControllerManager),
        ),
        ("containerd", None),
        ("kube-scheduler", Some(Binary::KubeScheduler)),
        ("kubelet", Some(Binary::Kubelet)),
        ("kube-proxy", Some(Binary::KubeProxy)),
        ("coredns", Some(Binary::Coredns)),
    ];
    match level {
        Level::Api => ALL.split_at(3).0,
        Level::Node => &ALL,
    }
}

/// The command lines of a level's components; builds what is not built yet.
pub(crate) fn resolve(level: Level, folder: &Path) -> Result<Vec<Component>, ClusterError> {
    of(level)
        .iter()
        .map(|(name, binary)| {
            let program = binary.map_or_else(|| Ok(PathBuf::from(name)), Binary::path)?;
            Ok(Component {
                name: (*name).to_owned(),
                program,
                args: args(name, &folder.display().to_string()),
            })
        })
        .collect()
}

fn args(name: &str, run: &str) -> Vec<String> {
    let client = |name: &str| format!("--kubeconfig={run}/kubeconfigs/{name}.yaml");
    match name {
        "etcd" => etcd(run),
        "kube-apiserver" => api_server(run),
        "kube-controller-manager" => vec![
            client("controller-manager"),
            format!("--service-account-private-key-file={run}/pki/accounts.key"),
            format!("--root-ca-file={run}/pki/ca.crt"),
            format!("--flex-volume-plugin-dir={run}/kubelet/plugins"),
            // A lost node is told after this long, ten beats of the kubelet; the default is 50 s.
            "--node-monitor-grace-period=20s".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ],
        "kube-scheduler" => vec![
            client("scheduler"),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ],
        "containerd" => vec!["--config".to_owned(), format!("{run}/containerd.toml")],
        "kubelet" => vec![
            client("kubelet"),
            format!("--config={run}/kubelet.yaml"),
            format!("--root-dir={run}/kubelet"),
            format!("--cert-dir={run}/kubelet/pki"),
            format!("--hostname-override={NAME}"),
            format!("--node-ip={ADDRESS}"),
        ],
        "kube-proxy" => vec![
            client("proxy"),
            format!("--hostname-override={NAME}"),
            format!("--cluster-cidr={PODS}"),
            "--proxy-mode=nftables".to_owned(),
            // The machine's limits are not ours to set.
            "--conntrack-max-per-core=0".to_owned(),
            "--conntrack-tcp-timeout-established=0s".to_owned(),
            "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
        ],
        "coredns" => vec!["-conf".to_owned(), format!("{run}/Corefile")],
        other => unreachable!("no component is called {other}"),
    }
}

fn etcd(run: &str) -> Vec<String> {
    vec![
        format!("--data-dir={run}/etcd"),
        "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        // What a killed machine would lose is a test's.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server(run: &str) -> Vec<String> {
    vec![
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--bind-address={ADDRESS}"),
        format!("--advertise-address={ADDRESS}"),
        format!("--secure-port={API_PORT}"),
        format!("--cert-dir={run}/pki"),
        format!("--tls-cert-file={run}/pki/api-server.crt"),
        format!("--tls-private-key-file={run}/pki/api-server.key"),
        format!("--client-ca-file={run}/pki/ca.crt"),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={run}/pki/accounts.pub"),
        format!("--service-account-signing-key-file={run}/pki/accounts.key"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        // The node's name resolves nowhere.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!("--kubelet-certificate-authority={run}/pki/ca.crt"),
        format!("--kubelet-client-certificate={run}/pki/api-client.crt"),
        format!("--kubelet-client-key={run}/pki/api-client.key"),
        format!("--audit-policy-file={run}/audit-policy.yaml"),
        format!("--audit-log-path={run}/audit.log"),
        // In MB: never rotated, a mark is an offset.
        "--audit-log-maxsize=100000".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

/// The files that the components read: (name in the folder, text).
pub(crate) fn files(
    folder: &Path,
    cgroup: &str,
    plugins: &Path,
    sync: Duration,
) -> Vec<(&'static str, String)> {
    let fill = |template: &str| {
        template
            .replace("@RUN@", &folder.display().to_string())
            .replace("@CNI@", &plugins.display().to_string())
            .replace("@SYNC@", &format!("{}ms", sync.as_millis()))
            .replace("@CGROUP@", cgroup)
            .replace("@PAUSE@", PAUSE)
            .replace("@NODE@", ADDRESS)
            .replace("@PODS@", PODS)
    };
    vec![
        (
            "audit-policy.yaml",
            fill(include_str!("../../config/audit-policy.yaml")),
        ),
        (
            "containerd.toml",
            fill(include_str!("../../config/containerd.toml")),
        ),
        (
            "kubelet.yaml",
            fill(include_str!("../../config/kubelet.yaml")),
        ),
        (
            "cni/10-pods.conflist",
            fill(include_str!("../../config/cni.conflist")),
        ),
        ("Corefile", fill(include_str!("../../config/Corefile"))),
        ("resolv.conf", format!("nameserver {ADDRESS}\n")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_filled() {
        let files = files(
            Path::new("/run/x"),
            "group",
            Path::new("/usr/lib/cni"),
            Duration::from_secs(2),
        );
        for (name, text) in files {
            assert!(!text.contains('@'), "{name}: {text}");
        }
    }

    #[test]
    fn every_component_of_a_level_has_its_command_line() {
        for (name, _) in of(Level::Node) {
            assert!(!args(name, "/run/x").is_empty(), "{name}");
        }
        assert_eq!(of(Level::Api).len(), 3);
    }
}
