//! Flags and their help. Every flag is also an environment variable; a flag wins.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

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

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) configuration: Configuration,
    /// Where webhooks are taken: below the public URL, or behind the proxy that serves it.
    #[arg(
        long,
        value_name = "ADDR",
        env = "MB_LISTEN",
        default_value = "0.0.0.0:8080"
    )]
    pub(super) listen: SocketAddr,
    /// Where health, metrics and status are served. Read-only, but not for the public.
    #[arg(
        long,
        value_name = "ADDR",
        env = "MB_ADMIN_LISTEN",
        default_value = "0.0.0.0:9090"
    )]
    pub(super) admin_listen: SocketAddr,
    /// Where the relay's own commands reach it; a loopback address.
    #[arg(
        long,
        value_name = "ADDR",
        env = "MB_CONTROL_LISTEN",
        default_value = "127.0.0.1:9091"
    )]
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
        #[arg(value_name = "ID")]
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
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<i64>,
    /// All of the same customer and direction as this one.
    #[arg(long, value_name = "ID")]
    pub(super) lane_of: Option<i64>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

/// Where the outbox is found.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// The control listener of the running relay.
    #[arg(
        long,
        value_name = "ADDR",
        env = "MB_CONTROL_LISTEN",
        default_value = "127.0.0.1:9091"
    )]
    pub(super) control: SocketAddr,
    /// The data directory, opened only when no relay runs.
    #[arg(long, value_name = "DIR", env = "MB_DATA_DIR", default_value = "data")]
    pub(super) data_dir: PathBuf,
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
