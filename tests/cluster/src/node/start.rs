//! A node's life: everything is written, the processes are started in order, and all of it ends and goes away.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node as KubeNode, ServiceAccount};
use kube::{Api, Client};
use tokio::runtime::Handle;

use super::control::{Ask, Control};
use super::folder::Folder;
use super::process::Process;
use super::{ADDRESS, API_PORT, NAME, PAUSE, certificates, cgroups, components, forward, volumes};
use crate::{Binary, ClusterError, Level, Options, command, images, kubeconfig, need, wait_for};

const PATIENCE: Duration = Duration::from_secs(90);

/// A node that runs. Dropped, it ends, and nothing of it is left.
#[derive(Debug)]
pub(crate) struct Node {
    process: Process,
    control: Control,
    folder: Folder,
    level: Level,
}

impl Node {
    /// Starts a node and waits until it is ready; builds first what is not built yet. What must go on while it lives
    /// (the way in, the volumes) runs on `background`.
    pub(crate) async fn start(
        options: &Options,
        background: &Handle,
    ) -> Result<Self, ClusterError> {
        need::check(options.level)?;
        let (level, sync) = (options.level, options.kubelet_sync);
        let listener =
            TcpListener::bind("127.0.0.1:0").map_err(ClusterError::io("a port of 127.0.0.1"))?;
        listener
            .set_nonblocking(true)
            .map_err(ClusterError::io("a port of 127.0.0.1"))?;
        let address = listener
            .local_addr()
            .map_err(ClusterError::io("a port of 127.0.0.1"))?;
        let prepared = background.spawn_blocking(move || prepare(level, sync, address));
        let folder = prepared
            .await
            .map_err(|error| ClusterError::io("preparing the node")(error.into()))??;
        let control = Control::new(folder.path());
        let mut node = Self {
            process: Process::start(folder.path())?,
            control,
            folder,
            level,
        };
        let target = SocketAddr::new(ADDRESS.parse().expect("an address"), API_PORT);
        background.spawn(forward::serve(
            listener,
            node.control.socket().to_owned(),
            target,
        ));
        match node.bring_up(background).await {
            Ok(()) => Ok(node),
            Err(error) => Err(node.explained(&error)),
        }
    }

    /// The KUBECONFIG for this machine.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The API server's audit log.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// The folder of this run; the components' logs lie in `log/`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process on this machine whose child is the node's first.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Loads an image archive into the node's containerd.
    pub(crate) async fn load_image(&self, archive: &Path) -> Result<(), ClusterError> {
        if self.level == Level::Api {
            return Err(ClusterError::Unsupported {
                what: "loading an image",
                instead: "start Level::Node",
            });
        }
        let mut ctr = tokio::process::Command::new("ctr");
        ctr.arg("--address")
            .arg(self.folder.path().join("containerd.sock"));
        ctr.args(["--namespace", "k8s.io", "images", "import"])
            .arg(archive);
        command::run(ctr, None).await?.ok().map(drop)
    }

    /// Kills every pod's process, containerd and the kubelet, and starts the latter two again.
    pub(crate) async fn restart(&self, client: &Client) -> Result<(), ClusterError> {
        self.node_only("restarting the node")?;
        for ask in [
            Ask::Stop("kubelet"),
            Ask::Stop("containerd"),
            Ask::KillPods,
            Ask::Start("containerd"),
        ] {
            self.control.ask(ask)?;
        }
        self.start_kubelet(client).await
    }

    /// Starts the kubelet again with another `syncFrequency`. Pods go on.
    pub(crate) async fn restart_kubelet(
        &self,
        client: &Client,
        sync: Duration,
    ) -> Result<(), ClusterError> {
        self.stop_kubelet()?;
        write_files(&self.folder, sync)?;
        self.start_kubelet(client).await
    }

    /// Kills the kubelet, and leaves it. Pods go on, and nobody looks after them.
    pub(crate) fn stop_kubelet(&self) -> Result<(), ClusterError> {
        self.node_only("stopping the kubelet")?;
        self.control.ask(Ask::Stop("kubelet"))
    }

    async fn start_kubelet(&self, client: &Client) -> Result<(), ClusterError> {
        // Heartbeats have whole seconds: one of this second may be the old kubelet's.
        let before = jiff::Timestamp::now();
        self.control.ask(Ask::Start("kubelet"))?;
        node_ready(client, Some(before)).await
    }

    fn node_only(&self, what: &'static str) -> Result<(), ClusterError> {
        match self.level {
            Level::Node => Ok(()),
            Level::Api => Err(ClusterError::Unsupported {
                what,
                instead: "start Level::Node",
            }),
        }
    }

    async fn bring_up(&mut self, background: &Handle) -> Result<(), ClusterError> {
        let socket = self.control.socket().to_owned();
        wait_for(
            "the node's first process",
            Duration::from_secs(10),
            || async {
                if socket.exists() {
                    Ok(())
                } else {
                    Err("no control socket".to_owned())
                }
            },
        )
        .await?;
        for name in components::FIRST {
            self.control.ask(Ask::Start(name))?;
        }
        if self.level == Level::Node {
            self.load_pause().await?;
        }
        let client = kubeconfig::client(&self.kubeconfig()).await?;
        api_ready(&client).await?;
        for (name, _) in components::of(self.level) {
            if !components::FIRST.contains(name) && *name != "containerd" {
                self.control.ask(Ask::Start(name))?;
            }
        }
        default_account(&client).await?;
        if self.level == Level::Node {
            volumes::create_class(client.clone())
                .await
                .map_err(ClusterError::kube("the class of the volumes"))?;
            let (kubeconfig, folder) = (self.kubeconfig(), self.folder.path().to_owned());
            background.spawn(async move {
                // Its own, as a client works on the runtime that made it. This file made one before.
                if let Ok(client) = kubeconfig::client(&kubeconfig).await {
                    volumes::serve(client, folder).await;
                }
            });
            node_ready(&client, None).await?;
        }
        Ok(())
    }

    async fn load_pause(&self) -> Result<(), ClusterError> {
        self.control.ask(Ask::Start("containerd"))?;
        let socket = self.folder.path().join("containerd.sock");
        wait_for("containerd", PATIENCE, || async {
            std::os::unix::net::UnixStream::connect(&socket)
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await?;
        self.load_image(&self.folder.path().join("pause.tar")).await
    }

    /// The error with what the processes said last, as the folder goes away with the node.
    fn explained(&mut self, error: &ClusterError) -> ClusterError {
        let ended = if self.process.ended() {
            "the node's first process has ended"
        } else {
            ""
        };
        let mut said = format!("{error}\n{ended}");
        let names = components::of(self.level)
            .iter()
            .map(|(name, _)| format!("log/{name}.log"));
        for name in std::iter::once("inside.log".to_owned()).chain(names) {
            let text = fs::read_to_string(self.folder.path().join(&name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            said.extend([
                "\n--- ",
                &name,
                "\n",
                &lines[lines.len().saturating_sub(8)..].join("\n"),
            ]);
        }
        ClusterError::NotYet {
            what: "the cluster's start".to_owned(),
            patience: PATIENCE,
            last: said,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process.end();
        // What cannot be removed now is removed at the next start.
        let _ = self.folder.remove();
    }
}

/// Builds, and writes all that the processes read; blocks, for minutes the first time.
fn prepare(level: Level, sync: Duration, outside: SocketAddr) -> Result<Folder, ClusterError> {
    let pause = if level == Level::Node {
        Some(Binary::Pause.path()?)
    } else {
        None
    };
    // Before the folder is made: a build that fails leaves none.
    for binary in components::of(level)
        .iter()
        .filter_map(|(_, binary)| *binary)
    {
        binary.path()?;
    }
    let folder = Folder::create()?;
    let components = components::resolve(level, folder.path())?;
    let path = folder.path().join("components.json");
    let text = serde_json::to_string_pretty(&components).expect("strings are JSON");
    fs::write(&path, text).map_err(ClusterError::file(&path))?;
    certificates::write(folder.path(), outside)?;
    write_files(&folder, sync)?;
    for name in ["log", "volumes", "kubelet/plugins"] {
        let path = folder.path().join(name);
        fs::create_dir_all(&path).map_err(ClusterError::file(&path))?;
    }
    if let Some(pause) = pause {
        images::write(PAUSE, &pause, &folder.path().join("pause.tar"))?;
        cgroups::create(&folder.cgroup()).map_err(ClusterError::io("the node's control groups"))?;
    }
    Ok(folder)
}

fn write_files(folder: &Folder, sync: Duration) -> Result<(), ClusterError> {
    let plugins = need::cni_plugins().unwrap_or_default();
    for (name, text) in components::files(folder.path(), &folder.cgroup(), &plugins, sync) {
        let path = folder.path().join(name);
        let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
        parent
            .and_then(|()| fs::write(&path, text))
            .map_err(ClusterError::file(&path))?;
    }
    Ok(())
}

async fn api_ready(client: &Client) -> Result<(), ClusterError> {
    wait_for("the API server", PATIENCE, || async {
        let request = http::Request::get("/readyz")
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        client
            .request_text(request)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await
}

/// Without its account no pod is admitted to a namespace; when the default namespace has one, controllers work.
async fn default_account(client: &Client) -> Result<(), ClusterError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    wait_for("the controllers", PATIENCE, || async {
        accounts
            .get("default")
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await
}

/// Waits until the kubelet says that it is ready, in a heartbeat of `since` or later.
async fn node_ready(client: &Client, since: Option<jiff::Timestamp>) -> Result<(), ClusterError> {
    let nodes: Api<KubeNode> = Api::all(client.clone());
    wait_for("the node", PATIENCE, || async {
        let node = nodes.get(NAME).await.map_err(|error| error.to_string())?;
        let conditions = node
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let ready = conditions
            .into_iter()
            .find(|condition| condition.type_ == "Ready")
            .ok_or("no condition")?;
        let beat = ready.last_heartbeat_time.map(|time| time.0);
        let fresh =
            since.is_none_or(|since| beat.is_some_and(|beat| beat.as_second() > since.as_second()));
        if ready.status == "True" && fresh {
            Ok(())
        } else {
            Err(ready.message.unwrap_or_default())
        }
    })
    .await
}
