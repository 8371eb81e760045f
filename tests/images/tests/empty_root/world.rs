//! A tenant whose platforms are reached by name and TLS only, and what kubelet gives to its pod.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

use messaging_bridge_images::{Authority, Mount, NameServer, Root, forward};
use messaging_bridge_suites::process::reqwest_client;
use messaging_bridge_suites::tenant::Tenant;
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

/// Known to the name server alone.
pub(crate) const GENESYS: &str = "genesys.example.com";
/// Known to `/etc/hosts` alone.
pub(crate) const TWILIO: &str = "twilio.example.com";
/// The host of the tenant's public URL, known to the name server.
const BRIDGE: &str = "bridge.example.com";

/// As kubelet writes it: every name runs through the cluster's domains first.
const RESOLV_CONF: &str = "search tests.svc.cluster.local svc.cluster.local cluster.local\n\
                           nameserver 127.0.0.1\noptions ndots:5\n";

/// The user of the images.
const NOBODY: u32 = 65532;

pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) names: NameServer,
    files: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let tenant = Tenant::fast().await;
        let platforms = address(&tenant.sandbox.url());
        let authority = Authority::new();
        let servers = vec![
            (GENESYS, platforms),
            (TWILIO, platforms),
            (BRIDGE, address(&tenant.public())),
        ];
        forward(&authority, servers).await;

        let files = tempfile::tempdir().expect("a directory can be made");
        let hosts = format!("127.0.0.1\tlocalhost\n127.0.0.1\t{TWILIO}\n");
        for (name, text) in [
            ("resolv.conf", RESOLV_CONF),
            ("hosts", &hosts),
            ("ca.pem", &authority.pem()),
        ] {
            std::fs::write(files.path().join(name), text).expect("a file can be written");
        }
        let data = files.path().join("data");
        std::fs::create_dir(&data).expect("a directory can be made");
        chown(&data, Some(NOBODY), Some(NOBODY)).expect("root may give a directory away");
        // A temporary directory is its maker's alone; the program is somebody else.
        let open = Permissions::from_mode(0o755);
        std::fs::set_permissions(folder(&tenant), open).expect("root may open a directory");
        Self {
            tenant,
            names: NameServer::start(&[GENESYS, BRIDGE]),
            files,
        }
    }

    /// What the pod sees of the outside.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        let mount = |from: PathBuf, to, writable| Mount { from, to, writable };
        let file = |name: &str| self.files.path().join(name);
        vec![
            mount(file("resolv.conf"), "etc/resolv.conf", false),
            mount(file("hosts"), "etc/hosts", false),
            mount(file("ca.pem"), "ca/ca.pem", false),
            mount(folder(&self.tenant), "tenant", false),
            mount(file("data"), "data", true),
        ]
    }

    /// Where the relay is to listen.
    pub(crate) fn listeners(&self) -> Vec<String> {
        vec![
            format!("--listen={}", address(&self.tenant.public())),
            format!("--admin-listen={}", address(&self.tenant.admin())),
            format!("--control-listen={}", self.tenant.control()),
        ]
    }

    /// Whether the relay knows its integration, so that nothing is left to start.
    pub(crate) async fn is_ready(&self) -> Option<()> {
        let url = self.tenant.admin().join("status").expect("a path joins");
        let answer = reqwest_client().get(url).send().await.ok()?;
        let status: serde_json::Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
        status["integrationId"].is_string().then_some(())
    }
}

/// A command of the relay, with the tenant's manifest and Secrets, and both platforms by name.
pub(crate) fn command(root: &Root, command: &str) -> Command {
    let (genesys, twilio) = (format!("https://{GENESYS}"), format!("https://{TWILIO}"));
    root.command(&[
        command,
        "--bridge=/tenant/bridge.yaml",
        "--secrets=/tenant/secrets",
        &format!("--genesys-base-url={genesys}"),
        &format!("--twilio-base-url={twilio}"),
    ])
}

/// The directory with the tenant's manifest and Secrets.
fn folder(tenant: &Tenant) -> PathBuf {
    let secrets = tenant.secrets_dir();
    let folder = secrets.parent().expect("the Secrets lie in a directory");
    folder.to_owned()
}

fn address(url: &Url) -> SocketAddr {
    let addresses = url.socket_addrs(|| None);
    let found = addresses.ok().and_then(|found| found.first().copied());
    found.expect("a local URL is an address")
}
