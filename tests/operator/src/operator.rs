//! The operator as a process beside the cluster, with the rights of the chart's ServiceAccount.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use messaging_bridge_cluster::{Cluster, Output};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The operator; it ends when this is dropped.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    folder: TempDir,
    /// Where it answers `/readyz` and `/metrics`.
    pub admin: String,
}

impl Operator {
    /// Starts it with the chart's settings.
    ///
    /// # Panics
    ///
    /// When it cannot be started: build it first (`cargo build -p messaging-bridge-operator`).
    pub async fn start(cluster: &Cluster, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let settings_file = folder.path().join("operator.yaml");
        std::fs::write(&settings_file, settings).expect("a file can be written");
        let kubeconfig = kubeconfig(cluster, folder.path()).await;
        let port = free_port();
        let log = std::fs::File::create(folder.path().join("log")).expect("a file can be made");
        let child = Command::new(binary())
            .arg("--config")
            .arg(&settings_file)
            .args(["--namespace", "messaging-bridge", "--log-format", "text"])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args([
                "--relay-status-url-template",
                "http://127.0.0.1:9/{namespace}/{service}",
            ])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the operator's binary is built");
        Self {
            child,
            folder,
            admin: format!("http://127.0.0.1:{port}"),
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Asks it to end, and returns its exit code.
    ///
    /// # Panics
    ///
    /// When it has ended before.
    pub async fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().expect("it runs").to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status().await;
        self.child.wait().await.ok()?.code()
    }
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests lie below the profile's folder");
    folder.join("messaging-bridge-operator")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener
        .local_addr()
        .expect("a listener has an address")
        .port()
}

/// A KUBECONFIG that is the ServiceAccount's: what the chart's role does not allow fails.
async fn kubeconfig(cluster: &Cluster, folder: &Path) -> PathBuf {
    let account = [
        "-n",
        "messaging-bridge",
        "create",
        "token",
        "messaging-bridge-operator",
    ];
    let token = match cluster.kubectl(&account).await.and_then(Output::ok) {
        Ok(token) => token,
        Err(error) => panic!("{error}"),
    };
    let text = std::fs::read_to_string(cluster.kubeconfig()).expect("the KUBECONFIG can be read");
    let mut config: Value = serde_saphyr::from_str(&text).expect("a KUBECONFIG is YAML");
    config["users"][0]["user"] = json!({"token": token.trim()});
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("a file can be written");
    path
}
