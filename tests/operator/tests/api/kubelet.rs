//! What a node would do for a relay's pod, as far as its status tells: it is played here.

use http::Method;
use serde_json::{Value, json};

use crate::objects::{CLAIMS, PODS, request};
use crate::scene::Scene;

/// The relay's pod.
pub(crate) const POD: &str = "acme-relay-0";
/// Its claim.
const CLAIM: &str = "data-acme-relay-0";

impl Scene {
    /// Somebody provides the volume that the claim asks for.
    pub(crate) async fn provide_volume(&self) {
        let name = format!("of-{}", self.tenant.name);
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/nowhere"},
                "claimRef": {"namespace": self.tenant.name, "name": CLAIM},
            },
        });
        let path = "/api/v1/persistentvolumes";
        request(&self.client, &Method::POST, path, Some(&volume))
            .await
            .unwrap();
        self.until_object("the claim is bound", (&CLAIMS, CLAIM), |claim| {
            claim["status"]["phase"] == "Bound"
        })
        .await;
    }

    /// The container runs since now, and is ready or not.
    pub(crate) async fn run(&self, ready: bool) {
        let pod = self.read(&PODS, POD).await;
        let status = json!({"status": {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": now(&pod)},
                {"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": now(&pod)},
            ],
            "containerStatuses": [{
                "name": "relay", "image": "relay:1", "imageID": "relay:1", "ready": ready, "started": true,
                "restartCount": 0, "state": {"running": {"startedAt": now(&pod)}},
            }],
        }});
        self.patch(&PODS, &format!("{POD}/status"), &status).await;
    }
}

/// The time at which the pod was made: a moment ago.
fn now(pod: &Value) -> Value {
    pod["metadata"]["creationTimestamp"].clone()
}
