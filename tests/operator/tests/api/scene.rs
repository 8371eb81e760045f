//! A tenant as the hero of a test: its bridge, the objects that the operator makes for it, and its status.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use messaging_bridge_cluster::{Mark, wait_for};
use messaging_bridge_crds::{ConditionType, MessagingBridgeStatus, Reason};
use messaging_bridge_operator_suites::control_plane::{self, ControlPlane};
use messaging_bridge_operator_suites::tenant::{BRIDGE, Tenant, apply};
use messaging_bridge_operator_suites::{status, until, until_status};
use messaging_bridge_sandbox::Options;
use serde_json::{Value, json};

use crate::objects::{BRIDGES, Child, PODS, Place, STATEFUL_SET, request};

/// The operator's binary.
pub(crate) const OPERATOR: &str = env!("CARGO_BIN_EXE_operator-under-test");
/// How long anything may take. It usually takes a second; the machine has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The setting.
pub(crate) async fn plane() -> &'static ControlPlane {
    control_plane::shared(OPERATOR).await
}

/// A tenant, and what was done to its bridge.
pub(crate) struct Scene {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) tenant: Tenant,
    /// The id of its integration; empty where it has none.
    pub(crate) integration: String,
    pub(crate) client: Client,
    looks: AtomicU32,
}

impl Scene {
    /// A tenant whose number and integration are right on both platforms. Nothing of it is in the cluster.
    pub(crate) async fn new(name: &str) -> Self {
        let mut scene = Self::unknown(name).await;
        scene.integration = control_plane::set_up(&scene.plane.sandbox, &scene.tenant);
        scene
    }

    /// A tenant that neither platform knows. Nothing of it is in the cluster.
    pub(crate) async fn unknown(name: &str) -> Self {
        let plane = plane().await;
        Self {
            plane,
            tenant: plane.tenant(name),
            integration: String::new(),
            client: plane.cluster.client().await.unwrap(),
            looks: AtomicU32::new(0),
        }
    }

    /// A tenant whose bridge is as right as it can be without a node.
    pub(crate) async fn installed(name: &str) -> Self {
        let scene = Self::new(name).await;
        scene.apply().await;
        scene.until_installed().await;
        scene
    }

    /// Its Genesys Secret.
    pub(crate) fn genesys(&self) -> Value {
        self.tenant.genesys(&Options::default().client_secret)
    }

    /// Its bridge. It asks for a look at the platforms themselves: another bridge may have had the list of integrations
    /// read a moment before this test changed it.
    pub(crate) fn bridge(&self) -> Value {
        let mut bridge = self.tenant.bridge();
        bridge["metadata"]["annotations"] = json!({"messagingbridge.io/reconcile-at": "look-0"});
        bridge
    }

    /// Applies namespace, both Secrets and the bridge.
    pub(crate) async fn apply(&self) {
        let secrets = [self.genesys(), self.tenant.twilio()];
        self.apply_with(&secrets, &self.bridge()).await;
    }

    /// Applies the namespace, these objects and this bridge.
    pub(crate) async fn apply_with(&self, objects: &[Value], bridge: &Value) {
        let mut all = vec![self.tenant.namespace()];
        all.extend_from_slice(objects);
        all.push(bridge.clone());
        apply(self.plane.cluster, &all).await;
    }

    /// Waits until the StatefulSet, which is made last, has its pod, and the status has settled.
    pub(crate) async fn until_installed(&self) {
        self.until(ConditionType::WebhooksConfigured, Reason::Configured)
            .await;
        self.until(ConditionType::RelayAvailable, Reason::VolumePending)
            .await;
    }

    pub(crate) async fn until(&self, condition: ConditionType, reason: Reason) -> String {
        let id = self.tenant.id();
        until(self.plane.cluster, id, condition, reason, PATIENCE).await
    }

    pub(crate) async fn until_status(
        &self,
        what: &str,
        wanted: impl Fn(&MessagingBridgeStatus) -> bool,
    ) -> MessagingBridgeStatus {
        let id = self.tenant.id();
        until_status(self.plane.cluster, id, what, PATIENCE, wanted).await
    }

    pub(crate) async fn status(&self) -> MessagingBridgeStatus {
        let (namespace, name) = self.tenant.id();
        status(self.plane.cluster, namespace, name).await.unwrap()
    }

    /// One condition as it is now.
    pub(crate) async fn condition(&self, wanted: ConditionType) -> Condition {
        self.status().await.condition(wanted).unwrap().clone()
    }

    /// Asks for a look at the platforms now, and waits until the operator has had it.
    pub(crate) async fn look(&self) -> MessagingBridgeStatus {
        let number = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        let token = format!("look-{number}");
        self.annotate(&json!({"messagingbridge.io/reconcile-at": token}))
            .await;
        self.until_status("the platforms have been looked at", |status| {
            status.last_handled_reconcile_at.as_deref() == Some(&token)
        })
        .await
    }

    /// Sets annotations of the bridge; null removes one.
    pub(crate) async fn annotate(&self, annotations: &Value) {
        let patch = json!({"metadata": {"annotations": annotations}});
        self.patch(&BRIDGES, BRIDGE, &patch).await;
    }

    /// Changes the bridge's spec.
    pub(crate) async fn respec(&self, spec: &Value) {
        self.patch(&BRIDGES, BRIDGE, &json!({"spec": spec})).await;
    }

    /// Merges into an object of the namespace.
    pub(crate) async fn patch(&self, place: &Place, name: &str, change: &Value) {
        let path = place.path(&self.tenant.name, name);
        request(&self.client, &Method::PATCH, &path, Some(change))
            .await
            .unwrap();
    }

    /// An object of the namespace; null if there is none.
    pub(crate) async fn read(&self, place: &Place, name: &str) -> Value {
        let path = place.path(&self.tenant.name, name);
        match request(&self.client, &Method::GET, &path, None).await {
            Ok(object) => object,
            Err(kube::Error::Api(status)) if status.code == 404 => Value::Null,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    pub(crate) async fn delete(&self, place: &Place, name: &str) {
        let path = place.path(&self.tenant.name, name);
        request(&self.client, &Method::DELETE, &path, None)
            .await
            .unwrap();
    }

    /// A child of the bridge; null if there is none.
    pub(crate) async fn child(&self, child: &Child) -> Value {
        self.read(&child.place, child.name).await
    }

    /// Waits until an object is as wanted.
    pub(crate) async fn until_object(
        &self,
        what: &str,
        (place, name): (&Place, &str),
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = format!("{}: {what}", self.tenant.name);
        let found = wait_for(&what, PATIENCE, || async {
            let object = self.read(place, name).await;
            if wanted(&object) {
                return Ok(object);
            }
            Err(object.to_string())
        });
        found.await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The uid and generation of the workload, and the uid of its pod: whoever touches the relay changes one of them.
    pub(crate) async fn relay(&self) -> [Value; 3] {
        let workload = self.child(&STATEFUL_SET).await;
        let pod = self.read(&PODS, "acme-relay-0").await;
        let metadata = &workload["metadata"];
        [
            metadata["uid"].clone(),
            metadata["generation"].clone(),
            pod["metadata"]["uid"].clone(),
        ]
    }

    /// What the operator changed in the namespace since then: verb, resource and name.
    pub(crate) async fn writes(&self, since: Mark) -> Vec<String> {
        let requests = self.plane.requests(since).await;
        let ours = requests
            .iter()
            .filter(|request| request.mutated() && request.namespace == self.tenant.name);
        ours.map(|request| format!("{} {} {}", request.verb, request.resource, request.name))
            .collect()
    }

    /// How often the operator asked Twilio for the tenant's number since then.
    pub(crate) fn questions(&self, since: usize) -> usize {
        let requests = self.plane.sandbox.requests_since(since);
        let about_us = requests.iter().filter(|request| {
            let by_operator = request.user_agent.starts_with("messaging-bridge-operator");
            by_operator && request.query.get("PhoneNumber") == Some(&self.tenant.number)
        });
        about_us.count()
    }

    /// The end of a test that went well. The namespace stays: while one goes, the API server refuses everything in it
    /// by the same code as a missing right.
    pub(crate) async fn end(self) {
        self.delete(&BRIDGES, "").await;
    }
}
