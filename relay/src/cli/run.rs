//! `run`: puts the relay together, and takes it apart in the right order.
//!
//! At the end: unready → webhooks are still taken while endpoints drain → the listener closes → appends finish →
//! nothing new is sent → sends under way are waited for → the rest keeps its mark → checkpoint → closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messaging_bridge_clients::genesys::{GenesysClient, IntegrationId};
use messaging_bridge_clients::twilio::TwilioClient;
use tokio::sync::{Notify, watch};

use super::CliError;
use super::args::RunArgs;
use super::platforms::{Platforms, USER_AGENT};
use super::serve::{self, Listeners};
use crate::admin::control::{self, Control};
use crate::admin::vitals::Vitals;
use crate::admin::{self, Admin};
use crate::chance::{Chance, SystemChance};
use crate::clock::{Clock, CorrectedClock, SystemClock};
use crate::dispatch::budget::Budget;
use crate::dispatch::callbacks::Callbacks;
use crate::dispatch::context::Context;
use crate::dispatch::hold::{Hold, Holds};
use crate::dispatch::search::Waits;
use crate::dispatch::{self, Directions, Dispatch, Pulse, Wake};
use crate::heal::Healer;
use crate::integration::{self, Resolver};
use crate::outbox::Outbox;
use crate::outbox::sqlite::SqliteOutbox;
use crate::secrets::{self, Secrets, SecretsPlace};
use crate::server::{self, Intake};
use crate::settings::{Settings, Source};
use crate::trace::{self, Endpoint, Flush, Tracer};

/// Calls under way are waited for this long: the clients' time-out and a little more. With what stands before it (5 s
/// of draining, 2 s for the last answers, 5 s of a pod's `preStop`) it stays below a grace period of 30 s.
const CALLS_PATIENCE: Duration = Duration::from_secs(17);

/// Between two passes over what is past its retention.
const PURGE_EVERY: Duration = Duration::from_hours(1);
/// After a start replies wait so long for the time to be known, at the most.
const TIME_PATIENCE: Duration = Duration::from_secs(10);
/// While the time is in doubt nothing is removed; it is asked for again after this.
const ASK_THE_TIME_EVERY: Duration = Duration::from_mins(1);

/// The shared parts of a running relay.
struct Parts {
    settings: Arc<Settings>,
    secrets: watch::Receiver<Arc<Secrets>>,
    integration: watch::Sender<Option<IntegrationId>>,
    outbox: Arc<dyn Outbox>,
    vitals: Arc<Vitals>,
    callbacks: Arc<Callbacks>,
    directions: Directions,
    changes: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    missed: Arc<Notify>,
    genesys: GenesysClient,
    twilio: TwilioClient,
    clock: Arc<dyn Clock>,
    time_known: watch::Receiver<bool>,
    chance: Arc<dyn Chance>,
}

/// Runs the relay until a signal ends it.
pub(super) async fn run(arguments: RunArgs) -> Result<(), CliError> {
    if !arguments.control_listen.ip().is_loopback() {
        return Err(CliError::Usage(
            "--control-listen must be a loopback address, like 127.0.0.1:9091".into(),
        ));
    }
    let source = arguments.configuration.source();
    let settings = Settings::load(&source, &arguments.configuration.base_urls())
        .map_err(|error| CliError::usage(&error))?;
    let place = secrets_place(&settings, &arguments);
    let (secrets, loaded) = watch::channel(Arc::new(
        place.load().map_err(|error| CliError::usage(&error))?,
    ));
    serve::raise_open_files();
    let listeners = Listeners::bind(&arguments).await?;
    let (tracer, flush) = export_traces(&settings)?;
    let parts = assemble(settings, loaded, &arguments, tracer)?;
    let (dispatch, wake) = start_dispatch(&parts, &arguments).await?;
    if matches!(source, Source::Bridge(_)) {
        tokio::spawn(resolver(&parts, &arguments).run());
    }
    tokio::spawn(secrets::follow(
        place,
        Duration::from_secs(arguments.secrets_every),
        secrets,
    ));
    tokio::spawn(apply_secrets(
        parts.secrets.clone(),
        parts.integration.subscribe(),
        parts.genesys.clone(),
        parts.twilio.clone(),
        parts.changes.clone(),
    ));
    tokio::spawn(purge(Arc::clone(&parts.outbox), Arc::clone(&parts.clock)));
    serve_until_signal(&parts, listeners, (wake, dispatch.pulse()), &arguments).await?;
    stop(dispatch, parts.outbox).await?;
    if let Some(flush) = flush {
        flush.wait().await;
    }
    Ok(())
}

/// Exports traces where the environment names a collector.
fn export_traces(settings: &Settings) -> Result<(Tracer, Option<Flush>), CliError> {
    let variable = |name: &str| std::env::var(name).ok();
    let endpoint = Endpoint::from_environment(&settings.bridge, variable)
        .map_err(|error| CliError::usage(&error))?;
    let Some(endpoint) = endpoint else {
        return Ok((Tracer::default(), None));
    };
    let http = messaging_bridge_clients::http::client(USER_AGENT)
        .map_err(|error| CliError::failed(&error))?;
    tracing::info!(host = endpoint.host(), "traces are exported");
    let (tracer, flush) = trace::start(endpoint, http);
    Ok((tracer, Some(flush)))
}

fn secrets_place(settings: &Settings, arguments: &RunArgs) -> SecretsPlace {
    SecretsPlace {
        directory: arguments.configuration.secrets.clone(),
        genesys: settings.genesys_secret.clone(),
        twilio: settings.twilio_secret.clone(),
        salt: settings.bridge.clone(),
    }
}

fn assemble(
    settings: Settings,
    secrets: watch::Receiver<Arc<Secrets>>,
    arguments: &RunArgs,
    tracer: Tracer,
) -> Result<Parts, CliError> {
    let now = Arc::clone(&secrets.borrow());
    let Platforms {
        http: _,
        genesys,
        twilio,
    } = Platforms::new(&settings, &now)?;
    let corrected = corrected_clock(&genesys, &twilio);
    let clock: Arc<dyn Clock> = Arc::clone(&corrected) as _;
    let time_known = corrected.settled();
    let known = integration::at_start(&settings, &arguments.data_dir);
    let identity = settings.identity(known.as_ref());
    let outbox: Arc<dyn Outbox> = Arc::new(
        SqliteOutbox::open(
            &arguments.data_dir,
            &identity,
            settings.max_bytes,
            Arc::clone(&clock),
        )
        .map_err(|error| CliError::usage(&error))?
        .with_most_messages(settings.max_messages),
    );
    tokio::spawn({
        let outbox = Arc::clone(&outbox);
        async move { corrected.settle(&*outbox).await }
    });
    Ok(Parts {
        settings: Arc::new(settings),
        secrets,
        integration: watch::Sender::new(known),
        outbox,
        vitals: Arc::new(Vitals::new(Arc::clone(&clock)).with_tracer(tracer)),
        callbacks: Arc::default(),
        directions: Directions::default(),
        changes: watch::Sender::new(0),
        stop: watch::Sender::new(false),
        missed: Arc::default(),
        genesys,
        twilio,
        clock,
        time_known,
        chance: Arc::new(SystemChance),
    })
}

/// The machine's clock, corrected by what both platforms say.
fn corrected_clock(genesys: &GenesysClient, twilio: &TwilioClient) -> Arc<CorrectedClock> {
    let (genesys, twilio) = (genesys.clone(), twilio.clone());
    let told = Box::new(move || [genesys.server_time(), twilio.server_time()]);
    Arc::new(CorrectedClock::new(Arc::new(SystemClock), told))
}

/// What the lanes wait for: `first_over` says when the first look for missed messages is.
fn holds(parts: &Parts, first_over: &watch::Sender<bool>, at_most: Duration) -> Holds {
    Holds {
        inbound: Hold {
            over: first_over.subscribe(),
            at_most,
            late: Some(
                "the first look for missed messages takes long; customers' messages are delivered meanwhile",
            ),
        },
        outbound: Hold {
            over: parts.time_known.clone(),
            at_most: TIME_PATIENCE,
            late: None,
        },
    }
}

async fn start_dispatch(parts: &Parts, arguments: &RunArgs) -> Result<(Dispatch, Wake), CliError> {
    let timings = arguments.healing.timings();
    // Before a webhook can be taken: everything from here on arrived since the start.
    let since = parts.outbox.next_seq().await;
    let since = since.map_err(|error| CliError::failed(&error))?;
    let first_over = watch::Sender::new(false);
    let context = Context {
        outbox: Arc::clone(&parts.outbox),
        genesys: parts.genesys.clone(),
        twilio: parts.twilio.clone(),
        integration: parts.integration.subscribe(),
        budget: Budget::start(parts.settings.requests_per_minute),
        sends_per_second: parts.settings.messages_per_second,
        callbacks: Arc::clone(&parts.callbacks),
        bell: Arc::default(),
        vitals: Arc::clone(&parts.vitals),
        public_url: parts.settings.public_url.clone(),
        validity: parts.settings.validity,
        on_unresolved: parts.settings.on_unresolved,
        failure_notices: parts.settings.failure_notices,
        waits: Waits {
            callback: Duration::from_millis(arguments.settle_callback_ms),
            listings: Duration::from_millis(arguments.settle_listings_ms),
            ..Waits::default()
        },
        clock: Arc::clone(&parts.clock),
        chance: Arc::clone(&parts.chance),
        stop: parts.stop.subscribe(),
    };
    let (dispatch, wake) = dispatch::start(
        Arc::new(context),
        parts.directions.clone(),
        parts.changes.subscribe(),
        parts.stop.clone(),
        holds(parts, &first_over, timings.hold),
    )
    .await
    .map_err(|error| CliError::failed(&error))?;
    let healer = Healer {
        outbox: Arc::clone(&parts.outbox),
        twilio: parts.twilio.clone(),
        number: parts.settings.number.clone(),
        wake: wake.clone(),
        callbacks: Arc::clone(&parts.callbacks),
        outbound: Arc::clone(&parts.directions.outbound),
        vitals: Arc::clone(&parts.vitals),
        clock: Arc::clone(&parts.clock),
        chance: Arc::clone(&parts.chance),
        missed: Arc::clone(&parts.missed),
        changes: parts.changes.subscribe(),
        stop: parts.stop.subscribe(),
        timings,
        since,
        first_over,
    };
    tokio::spawn(healer.run());
    Ok((dispatch, wake))
}

fn resolver(parts: &Parts, arguments: &RunArgs) -> Resolver {
    Resolver {
        genesys: parts.genesys.clone(),
        settings: Arc::clone(&parts.settings),
        data_dir: arguments.data_dir.clone(),
        resolved: parts.integration.clone(),
        outbox: Arc::clone(&parts.outbox),
        inbound: Arc::clone(&parts.directions.inbound),
        changes: parts.changes.subscribe(),
        chance: Arc::clone(&parts.chance),
    }
}

/// Hands changed credentials to the clients, and tells everyone who waits that something changed.
async fn apply_secrets(
    mut secrets: watch::Receiver<Arc<Secrets>>,
    mut integration: watch::Receiver<Option<IntegrationId>>,
    genesys: GenesysClient,
    twilio: TwilioClient,
    changes: watch::Sender<u64>,
) {
    loop {
        let news = tokio::select! {
            news = secrets.changed() => {
                let now = Arc::clone(&secrets.borrow_and_update());
                genesys.set_credentials(now.genesys_clients.clone());
                twilio.set_credentials(now.account.clone(), now.twilio_credentials.clone());
                news
            }
            news = integration.changed() => news,
        };
        if news.is_err() {
            return;
        }
        changes.send_modify(|count| *count += 1);
    }
}

async fn purge(outbox: Arc<dyn Outbox>, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(PURGE_EVERY);
    loop {
        ticks.tick().await;
        loop {
            let Some(now) = clock.sure() else {
                tokio::time::sleep(ASK_THE_TIME_EVERY).await;
                continue;
            };
            match outbox.purge(now).await {
                Ok(true) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "what is past its retention could not be removed");
                    break;
                }
            }
        }
    }
}

async fn serve_until_signal(
    parts: &Parts,
    listeners: Listeners,
    (wake, pulse): (Wake, Pulse),
    arguments: &RunArgs,
) -> Result<(), CliError> {
    let ready = Arc::new(AtomicBool::new(true));
    let webhooks = server::router(Arc::new(Intake {
        settings: Arc::clone(&parts.settings),
        secrets: parts.secrets.clone(),
        integration: parts.integration.subscribe(),
        outbox: Arc::clone(&parts.outbox),
        wake: wake.clone(),
        outbound: Arc::clone(&parts.directions.outbound),
        callbacks: Arc::clone(&parts.callbacks),
        missed: Arc::clone(&parts.missed),
        vitals: Arc::clone(&parts.vitals),
        clock: Arc::clone(&parts.clock),
    }));
    let reading = admin::router(Arc::new(Admin {
        bridge: parts.settings.bridge.clone(),
        outbox: Arc::clone(&parts.outbox),
        vitals: Arc::clone(&parts.vitals),
        directions: parts.directions.clone(),
        genesys: parts.genesys.clone(),
        secrets: parts.secrets.clone(),
        integration: parts.integration.subscribe(),
        ready: Arc::clone(&ready),
        pulse,
        clock: Arc::clone(&parts.clock),
    }));
    let changing = control::router(Arc::new(Control {
        outbox: Arc::clone(&parts.outbox),
        data_dir: arguments.data_dir.clone(),
        wake: Some(wake),
    }));
    let drain = Duration::from_secs(arguments.drain_seconds);
    let until_drained = async move {
        serve::signal().await;
        tracing::info!("stopping: unready, still taking webhooks while endpoints drain");
        ready.store(false, Ordering::Relaxed);
        tokio::time::sleep(drain).await;
    };
    tracing::info!(bridge = parts.settings.bridge, listen = %arguments.listen, admin = %arguments.admin_listen, "ready");
    listeners
        .serve(webhooks, reading, changing, until_drained)
        .await
}

async fn stop(dispatch: Dispatch, outbox: Arc<dyn Outbox>) -> Result<(), CliError> {
    dispatch.stop(CALLS_PATIENCE).await;
    outbox
        .close()
        .await
        .map_err(|error| CliError::failed(&error))?;
    tracing::info!("stopped");
    Ok(())
}
