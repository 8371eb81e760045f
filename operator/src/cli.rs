//! The operator's command line, and the process around the controller.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use kube::Client;
use messaging_bridge_clients::http;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::admin::{self, Metrics, Readiness};
use crate::controller::{self, Equipment};
use crate::crd_wait::{self, DEFINITION};
use crate::error_chain::in_one_line;
use crate::platforms::{CallObserver, Platforms};
use crate::relay_status::{RelayStatusReader, URL_TEMPLATE};
use crate::settings::OperatorSettings;
use crate::validate::Frame;

/// What both platforms see as the caller.
const USER_AGENT: &str = concat!("messaging-bridge-operator/", env!("CARGO_PKG_VERSION"));
/// How long running reconciles may take to end: below the pod's grace period.
const DRAIN: Duration = Duration::from_secs(20);
/// What is waited for before the operator is ready, as `/readyz` says it.
const PREREQUISITES: [&str; 3] = [DEFINITION, "the bridges", "the caches"];

/// Runs one relay for each MessagingBridge of the cluster, and says how each of them is.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// The settings, as the chart writes them.
    #[arg(long, env = "MB_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The namespace that the operator runs in: relays let it read their status.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(
        long,
        env = "MB_LISTEN",
        default_value = "0.0.0.0:8081",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,
    /// The form of the log lines; their level comes from RUST_LOG.
    #[arg(long, env = "MB_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// Where a relay's status is read; {service} and {namespace} are filled in. For an operator outside of the cluster.
    #[arg(long, env = "MB_RELAY_STATUS_URL", default_value = URL_TEMPLATE, value_name = "URL")]
    relay_status_url_template: String,
}

/// The form of the log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Why the operator ended.
#[derive(Debug)]
struct Ended {
    code: u8,
    why: String,
}

impl Ended {
    /// With its causes, in one line, and without full phone numbers.
    fn failed(error: &dyn std::error::Error) -> Self {
        Self {
            code: 1,
            why: in_one_line(error),
        }
    }
}

/// Runs the operator. Exit code 0 after a termination signal, 1 if it could not start, 2 for wrong settings.
pub async fn run(cli: Cli) -> ExitCode {
    log(cli.log_format);
    match operate(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended { code, why }) => {
            tracing::error!(error = why, "the operator ends");
            ExitCode::from(code)
        }
    }
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A log that is installed already (in tests) stays.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

async fn operate(cli: Cli) -> Result<(), Ended> {
    let settings = OperatorSettings::load(&cli.config).map_err(|error| Ended {
        code: 2,
        why: error.to_string(),
    })?;
    // kube and our own HTTP client share one provider of cryptography.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (stopping, stop) = watch::channel(false);
    let signals = until_terminated().map_err(|error| Ended::failed(&error))?;
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::new(Readiness::waiting_for(&PREREQUISITES));
    let listener = TcpListener::bind(cli.listen).await.map_err(|error| Ended {
        code: 1,
        why: format!("{}: {error}", cli.listen),
    })?;
    let routes = admin::router(Arc::clone(&readiness), Arc::clone(&metrics));
    let admin = tokio::spawn(async move { axum::serve(listener, routes).await });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %cli.listen, "the operator starts");
    let work = work(
        &cli,
        settings,
        stop,
        Arc::clone(&metrics),
        Arc::clone(&readiness),
    );
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = async {
            signals.await;
            tracing::info!("ending: no new work, what runs may finish");
            readiness.lacks("nothing: the operator ends");
            stopping.send_replace(true);
            tokio::time::sleep(DRAIN).await;
        } => Ok(()),
    };
    admin.abort();
    outcome
}

async fn work(
    cli: &Cli,
    settings: OperatorSettings,
    mut stop: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
) -> Result<(), Ended> {
    let client = Client::try_default()
        .await
        .map_err(|error| Ended::failed(&error))?;
    tokio::select! {
        there = crd_wait::until_established(&client) => there.map_err(|error| Ended::failed(&error))?,
        _ = stop.wait_for(|stopping| *stopping) => return Ok(()),
    }
    readiness.has(DEFINITION);
    let interval = Duration::from_secs(settings.checks.interval_seconds);
    let http = http::client(USER_AGENT).map_err(|error| Ended::failed(&error))?;
    let counted = Arc::clone(&metrics);
    let observe: CallObserver = Arc::new(move |platform, operation, outcome, took| {
        counted.called(platform, operation, outcome, took);
    });
    let relays = RelayStatusReader::new(USER_AGENT, cli.relay_status_url_template.clone())
        .map_err(|error| Ended::failed(&error))?;
    let equipment = Equipment {
        client,
        frame: Frame::new(settings, cli.namespace.clone()),
        platforms: Platforms::new(http, interval, observe, Box::new(rand::random::<f64>)),
        relays,
        metrics,
        readiness,
    };
    controller::run(equipment, stop).await;
    Ok(())
}

/// Ends at Ctrl-C or a termination signal.
fn until_terminated() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_an_end_holds_its_causes_and_no_full_number() {
        #[derive(Debug, thiserror::Error)]
        #[error("it ends")]
        struct Outer(#[source] std::io::Error);

        let cause = std::io::Error::other("the label of +15551234567 is refused");
        let Ended { code, why } = Ended::failed(&Outer(cause));
        assert_eq!(code, 1);
        assert!(why.starts_with("it ends: the label of "), "{why}");
        assert!(!why.contains("5551234567"), "{why}");
    }
}
