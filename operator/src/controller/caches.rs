//! What the operator watches, and the caches that are filled by it.
//!
//! Everything that is read often is read from here. Of Secrets only the names and versions are kept: annotations may
//! repeat their values (`kubectl apply` does that), so they are dropped before anything is stored.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use messaging_bridge_crds::MessagingBridge;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::watches::Watches;
use crate::names::MANAGED;

/// A bridge as it comes from the API server: what cannot be read does not stop the watch.
pub(super) type Guarded = DeserializeGuard<MessagingBridge>;

/// The caches.
#[derive(Clone)]
pub(crate) struct Caches {
    pub(crate) bridges: Store<Guarded>,
    pub(crate) stateful_sets: Store<StatefulSet>,
    pub(crate) services: Store<Service>,
    pub(crate) config_maps: Store<ConfigMap>,
    pub(crate) service_accounts: Store<ServiceAccount>,
    pub(crate) network_policies: Store<NetworkPolicy>,
    pub(crate) pods: Store<Pod>,
    pub(crate) claims: Store<PersistentVolumeClaim>,
    pub(crate) secrets: Store<PartialObjectMeta<Secret>>,
}

/// How many caches are not filled yet. A store's own signal wakes only the last of several who wait for it, and one who
/// waits is the controller.
#[derive(Clone)]
pub(super) struct Filling(Arc<watch::Sender<usize>>);

impl Filling {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Waits until all are.
    pub(super) async fn done(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|missing| *missing == 0).await;
    }

    /// Another one; what it returns is to see each of its events after the cache has.
    fn another<K>(&self) -> impl FnMut(&Result<watcher::Event<K>, watcher::Error>) + Send + use<K> {
        self.0.send_modify(|missing| *missing += 1);
        let mut filling = Some(Arc::clone(&self.0));
        move |event| {
            if matches!(event, Ok(watcher::Event::InitDone))
                && let Some(filling) = filling.take()
            {
                filling.send_modify(|missing| *missing -= 1);
            }
        }
    }
}

/// What a watch shows, or that it failed.
type Seen<K> = Result<watcher::Event<K>, watcher::Error>;

/// The stream that fills a cache.
pub(super) type Filled<K> = std::pin::Pin<Box<dyn Stream<Item = Result<K, watcher::Error>> + Send>>;

/// What the watches show.
pub(super) struct Changes {
    pub(super) bridges: Filled<Guarded>,
    pub(super) stateful_sets: Filled<StatefulSet>,
    pub(super) services: Filled<Service>,
    pub(super) config_maps: Filled<ConfigMap>,
    pub(super) service_accounts: Filled<ServiceAccount>,
    pub(super) network_policies: Filled<NetworkPolicy>,
    pub(super) pods: Filled<Pod>,
    pub(super) claims: Filled<PersistentVolumeClaim>,
    pub(super) secrets: Filled<PartialObjectMeta<Secret>>,
}

/// All caches, and the streams that fill them when they are polled.
pub(super) fn watch(
    client: &Client,
    of_bridges: &Filling,
    of_rest: &Filling,
    watches: &Watches,
    gone: tokio::sync::mpsc::UnboundedSender<Guarded>,
) -> (Caches, Changes) {
    let listener = watches.listener("messagingbridges");
    let bridges = bridges(client, of_bridges, listener, gone);
    let stateful_sets = managed(client, of_rest, watches.listener("statefulsets"));
    let services = managed(client, of_rest, watches.listener("services"));
    let config_maps = managed(client, of_rest, watches.listener("configmaps"));
    let service_accounts = managed(client, of_rest, watches.listener("serviceaccounts"));
    let network_policies = managed(client, of_rest, watches.listener("networkpolicies"));
    let pods = managed(client, of_rest, watches.listener("pods"));
    let claims = managed(client, of_rest, watches.listener("persistentvolumeclaims"));
    let secrets = secrets(client, of_rest, watches.listener("secrets"));
    let caches = Caches {
        bridges: bridges.0,
        stateful_sets: stateful_sets.0,
        services: services.0,
        config_maps: config_maps.0,
        service_accounts: service_accounts.0,
        network_policies: network_policies.0,
        pods: pods.0,
        claims: claims.0,
        secrets: secrets.0,
    };
    let changes = Changes {
        bridges: bridges.1,
        stateful_sets: stateful_sets.1,
        services: services.1,
        config_maps: config_maps.1,
        service_accounts: service_accounts.1,
        network_policies: network_policies.1,
        pods: pods.1,
        claims: claims.1,
        secrets: secrets.1,
    };
    (caches, changes)
}

/// What is found by the operator's label.
fn managed<K>(
    client: &Client,
    filling: &Filling,
    listener: impl FnMut(&Seen<K>) + Send + 'static,
) -> (Store<K>, Filled<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let stream = watcher(
        Api::<K>::all(client.clone()),
        watcher::Config::default().labels(MANAGED),
    )
    .default_backoff()
    .modify(|object| object.managed_fields_mut().clear())
    .reflect(writer)
    .inspect(filling.another())
    .inspect(listener)
    .touched_objects();
    (reader, stream.boxed())
}

/// The names and versions of all Secrets.
fn secrets(
    client: &Client,
    filling: &Filling,
    listener: impl FnMut(&Seen<PartialObjectMeta<Secret>>) + Send + 'static,
) -> (
    Store<PartialObjectMeta<Secret>>,
    Filled<PartialObjectMeta<Secret>>,
) {
    let (reader, writer) = reflector::store();
    let stream = watcher(
        Api::<PartialObjectMeta<Secret>>::all(client.clone()),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(|secret| {
        secret.managed_fields_mut().clear();
        secret.annotations_mut().clear();
        secret.labels_mut().clear();
    })
    .reflect(writer)
    .inspect(filling.another())
    .inspect(listener)
    .touched_objects();
    (reader, stream.boxed())
}

/// Bridges, with every deletion that the watch shows handed to `gone`.
fn bridges(
    client: &Client,
    filling: &Filling,
    listener: impl FnMut(&Seen<Guarded>) + Send + 'static,
    gone: tokio::sync::mpsc::UnboundedSender<Guarded>,
) -> (Store<Guarded>, Filled<Guarded>) {
    let (reader, writer) = reflector::store();
    let api: Api<Guarded> = Api::all(client.clone());
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .inspect(move |event| {
            if let Ok(watcher::Event::Delete(bridge)) = event {
                // The receiver ends with the process.
                let _ = gone.send(bridge.clone());
            }
        })
        .reflect(writer)
        .inspect(filling.another())
        .inspect(listener)
        .applied_objects();
    (reader, stream.boxed())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use futures_util::FutureExt as _;
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    #[tokio::test]
    async fn a_watch_that_is_refused_is_counted() {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            let refusal =
                r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 400}"#;
            let answer = http::Response::builder().status(400);
            let answer = answer.body(kube::client::Body::from(refusal.as_bytes().to_vec()));
            Ok::<_, kube::Error>(answer.unwrap())
        });
        let client = Client::new(service, "default");
        let metrics = Arc::new(crate::admin::Metrics::new());
        let listener = Watches::new(Arc::clone(&metrics)).listener("pods");
        let (_, mut pods) = managed::<Pod>(&client, &Filling::new(), listener);
        assert!(pods.next().await.unwrap().is_err());
        let text = metrics.text().unwrap();
        assert!(
            text.contains("watch_errors_total{resource=\"pods\"} 1"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn everybody_hears_that_all_caches_are_filled() {
        let filling = Filling::new();
        let (mut one, mut other) = (filling.another::<Pod>(), filling.another::<Pod>());
        let wait = || {
            let filling = filling.clone();
            tokio::spawn(async move { filling.done().await })
        };
        let waiting = [wait(), wait()];
        tokio::task::yield_now().await;
        one(&Ok(watcher::Event::Init));
        one(&Ok(watcher::Event::InitDone));
        // A watch that began anew fills no other cache.
        one(&Ok(watcher::Event::InitDone));
        assert!(filling.done().now_or_never().is_none());
        other(&Ok(watcher::Event::InitDone));
        for task in waiting {
            assert!(task.await.is_ok());
        }
        filling.done().await;
    }
}
