//! The relay under test: its own release binary, run as a process, told apart from the generator in every count.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use messaging_bridge_crds::RelayConfig;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::error::LoadError;
use crate::fixture;
use crate::http1::Connection;
use crate::platforms::{Direction, Platforms};
use crate::process::{self, Memory};

/// How long a process may take until it serves. A relay counts its waiting rows first.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// Completions are committed after the platform answered: how long they may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// Lines of a log that are shown.
const LAST_WORDS: usize = 8;

/// A relay's directory: configuration, Secrets, data and log. Removed with this.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// Makes one below `data_dir`, with nothing in its queue.
    pub(crate) fn prepare(data_dir: &Path) -> Result<Self, LoadError> {
        Self::with(data_dir, &fixture::relay_config())
    }

    /// The same for a relay that learns Genesys' limit from its answers.
    pub(crate) fn prepare_limited(data_dir: &Path) -> Result<Self, LoadError> {
        Self::with(data_dir, &fixture::limited_config())
    }

    fn with(data_dir: &Path, config: &RelayConfig) -> Result<Self, LoadError> {
        let directory = tempfile::Builder::new()
            .prefix("relay-")
            .tempdir_in(data_dir)
            .map_err(LoadError::io("make a directory for the relay"))?;
        let place = Self { directory };
        let config = serde_json::to_string_pretty(config)
            .expect("the configuration is made of texts and numbers");
        fixture::write(&place.file("config.json"), &config)?;
        fixture::write_secrets(&place.file("secrets"))?;
        Ok(place)
    }

    /// Rotates the OAuth client's secret: the relay sees it within a second and tries again what was refused.
    pub(crate) fn rotate_client_secret(&self) -> Result<(), LoadError> {
        fixture::write_client_secret(&self.file("secrets"), "second")
    }

    /// Starts a relay on what is in the queue, and waits until it is ready.
    pub(crate) async fn start(
        &self,
        binary: &Path,
        platforms: &Platforms,
    ) -> Result<Relay, LoadError> {
        if !binary.is_file() {
            return Err(LoadError::NoRelay(binary.to_owned()));
        }
        let [public, admin, control] = free_addresses()?;
        let log_path = self.file("relay.log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(LoadError::io("open the relay's log"))?;
        let child = Command::new(binary)
            .arg("run")
            .arg("--config")
            .arg(self.file("config.json"))
            .arg("--secrets")
            .arg(self.file("secrets"))
            .arg("--data-dir")
            .arg(self.file("data"))
            .args(["--listen", &public.to_string()])
            .args(["--admin-listen", &admin.to_string()])
            .args(["--control-listen", &control.to_string()])
            .args([
                "--genesys-base-url",
                &format!("http://{}", platforms.genesys),
            ])
            .args(["--twilio-base-url", &format!("http://{}", platforms.twilio)])
            .args(["--secrets-every", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(LoadError::io("start the relay"))?;
        let mut relay = Relay {
            child,
            public,
            admin,
        };
        relay.wait_until_ready(&log_path).await?;
        Ok(relay)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// A running relay. Dropping it kills it.
pub(crate) struct Relay {
    child: Child,
    /// Where it takes webhooks.
    pub(crate) public: SocketAddr,
    admin: SocketAddr,
}

/// As much of `/status` as is counted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    lanes: Vec<LaneStatus>,
    dead_letters: u64,
}

#[derive(Debug, Deserialize)]
struct LaneStatus {
    direction: String,
    backlog: u64,
}

impl Status {
    fn backlog(&self, direction: Direction) -> u64 {
        let name = match direction {
            Direction::In => "inbound",
            Direction::Out => "outbound",
        };
        let of_direction = self.lanes.iter().filter(|lane| lane.direction == name);
        of_direction.map(|lane| lane.backlog).sum()
    }
}

impl Relay {
    async fn wait_until_ready(&mut self, log: &Path) -> Result<(), LoadError> {
        let give_up = Instant::now() + START_PATIENCE;
        while Instant::now() < give_up {
            if self.is_ready().await {
                return Ok(());
            }
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
        Err(LoadError::NotReady {
            what: "the relay",
            seconds: START_PATIENCE.as_secs(),
            log: last_words(log),
        })
    }

    async fn is_ready(&self) -> bool {
        let request = get("/readyz");
        let Ok(mut connection) = Connection::open(self.admin).await else {
            return false;
        };
        let answer = connection.exchange(request.as_bytes()).await;
        answer.is_ok_and(|answer| answer.has_status("200"))
    }

    /// CPU time used so far.
    pub(crate) fn cpu(&self) -> Result<Duration, LoadError> {
        process::cpu(self.pid()?)
    }

    /// Memory used now.
    pub(crate) fn memory(&self) -> Result<Memory, LoadError> {
        Memory::of(self.pid()?)
    }

    /// Demands that exactly so many messages wait, by the relay's own account.
    pub(crate) async fn expect_waiting(
        &self,
        direction: Direction,
        count: usize,
    ) -> Result<(), LoadError> {
        let status = self.status().await?;
        let waiting = status.backlog(direction);
        if usize::try_from(waiting) == Ok(count) && status.dead_letters == 0 {
            return Ok(());
        }
        Err(LoadError::Count(format!(
            "{count} messages were accepted; {waiting} wait and {} are dead letters",
            status.dead_letters
        )))
    }

    /// Waits until nothing waits, and demands that nothing died.
    pub(crate) async fn drained(&self) -> Result<(), LoadError> {
        let give_up = Instant::now() + DRAIN_PATIENCE;
        loop {
            let status = self.status().await?;
            let waiting = status.backlog(Direction::In) + status.backlog(Direction::Out);
            if status.dead_letters > 0 {
                let dead = status.dead_letters;
                return Err(LoadError::Count(format!("{dead} dead letters")));
            }
            if waiting == 0 {
                return Ok(());
            }
            if Instant::now() > give_up {
                return Err(LoadError::TooSlow {
                    what: "the drain",
                    seconds: DRAIN_PATIENCE.as_secs(),
                    state: format!("{waiting} messages wait"),
                });
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub(crate) async fn kill(mut self) -> Result<(), LoadError> {
        self.child
            .kill()
            .await
            .map_err(LoadError::io("kill the relay"))
    }

    async fn status(&self) -> Result<Status, LoadError> {
        let mut connection = Connection::open(self.admin).await?;
        let request = get("/status");
        let answer = connection.exchange(request.as_bytes()).await?;
        serde_json::from_slice(answer.body)
            .map_err(|_| LoadError::Protocol("the relay's /status cannot be read"))
    }

    fn pid(&self) -> Result<u32, LoadError> {
        let ended = || LoadError::Count("the relay ended by itself".to_owned());
        self.child.id().ok_or_else(ended)
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n")
}

/// Addresses that nobody listens on, different from each other.
pub(crate) fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT], LoadError> {
    let bind = || std::net::TcpListener::bind("127.0.0.1:0");
    let listeners: Vec<_> = (0..COUNT)
        .map(|_| bind())
        .collect::<Result<_, _>>()
        .map_err(LoadError::io("find a free port"))?;
    let addresses: Vec<_> = listeners
        .iter()
        .map(std::net::TcpListener::local_addr)
        .collect::<Result<_, _>>()
        .map_err(LoadError::io("find a free port"))?;
    Ok(addresses
        .try_into()
        .expect("as many addresses as listeners"))
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relays_status_is_read_by_direction() {
        let status: Result<Status, _> = serde_json::from_str(
            r#"{"lanes":[{"direction":"inbound","backlog":3},{"direction":"outbound","backlog":5}],"deadLetters":1}"#,
        );
        assert!(status.is_ok_and(|status| {
            (
                status.backlog(Direction::In),
                status.backlog(Direction::Out),
            ) == (3, 5)
        }));
    }

    #[test]
    fn free_addresses_differ() {
        let addresses = free_addresses::<3>();
        assert!(addresses.is_ok_and(|[a, b, c]| a != b && b != c && a != c));
    }
}
