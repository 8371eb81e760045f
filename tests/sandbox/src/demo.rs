//! The demo: both platforms, the real relay as a process, and a first message each way, as a transcript.
//!
//! It knows the relay only from outside: its flags, its ports and a manifest. It does not look into its data.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use url::Url;

use crate::{Log, Options, Sandbox, SandboxError};

/// A step that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the customer writes first, and what the agent answers.
const FIRST: (&str, &str) = (
    "Hi! Is my order on its way?",
    "Hello! Yes, it will be with you tomorrow.",
);

/// What the demo is started with.
pub struct Demo {
    /// The relay's binary.
    pub relay: PathBuf,
    /// Where the page and both platforms are served; port 0 takes any.
    pub listen: SocketAddr,
}

/// Why the demo did not come about.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A port, a file, a process or the terminal.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The sandbox did not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The relay ended, or a message did not arrive. Its log is in the file.
    #[error("{what}; the relay's log is in {}", log.display())]
    Failed {
        /// What did not happen.
        what: String,
        /// Where to look.
        log: PathBuf,
    },
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> DemoError {
    move |source| DemoError::Io {
        what: what.into(),
        source,
    }
}

/// A demo whose transcript was told; platforms and relay run until this is dropped.
pub struct Running {
    sandbox: Sandbox,
    relay: Child,
    relay_listens: SocketAddr,
    directory: PathBuf,
    keep_directory: bool,
}

impl Demo {
    /// Starts everything, sends a message each way, and writes the transcript.
    pub async fn run(&self, out: &mut (impl Write + Send)) -> Result<Running, DemoError> {
        let mut running = self.start().await?;
        let told = running.converse(out).await;
        // The log that an error names must outlive the demo.
        running.keep_directory = told.is_err();
        told.map(|()| running)
    }

    async fn start(&self) -> Result<Running, DemoError> {
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(io_error(format!(
                "--listen {}: choose another address (port 0 takes any)",
                self.listen
            )))?;
        let ports = free_ports().map_err(io_error("no free port for the relay"))?;
        let sandbox = Sandbox::start(Options::default(), listener).await?;
        let host = sandbox
            .options()
            .public_url
            .host_str()
            .unwrap_or_default()
            .to_owned();
        let relay_url = Url::parse(&format!("http://127.0.0.1:{}", ports[0]))
            .expect("an address and a port make a URL");
        sandbox.connect(&host, relay_url);
        let directory =
            std::env::temp_dir().join(format!("messaging-bridge-demo-{}", std::process::id()));
        write_tenant(&directory, sandbox.options())
            .map_err(io_error(directory.display().to_string()))?;
        let relay = self
            .spawn_relay(&directory, sandbox.url().as_str(), ports)
            .map_err(io_error(format!("--relay {}", self.relay.display())))?;
        Ok(Running {
            sandbox,
            relay,
            relay_listens: SocketAddr::from(([127, 0, 0, 1], ports[0])),
            directory,
            keep_directory: false,
        })
    }

    fn spawn_relay(&self, directory: &Path, sandbox: &str, ports: [u16; 3]) -> io::Result<Child> {
        let address = |port: u16| format!("127.0.0.1:{port}");
        let log = std::fs::File::create(directory.join("relay.log"))?;
        Command::new(&self.relay)
            .arg("run")
            .arg("--bridge")
            .arg(directory.join("bridge.yaml"))
            .arg("--secrets")
            .arg(directory.join("secrets"))
            .arg("--data-dir")
            .arg(directory.join("data"))
            .args(["--genesys-base-url", sandbox, "--twilio-base-url", sandbox])
            .args([
                "--listen",
                &address(ports[0]),
                "--admin-listen",
                &address(ports[1]),
            ])
            .args([
                "--control-listen",
                &address(ports[2]),
                "--drain-seconds",
                "0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
    }
}

impl Running {
    /// Where the page is.
    pub fn page(&self) -> Url {
        self.sandbox.url()
    }

    /// Both platforms.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Runs on until the relay ends by itself.
    pub async fn until_relay_ends(&mut self) -> DemoError {
        let status = self.relay.wait().await;
        let what = status.map_or_else(
            |error| error.to_string(),
            |status| format!("the relay ended with {status}"),
        );
        self.keep_directory = true;
        self.failed(&what)
    }

    async fn converse(&self, out: &mut (impl Write + Send)) -> Result<(), DemoError> {
        let options = self.sandbox.options();
        let (customer, number) = (options.customer.clone(), options.number.clone());
        let name = options.integration.name.clone();
        say(
            out,
            &format!("customer {customer} texts {number}:\n    {}", FIRST.0),
        )?;
        self.until_relay_listens().await?;
        let began = Instant::now();
        self.sandbox.customer_sends(&customer, FIRST.0).await;
        self.until("the text did not reach the desk", |log| {
            !log.genesys_inbound.is_empty()
        })
        .await?;
        say(
            out,
            &format!(
                "on the agent's desk ({name}) after {} ms:\n    {}",
                began.elapsed().as_millis(),
                FIRST.0
            ),
        )?;
        let began = Instant::now();
        self.sandbox.agent_sends(&customer, FIRST.1).await;
        say(out, &format!("the agent replies:\n    {}", FIRST.1))?;
        self.until("the reply did not reach the phone", |log| {
            !log.twilio_sends.is_empty()
        })
        .await?;
        say(
            out,
            &format!(
                "on the phone of {customer} after {} ms",
                began.elapsed().as_millis()
            ),
        )?;
        let delivered = |log: &Log| log.genesys_receipts.iter().any(|receipt| receipt.is_final);
        self.until("the receipt did not reach the desk", delivered)
            .await?;
        say(out, "the agent sees: delivered")
    }

    /// Twilio would give up on a relay that is not there yet.
    async fn until_relay_listens(&self) -> Result<(), DemoError> {
        let began = Instant::now();
        while TcpStream::connect(self.relay_listens).await.is_err() {
            if began.elapsed() > PATIENCE {
                return Err(self.failed("the relay did not start"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn failed(&self, what: &str) -> DemoError {
        DemoError::Failed {
            what: what.to_owned(),
            log: self.directory.join("relay.log"),
        }
    }

    async fn until(
        &self,
        failure: &str,
        mut holds: impl FnMut(&Log) -> bool,
    ) -> Result<(), DemoError> {
        let began = Instant::now();
        while !holds(&self.sandbox.log()) {
            if began.elapsed() > PATIENCE {
                return Err(self.failed(failure));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.sandbox.shutdown();
        // A relay that just ended may still hold a file; what is left lies in the system's directory for such things.
        let _ = self.relay.start_kill();
        if !self.keep_directory {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

fn say(out: &mut impl Write, words: &str) -> Result<(), DemoError> {
    writeln!(out, "  {words}")
        .and_then(|()| out.flush())
        .map_err(io_error("the transcript could not be written"))
}

fn write_tenant(directory: &Path, options: &Options) -> io::Result<()> {
    // Its secrets are play money, but nobody else's to read all the same.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let secrets = [
        ("genesys", "clientId", &options.client_id),
        ("genesys", "clientSecret", &options.client_secret),
        (
            "genesys",
            "webhookSecret",
            &options.integration.webhook_secret,
        ),
        ("twilio", "accountSid", &options.account_sid),
        ("twilio", "authToken", &options.auth_token),
    ];
    for (secret, key, value) in secrets {
        let folder = directory.join("secrets").join(secret);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(key), value)?;
    }
    let manifest = format!(
        "apiVersion: messagingbridge.io/v1alpha1\nkind: MessagingBridge\nmetadata:\n  name: acme\nspec:\n  genesys:\n    \
         region: us-east-1\n    integrationName: {}\n    credentialsSecretRef: {{name: genesys}}\n  twilio:\n    \
         number: \"{}\"\n    credentialsSecretRef: {{name: twilio}}\n  publicUrl: {}\n",
        options.integration.name, options.number, options.public_url
    );
    std::fs::write(directory.join("bridge.yaml"), manifest)
}

fn free_ports() -> io::Result<[u16; 3]> {
    let listeners = [0; 3].map(|_| StdListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}
