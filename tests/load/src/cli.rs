//! The command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::baseline;
use crate::error::LoadError;
use crate::machine::Machine;
use crate::process::Meter;
use crate::report::{Measured, Report};
use crate::scenario::{Bench, SCENARIOS, Size};

/// The command with which this binary starts itself as the baseline.
pub(crate) const SERVE_BASELINE: &str = "serve-baseline";

/// Measures the relay under load: how much it accepts, what the whole path takes, how long an answer takes, memory.
#[derive(Debug, Parser)]
#[command(name = "messaging-bridge-load", version, about, long_about = None, after_help = "\
Exit codes: 0 everything was measured and every count was right (an aim may be missed; the table says so); 1 something \
failed or a count was wrong, and no figure is shown.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The relay's release binary [default: the one beside this binary].
    #[arg(long, global = true, value_name = "FILE")]
    relay: Option<PathBuf>,
    /// Where the relay's data is stored while it is measured, and removed afterwards: a directory on a real disk.
    #[arg(long, global = true, value_name = "DIR", default_value = "target/load")]
    data_dir: PathBuf,
    /// A few seconds and few messages: to see that it works, not to measure.
    #[arg(long, global = true)]
    quick: bool,
    /// Also writes the figures into this document, between its markers.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "quick")]
    markdown: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Command {
    /// Everything (default).
    All,
    /// Requests a second of a bare axum server that only verifies Twilio's signature.
    Baseline,
    /// Accepts a second with fsync at 64 connections, as a share of the baseline in the same run.
    Accepts,
    /// Messages a second both ways, from webhook to platform, and the relay's CPU time for each.
    WholePath,
    /// Latency of a webhook's answer at 500 a second, whatever the earlier ones take.
    OpenLoop,
    /// Memory: idle, with 10,000 and 100,000 messages waiting, and after load.
    Memory,
    /// How much of Genesys' limit a deep backlog uses, and how often it is met.
    Budget,
    #[command(name = SERVE_BASELINE, hide = true)]
    ServeBaseline { address: SocketAddr },
}

impl Command {
    /// The scenario's name, of those that are one.
    fn scenario(&self) -> Option<&'static str> {
        match self {
            Self::All | Self::ServeBaseline { .. } => None,
            Self::Baseline => Some("baseline"),
            Self::Accepts => Some("accepts"),
            Self::WholePath => Some("whole path"),
            Self::OpenLoop => Some("open loop"),
            Self::Memory => Some("memory"),
            Self::Budget => Some("budget"),
        }
    }
}

/// The process.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        // As the relay's own runtime is.
        Some(Command::ServeBaseline { address }) => runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(LoadError::io("start the runtime"))
            .and_then(|runtime| runtime.block_on(baseline::serve(address))),
        // One thread: the other core is the relay's.
        _ => runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(LoadError::io("start the runtime"))
            .and_then(|runtime| runtime.block_on(until_interrupted(measure(arguments)))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Ends the work at SIGTERM and Ctrl-C, so that processes and directories are cleaned up.
async fn until_interrupted(
    work: impl Future<Output = Result<(), LoadError>>,
) -> Result<(), LoadError> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(LoadError::io("wait for signals"))?;
    tokio::select! {
        result = work => result,
        _ = terminate.recv() => Err(LoadError::Interrupted),
        _ = tokio::signal::ctrl_c() => Err(LoadError::Interrupted),
    }
}

async fn measure(arguments: Arguments) -> Result<(), LoadError> {
    let bench = Bench {
        relay: arguments.relay.map_or_else(beside_this_binary, Ok)?,
        size: if arguments.quick {
            Size::quick()
        } else {
            Size::full()
        },
        data_dir: arguments.data_dir,
    };
    let machine = Machine::look(&bench.data_dir)?;
    let only = arguments.command.as_ref().and_then(Command::scenario);
    let mut measured = Vec::new();
    for scenario in SCENARIOS {
        // `accepts` measures the baseline as well: with everything, once is enough.
        if only.map_or(scenario.in_all(), |only| only == scenario.name()) {
            tell(&format!("measuring: {}", scenario.name()));
            let meter = Meter::start()?;
            let figures = scenario.measure(&bench).await?;
            measured.push(Measured {
                scenario: scenario.name(),
                figures,
                others_percent: meter.others_percent()?,
            });
        }
    }
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let report = Report {
        machine,
        day,
        measured,
    };
    if let Some(document) = &arguments.markdown {
        report.write_into(document)?;
    }
    // A closed output is no failure of the measurement.
    let _ = writeln!(std::io::stdout(), "{}", report.table());
    Ok(())
}

fn beside_this_binary() -> Result<PathBuf, LoadError> {
    let this = std::env::current_exe().map_err(LoadError::io("find this binary"))?;
    Ok(this.with_file_name("messaging-bridge-relay"))
}

fn tell(text: &str) {
    // A closed error output must not end the measurement.
    let _ = writeln!(std::io::stderr(), "{text}");
}
