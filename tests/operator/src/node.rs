//! A whole node: operator, relays and platforms are pods of the images that are shipped.
//!
//! It is brought up by the commands of the README's quick start, as they stand there; then the sandbox learns the way
//! through an Ingress. Tests share it and have a namespace, a number and an integration each. What concerns everybody
//! (the chart's values, the node itself) is for a test that [`Node::alone`].

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use messaging_bridge_cluster::{Cluster, Helm, Level, Output, wait_for};
use serde_json::json;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::platforms::Platforms;
use crate::tenant::{BRIDGE, Tenant};
use crate::{STARTED, ingress, pages, repository};

/// The images that are shipped, as `make image` leaves them, and the one for tests.
const IMAGES: [&str; 4] = ["operator", "relay", "sandbox", "ingress"];

static SHARED: OnceCell<Node> = OnceCell::const_new();

/// The setting; one a process.
pub struct Node {
    /// The cluster.
    pub cluster: &'static Cluster,
    /// Both platforms.
    pub platforms: Platforms,
    /// What the quick start's commands wrote.
    pub quick_start: String,
    tenants: AtomicU32,
    others: RwLock<()>,
}

/// How the platforms reach a tenant's bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A public host of its own, whose webhooks go straight to the relay's Service.
    Straight,
    /// Over TLS through the Ingress, which keeps the path.
    Kept,
    /// The same, and the Ingress strips the prefix.
    Stripped,
}

/// Whether a start was tried.
static TRIED: AtomicBool = AtomicBool::new(false);

/// The setting that the tests of this process share.
///
/// # Panics
///
/// When it cannot be made. It is tried once.
pub async fn shared() -> &'static Node {
    SHARED.get_or_init(start).await
}

async fn start() -> Node {
    assert!(
        !TRIED.swap(true, Ordering::Relaxed),
        "the cluster with operator and platforms did not start: see the first failure"
    );
    let cluster = Cluster::shared(Level::Node)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    for image in IMAGES {
        let archive = images().join(format!("{image}.tar"));
        assert!(
            archive.exists(),
            "{} is missing: run `make image && scripts/image ingress` first",
            archive.display()
        );
        if let Err(error) = cluster.load_image(&archive).await {
            panic!("{error}");
        }
    }
    let quick_start = pages::run(cluster, &pages::commands("README.md", &["platforms.yaml"])).await;
    ingress::start(cluster).await;
    Node {
        cluster,
        platforms: platforms(cluster).await,
        quick_start,
        tenants: AtomicU32::new(1),
        others: RwLock::default(),
    }
}

/// Where `make image` leaves the images.
fn images() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // A relative one is meant from the repository's root, where cargo was called.
    repository("")
        .join(target.unwrap_or_else(|| "target".into()))
        .join("images")
}

/// The sandbox's pod, once it answers.
async fn platforms(cluster: &Cluster) -> Platforms {
    let find = [
        "-n",
        "platforms",
        "get",
        "pods",
        "-o",
        r#"jsonpath={range .items[?(@.status.phase=="Running")]}{.metadata.name}{" "}{end}"#,
    ];
    let pod = wait_for("one sandbox runs", STARTED, || async {
        let output = cluster.kubectl(&find).await.and_then(Output::ok);
        let names = output.map_err(|error| error.to_string())?;
        match names.split_whitespace().collect::<Vec<_>>()[..] {
            [name] => Ok(name.to_owned()),
            _ => Err(names),
        }
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    let address = cluster.port_forward("platforms", &pod, 4010).await;
    let address = address.unwrap_or_else(|error| panic!("{error}"));
    let platforms = Platforms::at(&format!("http://{address}"));
    platforms.answers().await;
    platforms
}

/// Installs or upgrades the chart with the README's values and more.
///
/// # Panics
///
/// When Helm fails.
pub async fn helm(cluster: &Cluster, more: &[&str]) {
    let chart = repository("charts/messaging-bridge");
    let values = repository("tests/sandbox/kubernetes/values.yaml");
    let [chart, values] =
        [&chart, &values].map(|path| path.to_str().expect("the repository's path is text"));
    let mut arguments = vec!["upgrade", "--install", "messaging-bridge", chart];
    arguments.extend(["-n", "messaging-bridge", "--values", values]);
    arguments.extend(["--wait", "--timeout=2m"]);
    arguments.extend(more);
    let done = cluster.helm(Helm::V4, &arguments).await;
    if let Err(error) = done.and_then(Output::ok) {
        panic!("{error}");
    }
}

impl Node {
    /// A tenant whose number and integration are right on both platforms; returns it with its integration's id.
    /// Nothing of it is in the cluster yet.
    pub async fn tenant(&self, name: &str, way: Way) -> (Tenant, String) {
        let index = self.tenants.fetch_add(1, Ordering::Relaxed);
        let url = match way {
            Way::Straight => format!("https://{name}.example.com/{BRIDGE}"),
            Way::Kept => format!("https://{}/kept/{name}", ingress::HOST),
            Way::Stripped => format!("https://{}/stripped/{name}", ingress::HOST),
        };
        let tenant = Tenant::new(name, index, &url);
        if way == Way::Straight {
            let to = format!("http://{BRIDGE}-relay.{name}.svc");
            self.platforms
                .connect(&format!("{name}.example.com"), &to)
                .await;
        }
        let public_url = json!({"publicUrl": url});
        self.platforms.put_number(&tenant.number, &public_url).await;
        let integration = self
            .platforms
            .create_integration(&json!({"name": name, "publicUrl": url}))
            .await;
        (tenant, integration)
    }

    /// Beside other tests: hold it for as long as the test runs.
    pub async fn beside(&self) -> RwLockReadGuard<'_, ()> {
        self.others.read().await
    }

    /// Without other tests: hold it for as long as the test runs.
    pub async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.others.write().await
    }
}
