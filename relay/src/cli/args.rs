//! Flags and their help. Every flag is also an environment variable; a flag wins.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use messaging_bridge_clients::twilio::RECEIVED_PAGE_SIZE;
use url::Url;

use crate::heal::Timings;
use crate::settings::{BaseUrls, Source};

/// The relay of one Messaging Bridge: customers' texts from Twilio to Genesys Cloud, agents' replies back.
#[derive(Debug, Parser)]
#[command(
    name = "messaging-bridge-relay",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 all is well; 1 check found something wrong, or a command failed while it ran; 2 the \
                  command line, the manifest or a Secret cannot be used."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Takes webhooks, stores them durably and delivers them in order, until told to stop.
    ///
    /// Exports a trace of every message when OTEL_EXPORTER_OTLP_ENDPOINT names a collector (OTLP over HTTP, JSON).
    Run(RunArgs),
    /// Says in a table what is right and wrong: manifest, credentials, integration, number, webhooks, public URL.
    Check(CheckArgs),
    /// Lists messages that could not be delivered, shows one, appends them again, or removes them.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Erases one customer: messages, dead letters, receipts. Says what it kept.
    Forget(ForgetArgs),
    /// Writes a copy of the outbox into one file, beside a running relay or of a stopped one.
    Export(ExportArgs),
    /// Fills an empty data directory with a copy that `export` wrote. No relay may run on it.
    Import(ImportArgs),
}

/// What is run: a manifest (stand-alone) or the operator's rendered configuration.
#[derive(Debug, Args)]
pub(super) struct Configuration {
    /// A MessagingBridge manifest (YAML); the relay resolves the integration by itself.
    #[arg(
        long,
        value_name = "FILE",
        env = "MB_BRIDGE",
        conflicts_with = "config",
        required_unless_present = "config"
    )]
    bridge: Option<PathBuf>,
    /// A RelayConfig that the operator rendered (YAML or JSON).
    #[arg(long, value_name = "FILE", env = "MB_CONFIG")]
    config: Option<PathBuf>,
    /// The directory of the Secrets: one folder a Secret, one file a key, as Kubernetes mounts them.
    #[arg(long, value_name = "DIR", env = "MB_SECRETS")]
    pub(super) secrets: PathBuf,
    /// Replaces Genesys' API and login hosts (tests, proxies).
    #[arg(long, value_name = "URL", env = "MB_GENESYS_BASE_URL")]
    genesys_base_url: Option<Url>,
    /// Replaces Twilio's API host (tests, proxies).
    #[arg(long, value_name = "URL", env = "MB_TWILIO_BASE_URL")]
    twilio_base_url: Option<Url>,
}

impl Configuration {
    /// Which file.
    pub(super) fn source(&self) -> Source {
        match (&self.bridge, &self.config) {
            (Some(bridge), _) => Source::Bridge(bridge.clone()),
            (None, Some(config)) => Source::Config(config.clone()),
            (None, None) => unreachable!("clap demands one of the two"),
        }
    }

    /// Instead of which hosts.
    pub(super) fn base_urls(&self) -> BaseUrls {
        BaseUrls {
            genesys: self.genesys_base_url.clone(),
            twilio: self.twilio_base_url.clone(),
        }
    }
}

/// An address to listen on, or to reach a listener at.
fn address(given: &str) -> Result<SocketAddr, &'static str> {
    given
        .parse()
        .map_err(|_| "give an IP address and a port, like 127.0.0.1:9091; names are not looked up")
}

/// The id of a dead letter.
fn letter_id(given: &str) -> Result<i64, &'static str> {
    given
        .parse()
        .map_err(|_| "an id is a whole number, as `dead-letters list` shows it")
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) configuration: Configuration,
    /// Where webhooks are taken: below the public URL, or behind the proxy that serves it.
    #[arg(long, value_name = "ADDR", env = "MB_LISTEN", default_value = "0.0.0.0:8080", value_parser = address)]
    pub(super) listen: SocketAddr,
    /// Where health, metrics and status are served. Read-only, but not for the public.
    #[arg(long, value_name = "ADDR", env = "MB_ADMIN_LISTEN", default_value = "0.0.0.0:9090", value_parser = address)]
    pub(super) admin_listen: SocketAddr,
    /// Where the relay's own commands reach it; a loopback address.
    #[arg(long, value_name = "ADDR", env = "MB_CONTROL_LISTEN", default_value = "127.0.0.1:9091", value_parser = address)]
    pub(super) control_listen: SocketAddr,
    /// Where messages are stored until they are delivered; a directory on a local file system, one relay each.
    #[arg(long, value_name = "DIR", env = "MB_DATA_DIR", default_value = "data")]
    pub(super) data_dir: PathBuf,
    /// How log lines look. Their level is set by RUST_LOG (default: info).
    #[arg(
        long,
        value_name = "FORMAT",
        env = "MB_LOG_FORMAT",
        default_value = "text"
    )]
    pub(super) log_format: LogFormat,
    /// Seconds between two looks at the Secrets' files.
    #[arg(long, value_name = "SECONDS", env = "MB_SECRETS_EVERY", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) secrets_every: u64,
    /// Seconds that webhooks are still taken after the signal to stop, while endpoints drain.
    #[arg(long, value_name = "SECONDS", env = "MB_DRAIN_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=60))]
    pub(super) drain_seconds: u64,
    /// Milliseconds that the callback of a send whose answer was lost is waited for (tests).
    #[arg(long, hide = true, value_name = "MILLIS", default_value_t = 10_000)]
    pub(super) settle_callback_ms: u64,
    /// Milliseconds over which Twilio's list must not show a send before it is tried again (tests).
    #[arg(long, hide = true, value_name = "MILLIS", default_value_t = 60_000)]
    pub(super) settle_listings_ms: u64,
    #[command(flatten)]
    pub(super) healing: HealingArgs,
}

/// How missed messages and statuses are looked for. Hidden: the defaults are what the documentation promises; tests
/// cannot wait for them.
#[derive(Debug, Args)]
pub(super) struct HealingArgs {
    /// Milliseconds between two looks for missed messages.
    #[arg(long, hide = true, value_name = "MS", env = "MB_HEAL_EVERY_MS", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(100..))]
    heal_every_ms: u64,
    /// Milliseconds that a message is left to its webhook.
    #[arg(
        long,
        hide = true,
        value_name = "MS",
        env = "MB_HEAL_YOUNG_MS",
        default_value_t = 120_000
    )]
    heal_young_ms: u64,
    /// Milliseconds that the inbound lanes wait for the first look at most.
    #[arg(
        long,
        hide = true,
        value_name = "MS",
        env = "MB_HEAL_HOLD_MS",
        default_value_t = 10_000
    )]
    heal_hold_ms: u64,
    /// Messages a page of Twilio's list.
    #[arg(long, hide = true, value_name = "COUNT", env = "MB_HEAL_PAGE_SIZE", default_value_t = RECEIVED_PAGE_SIZE, value_parser = clap::value_parser!(u16).range(1..))]
    heal_page_size: u16,
    /// Milliseconds after which a send without a final status is asked for first.
    #[arg(
        long,
        hide = true,
        value_name = "MS",
        env = "MB_ASK_AFTER_MS",
        default_value_t = 900_000
    )]
    ask_after_ms: u64,
}

impl HealingArgs {
    /// As the healer takes them.
    pub(super) fn timings(&self) -> Timings {
        Timings {
            every: Duration::from_millis(self.heal_every_ms),
            young: Duration::from_millis(self.heal_young_ms),
            hold: Duration::from_millis(self.heal_hold_ms),
            ask_after: Duration::from_millis(self.ask_after_ms),
            page_size: self.heal_page_size,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) configuration: Configuration,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// Lists them, oldest first, without bodies.
    List(StoreArgs),
    /// Shows one closely, without its text and with its number masked.
    Show {
        #[command(flatten)]
        place: StoreArgs,
        /// Its id, as `list` shows it.
        #[arg(value_name = "ID", value_parser = letter_id)]
        id: i64,
        /// Shows its text and the whole number, too. The relay logs that it was asked for.
        #[arg(long)]
        reveal: bool,
    },
    /// Appends them again, at the tails of their lanes and in their original order.
    Replay {
        #[command(flatten)]
        place: StoreArgs,
        #[command(flatten)]
        which: WhichArgs,
    },
    /// Removes them with their texts. They cannot be appended again after this.
    Purge {
        #[command(flatten)]
        place: StoreArgs,
        #[command(flatten)]
        which: WhichArgs,
    },
}

/// Which dead letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct WhichArgs {
    /// The id of one, as `list` shows it.
    #[arg(long, value_name = "ID", value_parser = letter_id)]
    pub(super) id: Option<i64>,
    /// All of the same customer and direction as this one.
    #[arg(long, value_name = "ID", value_parser = letter_id)]
    pub(super) lane_of: Option<i64>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

/// Where the outbox is found.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// The control listener of the running relay.
    #[arg(long, value_name = "ADDR", env = "MB_CONTROL_LISTEN", default_value = "127.0.0.1:9091", value_parser = address)]
    pub(super) control: SocketAddr,
    /// The data directory, opened when no relay runs [default: data]. A running relay must work on the same one.
    #[arg(long, value_name = "DIR", env = "MB_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    #[command(flatten)]
    pub(super) place: StoreArgs,
    /// The customer's number in E.164 form.
    #[arg(value_name = "NUMBER")]
    pub(super) number: String,
    /// The customer has no number of that form: a short code or a name, exactly as Genesys shows it.
    #[arg(long)]
    pub(super) opaque: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    pub(super) place: StoreArgs,
    /// The file to make, readable by its owner only; `-` for standard output.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The directory to fill; made when missing, and refused when anything is in it.
    #[arg(long, value_name = "DIR", env = "MB_DATA_DIR", default_value = "data")]
    pub(super) data_dir: PathBuf,
    /// The file that `export` wrote; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}
