//! A tenant of the suites: its manifest and Secrets on disk, and the sandbox that plays both platforms for it.

use std::fmt::Write as _;
use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use messaging_bridge_sandbox::{Options, Profile, Sandbox};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

/// The host of the tenant's public URL, which the sandbox connects to the relay's port.
const PUBLIC_HOST: &str = "bridge.example.com";

/// One bridge: a directory with manifest, Secrets and data, three ports, and both platforms.
pub struct Tenant {
    /// Both platforms.
    pub sandbox: Sandbox,
    directory: TempDir,
    ports: [u16; 3],
    spec: Spec,
}

/// What differs from the smallest manifest.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// `spec.genesys.integrationName`, if not the sandbox's.
    pub integration_name: Option<String>,
    /// `spec.genesys.requestsPerMinute`; the tests do not wait for Genesys' default.
    pub requests_per_minute: Pace,
    /// `queue.maxBytes` of a rendered configuration, which is then used instead of the manifest.
    pub max_bytes: Option<u64>,
    /// Further lines of `spec.genesys`, each with its indentation and line end.
    pub genesys: String,
    /// Further lines of `spec.twilio`, the same.
    pub twilio: String,
    /// How long the relay waits for callbacks and listings; the tests do not wait for the defaults.
    pub waits: SettleWaits,
}

/// How long the relay waits before it believes that a send without an answer was not done.
#[derive(Debug, Clone, Copy)]
pub struct SettleWaits {
    /// For its callback, in milliseconds.
    pub callback: u64,
    /// Over three listings, in milliseconds.
    pub listings: u64,
}

impl Default for SettleWaits {
    fn default() -> Self {
        Self {
            callback: 1_000,
            listings: 1_500,
        }
    }
}

/// How many requests a minute a relay of the tests allows itself towards Genesys.
#[derive(Debug, Clone, Copy, Default)]
pub enum Pace {
    /// So many that no test waits for them.
    #[default]
    Unbounded,
    /// What the answers state, as in a manifest that says nothing.
    AsStated,
}

/// The options of a sandbox for tests: the demo's tenant, with fast carriers and a high limit.
pub fn fast() -> Options {
    Options {
        time_scale: 0.02,
        genesys_limit_per_minute: 1_000_000,
        ..Options::default()
    }
}

impl Tenant {
    /// Starts a sandbox with these options, connected to a relay that is not running yet.
    ///
    /// # Panics
    ///
    /// When the machine has no free port or no room for a directory.
    pub async fn new(options: Options, spec: Spec) -> Self {
        let ports = free_ports();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let sandbox = Sandbox::start(options, listener)
            .await
            .expect("the options of a test are valid");
        sandbox.connect(PUBLIC_HOST, local(ports[0]));
        let directory = tempfile::tempdir().expect("a directory can be made");
        let tenant = Self {
            sandbox,
            directory,
            ports,
            spec,
        };
        tenant.write_manifest();
        tenant.write_secrets();
        tenant
    }

    /// With the fast options and the smallest manifest.
    pub async fn fast() -> Self {
        Self::new(fast(), Spec::default()).await
    }

    /// Where webhooks are taken.
    pub fn public(&self) -> Url {
        local(self.ports[0])
    }

    /// Where health, metrics and status are served.
    pub fn admin(&self) -> Url {
        local(self.ports[1])
    }

    /// The control listener's address.
    pub fn control(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The directory of the Secrets.
    pub fn secrets_dir(&self) -> PathBuf {
        self.directory.path().join("secrets")
    }

    /// Replaces one key of a Secret.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write_secret(&self, secret: &str, key: &str, value: &str) {
        let folder = self.secrets_dir().join(secret);
        std::fs::create_dir_all(&folder).expect("a directory can be made");
        std::fs::write(folder.join(key), value).expect("a file can be written");
    }

    /// The flags of `check` and of `run`: configuration, Secrets and both platforms.
    pub fn configuration(&self) -> Vec<String> {
        let (flag, file) = match self.spec.max_bytes {
            Some(_) => ("--config", "relay.yaml"),
            None => ("--bridge", "bridge.yaml"),
        };
        let sandbox = self.sandbox.url().to_string();
        [
            (flag, path(&self.directory.path().join(file))),
            ("--secrets", path(&self.secrets_dir())),
            ("--genesys-base-url", sandbox.clone()),
            ("--twilio-base-url", sandbox),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect()
    }

    /// All flags of `run`.
    pub fn run_flags(&self) -> Vec<String> {
        let mut flags = self.configuration();
        let address = |port: u16| format!("127.0.0.1:{port}");
        for (flag, value) in [
            ("--listen", address(self.ports[0])),
            ("--admin-listen", address(self.ports[1])),
            ("--control-listen", address(self.ports[2])),
            ("--data-dir", path(&self.data_dir())),
            ("--secrets-every", "1".into()),
            ("--drain-seconds", "0".into()),
            ("--settle-callback-ms", self.spec.waits.callback.to_string()),
            ("--settle-listings-ms", self.spec.waits.listings.to_string()),
        ] {
            flags.extend([flag.to_owned(), value]);
        }
        flags
    }

    /// What must never stand in a log: the tenant's secrets, its number and this customer's.
    pub fn unspeakable(&self) -> Vec<String> {
        let options = self.sandbox.options();
        [
            &options.auth_token,
            &options.client_secret,
            &options.integration.webhook_secret,
            &options.number,
            &options.customer,
        ]
        .into_iter()
        .chain(options.api_key.iter().map(|(_, secret)| secret))
        .map(|secret| secret.trim_start_matches('+').to_owned())
        .collect()
    }

    fn write_manifest(&self) {
        let options = self.sandbox.options();
        let name = self
            .spec
            .integration_name
            .as_ref()
            .unwrap_or(&options.integration.name);
        let per_minute = match self.spec.requests_per_minute {
            Pace::Unbounded => "1000000",
            Pace::AsStated => "null",
        };
        let profile = match options.profile {
            Profile::Current => "Current",
            Profile::Guide => "Guide",
        };
        let (number, public_url) = (&options.number, &options.public_url);
        let (genesys, twilio) = (&self.spec.genesys, &self.spec.twilio);
        let manifest = format!(
            "apiVersion: messagingbridge.io/v1alpha1\nkind: MessagingBridge\nmetadata: {{name: acme, namespace: tests}}\n\
             spec:\n  genesys:\n    region: us-east-1\n    integrationName: {name}\n    wireProfile: {profile}\n    \
             requestsPerMinute: {per_minute}\n    credentialsSecretRef: {{name: genesys}}\n{genesys}  twilio:\n    \
             number: \"{number}\"\n    messagesPerSecond: 10000\n    credentialsSecretRef: {{name: twilio}}\n{twilio}  \
             publicUrl: {public_url}\n"
        );
        write(&self.directory.path().join("bridge.yaml"), &manifest);
        let Some(max_bytes) = self.spec.max_bytes else {
            return;
        };
        let mut config = format!(
            "version: 1\nbridge: {{namespace: tests, name: acme}}\ngenesys:\n  apiHost: api.mypurecloud.com\n  \
             loginHost: login.mypurecloud.com\n  integrationName: {name}\n  wireProfile: {profile}\n  \
             requestsPerMinute: {per_minute}\n  credentials: genesys\n"
        );
        let _ = write!(
            config,
            "  integrationId: {}\ntwilio: {{number: \"{number}\", credentials: twilio, messagesPerSecond: 10000}}\npublicUrl: {public_url}\n\
             queue: {{maxBytes: {max_bytes}}}\n",
            options.integration.id
        );
        write(&self.directory.path().join("relay.yaml"), &config);
    }

    fn write_secrets(&self) {
        let options = self.sandbox.options();
        for (secret, key, value) in [
            ("genesys", "clientId", &options.client_id),
            ("genesys", "clientSecret", &options.client_secret),
            (
                "genesys",
                "webhookSecret",
                &options.integration.webhook_secret,
            ),
            ("twilio", "accountSid", &options.account_sid),
            ("twilio", "authToken", &options.auth_token),
        ] {
            self.write_secret(secret, key, value);
        }
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file can be written");
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn local(port: u16) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}")).expect("an address and a port make a URL")
}

/// Ports that no connection takes by chance: below those that systems give out by themselves.
const OWN_PORTS: std::ops::Range<u16> = 10_000..30_000;

/// Three ports that were free a moment ago, and that no other tenant of this process gets: a relay that is killed and
/// started again must find its own.
fn free_ports() -> [u16; 3] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = OWN_PORTS.end - OWN_PORTS.start;
    // Other processes begin elsewhere.
    let first = u16::try_from(std::process::id() % u32::from(count))
        .expect("it is below a number of ports");
    std::array::from_fn(|_| {
        loop {
            let next = NEXT.fetch_add(1, Ordering::Relaxed) % count;
            let offset = (u32::from(first) + u32::from(next)) % u32::from(count);
            let port =
                OWN_PORTS.start + u16::try_from(offset).expect("it is below a number of ports");
            if StdListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    })
}
