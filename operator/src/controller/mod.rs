//! Watches bridges and everything that concerns them, and brings each through the five phases.
//!
//! It guarantees: one bridge's reconcile never runs twice at a time and never longer than a minute; bridges that wait for
//! a platform leave room for the others; a watch that fails is told; an object that cannot be read stops nothing; an unchanged bridge costs reads from caches, and a
//! look at its relay's status now and then.

mod attempt;
mod backoff;
mod caches;
mod context;
mod deletion;
mod index;
mod malformed;
mod memory;
mod reconcile;
mod watches;

use std::sync::Arc;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config, Error};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, Predicate as _, WatchStreamExt as _, predicates, watcher};
use kube::{Client, Resource, ResourceExt as _};
use tokio::sync::{mpsc, watch};

pub(crate) use self::caches::Caches;
use self::caches::{Filling, Guarded};
pub(crate) use self::context::Context;
pub use self::reconcile::ReconcileError;
use self::watches::Watches;
use crate::admin::{Metrics, Readiness};
use crate::names::BRIDGE_ANNOTATION;
use crate::platforms::Platforms;
use crate::relay_status::RelayStatusReader;
use crate::validate::Frame;

/// What can go wrong in the controller.
type Trouble = Error<ReconcileError, watcher::Error>;

/// Bridges that are reconciled at the same time.
const CONCURRENCY: u16 = 16;

/// Everything that the controller works with.
pub struct Equipment {
    /// The API server.
    pub client: Client,
    /// What is the same for all bridges.
    pub frame: Frame,
    /// Both platforms.
    pub platforms: Platforms,
    /// The relays' status.
    pub relays: RelayStatusReader,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is still waited for.
    pub readiness: Arc<Readiness>,
}

/// Runs until `stop` says so and the running reconciles have ended.
pub async fn run(equipment: Equipment, mut stop: watch::Receiver<bool>) {
    let Equipment {
        client,
        frame,
        platforms,
        relays,
        metrics,
        readiness,
    } = equipment;
    let (gone, departures) = mpsc::unbounded_channel();
    let (of_bridges, of_rest) = (Filling::new(), Filling::new());
    let watches = Watches::new(Arc::clone(&metrics));
    let (caches, changes) = caches::watch(&client, &of_bridges, &of_rest, &watches, gone);
    let context = Arc::new(Context::new(
        client,
        caches.clone(),
        frame,
        platforms,
        relays,
        Arc::clone(&metrics),
    ));
    let of_spec = changes.bridges.predicate_filter(
        predicates::generation.combine(predicates::annotations),
        kube::runtime::PredicateConfig::default(),
    );
    let of_secrets = Arc::clone(&context);
    let reconciles =
        Controller::for_stream(synced(of_spec, of_rest.clone()), caches.bridges.clone())
            .with_config(Config::default().concurrency(CONCURRENCY))
            .owns_stream(changes.stateful_sets)
            .owns_stream(changes.services)
            .owns_stream(changes.config_maps)
            .owns_stream(changes.service_accounts)
            .owns_stream(changes.network_policies)
            .watches_stream(changes.pods, |pod| annotated(&pod))
            .watches_stream(changes.claims, |claim| annotated(&claim))
            .watches_stream(changes.secrets, move |secret| named(&secret, &of_secrets))
            .graceful_shutdown_on(async move {
                // A sender that is gone says the same.
                let _ = stop.wait_for(|stopping| *stopping).await;
            })
            .run(
                reconcile::reconcile,
                reconcile::after_failure,
                Arc::clone(&context),
            );
    let background = [
        tokio::spawn(announce_deletions(departures, Arc::clone(&context))),
        tokio::spawn(report_synced(of_bridges, of_rest, Arc::clone(&readiness))),
        tokio::spawn(tidy(context, metrics, watches, readiness)),
    ];
    reconciles.for_each(told).await;
    for task in background {
        task.abort();
    }
}

/// What the controller itself has to say. The watches tell their failures, and so does each reconcile.
fn told(outcome: Result<(ObjectRef<Guarded>, Action), Trouble>) -> std::future::Ready<()> {
    if let Err(Trouble::RunnerError(error)) = outcome {
        tracing::error!(%error, "the controller's runner failed");
    }
    std::future::ready(())
}

/// Holds the first bridges back until every other cache is filled: an empty cache looks like missing Secrets.
fn synced(
    changes: impl futures_util::Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static,
    rest: Filling,
) -> impl futures_util::Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static {
    changes.then(move |change| {
        let rest = rest.clone();
        async move {
            if change.is_ok() {
                rest.done().await;
            }
            change
        }
    })
}

async fn report_synced(bridges: Filling, rest: Filling, readiness: Arc<Readiness>) {
    bridges.done().await;
    readiness.has("the bridges");
    rest.done().await;
    readiness.has("the caches");
}

async fn announce_deletions(
    mut departures: mpsc::UnboundedReceiver<Guarded>,
    context: Arc<Context>,
) {
    while let Some(gone) = departures.recv().await {
        deletion::announce(&gone, &context).await;
    }
}

/// Keeps what nobody else touches: gauges, the watches' health, and that what is gone is forgotten.
async fn tidy(
    context: Arc<Context>,
    metrics: Arc<Metrics>,
    watches: Watches,
    readiness: Arc<Readiness>,
) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        ticks.tick().await;
        context.forget_the_gone();
        metrics.waiting(context.backoff.waiting());
        watches.report(&readiness, tokio::time::Instant::now());
    }
}

/// The bridge that an object names in its annotation: pods and claims have no owner that leads there.
fn annotated<K: Resource>(object: &K) -> Option<ObjectRef<Guarded>> {
    let name = object.annotations().get(BRIDGE_ANNOTATION)?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}

fn named(secret: &PartialObjectMeta<Secret>, context: &Context) -> Vec<ObjectRef<Guarded>> {
    let namespace = secret.namespace().unwrap_or_default();
    let bridges = context.index().bridges(&namespace, &secret.name_any());
    bridges
        .iter()
        .map(|name| ObjectRef::new(name).within(&namespace))
        .collect()
}
