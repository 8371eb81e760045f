//! `messaging-bridge-sandbox`: the sandbox as a process.
//!
//! Exit codes: 0 after an interrupt or a termination signal, 1 if it could not start, 2 for a wrong command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use messaging_bridge_sandbox::demo::Demo;
use messaging_bridge_sandbox::{Options, Profile, Sandbox};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

/// Twilio and Genesys Cloud, simulated, for one Messaging Bridge.
///
/// Serves both platforms' APIs, a control API under /sandbox/ and a page with a customer's phone and an agent's desk,
/// all on one address. Point the relay at it with --genesys-base-url and --twilio-base-url, and point the webhooks at
/// the relay with --connect.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the sandbox until it is interrupted.
    ///
    /// Example: messaging-bridge-sandbox serve --connect bridge.example.com=http://127.0.0.1:8080
    Serve(Serve),
    /// Run the sandbox with a real relay, send a first message each way, and keep both running.
    ///
    /// Example: messaging-bridge-sandbox demo --relay target/debug/messaging-bridge-relay
    Demo(DemoArgs),
}

#[derive(Args)]
struct DemoArgs {
    /// The relay's binary.
    #[arg(long, value_name = "FILE")]
    relay: PathBuf,
    /// Where the page is served.
    #[arg(
        long,
        env = "SANDBOX_LISTEN",
        default_value = "127.0.0.1:4010",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,
    /// End after the transcript.
    #[arg(long)]
    once: bool,
}

impl DemoArgs {
    async fn run(self) -> Result<(), String> {
        let demo = Demo {
            relay: self.relay,
            listen: self.listen,
        };
        let mut out = std::io::stdout();
        let mut running = demo
            .run(&mut out)
            .await
            .map_err(|error| error.to_string())?;
        if self.once {
            return Ok(());
        }
        let interrupted = interrupted()?;
        let page = running.page();
        writeln!(
            out,
            "\nThe phone and the desk are at {page}\nBoth run until Ctrl-C."
        )
        .map_err(|error| format!("standard output: {error}"))?;
        tokio::select! {
            error = running.until_relay_ends() => Err(error.to_string()),
            () = interrupted => Ok(()),
        }
    }
}

/// Listens from the call on, and returns at Ctrl-C or a termination signal: as the first process of a container nothing
/// else would end it.
fn interrupted() -> Result<impl Future<Output = ()>, String> {
    let heard = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
    let mut interrupt = heard(SignalKind::interrupt())?;
    let mut terminate = heard(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[derive(Args)]
struct Serve {
    /// Where the APIs and the page are served. The control API has no password: stay on a loopback address, or in a
    /// pod that only tests reach.
    #[arg(
        long,
        env = "SANDBOX_LISTEN",
        default_value = "127.0.0.1:4010",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,
    /// Deliver the webhooks for a public host to another place, an address or a name such as
    /// http://acme-relay.tenants.svc:8080. May be given several times. Hosts that are not named are looked up as usual
    /// and called over TLS; SSL_CERT_FILE adds root certificates.
    #[arg(long, value_name = "HOST=http://ADDR:PORT", value_parser = connect)]
    connect: Vec<(String, Url)>,
    /// The bridge's public URL: the one that is signed. Webhooks go to its /twilio/inbound and /genesys/outbound.
    #[arg(
        long,
        env = "SANDBOX_PUBLIC_URL",
        default_value = "https://bridge.example.com/acme",
        value_name = "URL"
    )]
    public_url: Url,
    /// Name of the Open Messaging integration.
    #[arg(long, default_value = "acme-sms", value_name = "NAME")]
    integration_name: String,
    /// The bridge's phone number at Twilio.
    #[arg(long, default_value = "+15551230000", value_name = "E164")]
    number: String,
    /// The customer whose phone the page shows first.
    #[arg(long, default_value = "+15557654321", value_name = "E164")]
    customer: String,
    /// The shape of the agent's webhooks.
    #[arg(long, value_enum, default_value_t = WireProfile::Current)]
    profile: WireProfile,
    /// Multiplies all waits of the platforms: 0.1 is ten times faster than real.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    time_scale: f64,
    /// Life of a Genesys token, in seconds.
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=172_800))]
    token_life: u64,
    /// Requests that a Genesys token may make in a minute.
    #[arg(long, default_value_t = 300, value_name = "COUNT")]
    genesys_requests_per_minute: u32,
    /// Seed of the faults' probabilities.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum WireProfile {
    /// As the platform sends them.
    Current,
    /// `recipientId` and `text`, as a widely read integration guide has them.
    Guide,
}

fn connect(text: &str) -> Result<(String, Url), String> {
    let fix = "write it as HOST=http://ADDR:PORT, such as bridge.example.com=http://127.0.0.1:8080";
    let (host, url) = text
        .split_once('=')
        .ok_or_else(|| format!("there is no '='; {fix}"))?;
    if host.is_empty() || host.contains(['/', ':']) {
        return Err(format!("{host:?} is not a host name alone; {fix}"));
    }
    let url = Url::parse(url).map_err(|error| format!("{url:?} is not a URL ({error}); {fix}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{url} is not http://ADDR:PORT; {fix}"));
    }
    Ok((host.to_owned(), url))
}

impl Serve {
    fn options(&self) -> Options {
        let mut options = Options {
            number: self.number.clone(),
            customer: self.customer.clone(),
            public_url: self.public_url.clone(),
            connect: self.connect.iter().cloned().collect(),
            profile: match self.profile {
                WireProfile::Current => Profile::Current,
                WireProfile::Guide => Profile::Guide,
            },
            time_scale: self.time_scale,
            token_life: Duration::from_secs(self.token_life),
            genesys_limit_per_minute: self.genesys_requests_per_minute,
            seed: self.seed,
            ..Options::default()
        };
        options.integration.name.clone_from(&self.integration_name);
        options
    }

    async fn run(&self) -> Result<(), String> {
        let interrupted = interrupted()?;
        let listener = TcpListener::bind(self.listen).await.map_err(|error| {
            let listen = self.listen;
            format!(
                "--listen {listen}: {error}; free the port, or choose another (port 0 takes any)"
            )
        })?;
        let sandbox = Sandbox::start(self.options(), listener)
            .await
            .map_err(|error| error.to_string())?;
        self.announce(&sandbox)
            .map_err(|error| format!("standard output: {error}"))?;
        interrupted.await;
        sandbox.shutdown();
        Ok(())
    }

    fn announce(&self, sandbox: &Sandbox) -> std::io::Result<()> {
        let url = sandbox.url();
        let base = url.as_str().trim_end_matches('/');
        let mut out = std::io::stdout().lock();
        writeln!(out, "page           {url}")?;
        writeln!(out, "genesys        --genesys-base-url {base}")?;
        writeln!(out, "twilio         --twilio-base-url {base}")?;
        writeln!(out, "control        {base}/sandbox/log, faults, tenant, …")?;
        for (host, to) in &self.connect {
            writeln!(
                out,
                "webhooks       {host} → {}",
                to.as_str().trim_end_matches('/')
            )?;
        }
        let host = self.public_url.host_str().unwrap_or_default();
        if self.connect.iter().all(|(mapped, _)| mapped != host) {
            writeln!(
                out,
                "webhooks       {host} is looked up as usual; --connect {host}=http://ADDR:PORT changes that"
            )?;
        }
        out.flush()
    }
}

fn main() -> ExitCode {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime cannot start: {error}")),
    };
    let ended = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run().await,
            Command::Demo(demo) => demo.run().await,
        }
    });
    // A name that is being looked up must not hold the end back.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    // Standard error may be closed; the exit code still says it.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}
