//! A cluster as tests see it, whether the harness started it or it was given.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, OnceCell};

use crate::node::start::Node;
use crate::{Audit, Binary, ClusterError, Output, command, existing, kubeconfig, ports};

/// How much of a Kubernetes is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// etcd, the API server and the controllers: for what needs no pod to run. Starts in about three seconds.
    Api,
    /// All of it, with a node that runs pods. Ready in about eight seconds.
    #[default]
    Node,
}

/// How a cluster is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much of it.
    pub level: Level,
    /// The kubelet's `syncFrequency`: about how long a changed ConfigMap or Secret takes to its pod. A kubelet's own
    /// default is a minute.
    pub kubelet_sync: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Level::Node,
            kubelet_sync: Duration::from_secs(2),
        }
    }
}

/// Which Helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// The current major version.
    V4,
    /// The one before.
    V3,
}

/// A cluster that runs.
///
/// Dropped, one that the harness started ends and leaves nothing; it ends as well when this process does, however.
#[derive(Debug)]
pub struct Cluster {
    node: Option<Node>,
    kubeconfig: PathBuf,
    /// Where kubectl and Helm keep what they keep, apart from the user's.
    home: TempDir,
    /// What goes on beside the tests, each of which has a runtime of its own.
    background: Option<Runtime>,
    /// One image at a time: containerd refuses one of two that come under the same name at once.
    loading: Mutex<()>,
}

static API: OnceCell<Cluster> = OnceCell::const_new();
static NODE: OnceCell<Cluster> = OnceCell::const_new();

impl Cluster {
    /// Starts a cluster, and waits until it is ready. With `MB_TEST_CLUSTER=existing` it is the given one.
    ///
    /// The first time ever this builds Kubernetes, for minutes, and says so on the standard error.
    pub async fn start(options: Options) -> Result<Self, ClusterError> {
        let background = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .thread_name("cluster")
            .build();
        let background = background.map_err(ClusterError::io("a runtime for the cluster"))?;
        let home = TempDir::new().map_err(ClusterError::io("a folder for kubectl and Helm"))?;
        // Whole before the start is awaited: a runtime must not be dropped plainly inside another.
        let mut cluster = Self {
            node: None,
            kubeconfig: PathBuf::new(),
            home,
            background: Some(background),
            loading: Mutex::new(()),
        };
        if existing::wanted() {
            cluster.kubeconfig = existing::kubeconfig()?;
        } else {
            let node = Node::start(&options, cluster.background().handle()).await?;
            cluster.kubeconfig = node.kubeconfig();
            cluster.node = Some(node);
        }
        Ok(cluster)
    }

    /// The cluster that the tests of this process share: started by the first that asks, ended with the process. One
    /// with a node serves for either level.
    pub async fn shared(level: Level) -> Result<&'static Self, ClusterError> {
        let start = || {
            Self::start(Options {
                level,
                ..Options::default()
            })
        };
        match (level, NODE.get()) {
            (Level::Api, None) => API.get_or_try_init(start).await,
            _ => NODE.get_or_try_init(start).await,
        }
    }

    /// Whether tests use a cluster that was given (`MB_TEST_CLUSTER=existing`): what is about the harness's own, such as
    /// its audit log, does not concern them then.
    pub fn given() -> bool {
        existing::wanted()
    }

    /// The KUBECONFIG of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder of this run, with the components' logs in `log/`; none for a cluster that was given.
    pub fn folder(&self) -> Option<&Path> {
        self.node.as_ref().map(Node::folder)
    }

    /// The process whose end is the cluster's; none for a cluster that was given.
    pub fn process_id(&self) -> Option<u32> {
        self.node.as_ref().map(Node::process_id)
    }

    /// A new client of an administrator, bound to the runtime that calls.
    pub async fn client(&self) -> Result<Client, ClusterError> {
        kubeconfig::client(&self.kubeconfig).await
    }

    /// Runs kubectl.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output, ClusterError> {
        self.run(Binary::Kubectl, args, None).await
    }

    /// Runs kubectl with `input` as its standard input.
    pub async fn kubectl_with(&self, args: &[&str], input: &str) -> Result<Output, ClusterError> {
        self.run(Binary::Kubectl, args, Some(input)).await
    }

    /// Runs Helm.
    pub async fn helm(&self, helm: Helm, args: &[&str]) -> Result<Output, ClusterError> {
        let binary = match helm {
            Helm::V4 => Binary::Helm,
            Helm::V3 => Binary::Helm3,
        };
        self.run(binary, args, None).await
    }

    /// Applies manifests on the server's side; any refused one is an error.
    pub async fn apply(&self, manifests: &str) -> Result<(), ClusterError> {
        self.kubectl_with(&["apply", "--server-side", "-f", "-"], manifests)
            .await?
            .ok()
            .map(drop)
    }

    /// The API server's audit log.
    pub fn audit(&self) -> Result<Audit, ClusterError> {
        let node = self.own(
            "reading the audit log",
            "run these cases on a cluster that the harness starts",
        )?;
        Ok(Audit::new(node.audit_log()))
    }

    /// Loads an image archive (OCI, or of `docker save`) into the node. It is then there under the name in the archive;
    /// a pod must have `imagePullPolicy: Never` or `IfNotPresent`.
    pub async fn load_image(&self, archive: &Path) -> Result<(), ClusterError> {
        let _turn = self.loading.lock().await;
        match &self.node {
            Some(node) => node.load_image(archive).await,
            None => existing::load_image(&self.kubeconfig, archive).await,
        }
    }

    /// Kills every pod's process, containerd and the kubelet, and starts the latter two again; returns when the node
    /// is ready. Its pods start again a little later.
    pub async fn restart_node(&self) -> Result<(), ClusterError> {
        let node = self.own(
            "restarting the node",
            "run these cases on a cluster that the harness starts",
        )?;
        node.restart(&self.client().await?).await
    }

    /// Kills the kubelet: after 20 s the node counts as lost. Pods go on. [`Self::restart_kubelet`] brings it back.
    pub fn stop_kubelet(&self) -> Result<(), ClusterError> {
        let instead = "run these cases on a cluster that the harness starts";
        self.own("stopping the kubelet", instead)?.stop_kubelet()
    }

    /// Starts the kubelet, again if it runs, with this `syncFrequency`; returns when the node is ready. Pods go on.
    pub async fn restart_kubelet(&self, sync: Duration) -> Result<(), ClusterError> {
        let node = self.own(
            "setting the kubelet's syncFrequency",
            "set it where the cluster was made",
        )?;
        node.restart_kubelet(&self.client().await?, sync).await
    }

    /// An address of this machine that leads to a pod's port for as long as the cluster is used.
    pub async fn port_forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<SocketAddr, ClusterError> {
        let (kubeconfig, namespace, pod) = (
            self.kubeconfig.clone(),
            namespace.to_owned(),
            pod.to_owned(),
        );
        let forward = self.background().spawn(async move {
            let client = kubeconfig::client(&kubeconfig).await?;
            ports::forward(client, namespace, pod, port)
                .await
                .map_err(ClusterError::io("a port of 127.0.0.1"))
        });
        forward
            .await
            .map_err(|error| ClusterError::io("forwarding a port")(error.into()))?
    }

    /// What a pod's only container, or its default one, has written so far.
    pub async fn logs(&self, namespace: &str, pod: &str) -> Result<String, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client().await?, namespace);
        pods.logs(pod, &LogParams::default())
            .await
            .map_err(ClusterError::kube(format!("the logs of {namespace}/{pod}")))
    }

    async fn run(
        &self,
        binary: Binary,
        args: &[&str],
        input: Option<&str>,
    ) -> Result<Output, ClusterError> {
        let program = tokio::task::spawn_blocking(move || binary.path()).await;
        let program = program.map_err(|error| ClusterError::io("building")(error.into()))??;
        let mut command = Command::new(program);
        command
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.home.path().join("kubectl"));
        for (variable, folder) in [
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_DATA_HOME", "data"),
        ] {
            command.env(variable, self.home.path().join(folder));
        }
        command::run(command, input).await
    }

    fn own(&self, what: &'static str, instead: &'static str) -> Result<&Node, ClusterError> {
        self.node
            .as_ref()
            .ok_or(ClusterError::Unsupported { what, instead })
    }

    fn background(&self) -> &Runtime {
        self.background
            .as_ref()
            .expect("it is taken when the cluster is dropped only")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(background) = self.background.take() {
            background.shutdown_background();
        }
    }
}
