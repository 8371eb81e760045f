//! The operator as a process beside the cluster, with the rights of the chart's ServiceAccount.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use messaging_bridge_cluster::{Cluster, Output, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};

/// Runs what follows until its own standard input ends, and then asks it to end: it outlives no test, however that ends.
const HELD: &str =
    r#""$@" & operator=$!; cat >/dev/null; kill -TERM $operator 2>/dev/null; wait $operator"#;
/// How long it may take to start.
const STARTS: Duration = Duration::from_mins(1);

/// The operator; it ends when this is dropped.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    /// Never written to; its end is what counts.
    held: Option<ChildStdin>,
    folder: TempDir,
    /// Where it answers `/readyz` and `/metrics`.
    admin: String,
}

impl Operator {
    /// Starts a binary of it with the chart's settings. `relays` is where it reads a relay's status, with `{namespace}`
    /// and `{service}` in it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn start(program: &str, cluster: &Cluster, settings: &str, relays: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let settings_file = folder.path().join("operator.yaml");
        std::fs::write(&settings_file, settings).expect("a file can be written");
        let kubeconfig = kubeconfig(cluster, folder.path()).await;
        let port = free_port();
        let log = std::fs::File::create(folder.path().join("log")).expect("a file can be made");
        let mut child = Command::new("sh")
            .args(["-c", HELD, "sh", program])
            .arg("--config")
            .arg(&settings_file)
            .args(["--namespace", "messaging-bridge", "--log-format", "text"])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--relay-status-url-template", relays])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("there is a shell");
        Self {
            held: child.stdin.take(),
            child,
            folder,
            admin: format!("http://127.0.0.1:{port}"),
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What `/readyz` answers.
    pub async fn readyz(&self) -> Result<(u16, String), String> {
        // Nothing here calls over TLS; the client wants a provider all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("{}/readyz", self.admin);
        let failed = |error: reqwest::Error| format!("{url}: {error:?}");
        let answer = reqwest::get(&url).await.map_err(failed)?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(failed)?))
    }

    /// Waits until `/readyz` answers with this status; returns what else it says.
    ///
    /// # Panics
    ///
    /// When the patience ends, with the log.
    pub async fn until_readyz(&self, wanted: u16) -> String {
        let what = format!("/readyz answers {wanted}");
        let found = wait_for(&what, STARTS, || async {
            match self.readyz().await? {
                (status, text) if status == wanted => Ok(text),
                other => Err(format!("{other:?}")),
            }
        });
        match found.await {
            Ok(text) => text,
            Err(error) => panic!("{error}\n{}", self.log()),
        }
    }

    /// Asks it to end as Kubernetes does, and returns its exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        drop(self.held.take());
        self.child.wait().await.ok()?.code()
    }
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
