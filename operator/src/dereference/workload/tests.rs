//! Which warnings are asked for, and what follows when they cannot be had.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Mutex;

use http::{Request, Response};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::client::Body;
use serde_json::json;

use super::*;

fn named<K: Resource<DynamicType = ()> + Default>(uid: &str) -> Arc<K> {
    let mut object = K::default();
    object.meta_mut().uid = Some(uid.to_owned());
    Arc::new(object)
}

fn seen_objects() -> WorkloadSeen {
    WorkloadSeen {
        stateful_set: Some(named::<StatefulSet>("s-1")),
        pods: vec![named::<Pod>("p-1"), named::<Pod>("p-2")],
        claims: vec![named::<PersistentVolumeClaim>("c-1")],
        warnings: Vec::new(),
    }
}

/// A client whose every list is answered with this; and the queries that it was asked.
fn answering(code: u16, body: String) -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let queries = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        queries.lock().unwrap().push(query);
        let mut response = Response::new(Body::from(body.clone().into_bytes()));
        *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
        async move { Ok::<_, kube::Error>(response) }
    });
    (Client::new(service, "default"), asked)
}

const NOW: &str = "2026-01-02T03:04:05Z";

#[tokio::test]
async fn warnings_are_asked_for_object_by_object_and_only_about_the_newest_pod() {
    let event = json!({
        "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "uid": "p-2"},
        "type": "Warning", "reason": "FailedMount", "message": "no", "lastTimestamp": NOW,
    });
    let list = json!({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": [event]});
    let (client, asked) = answering(200, list.to_string());
    let found = warnings(&client, "tenant", &seen_objects(), NOW.parse().unwrap()).await;
    assert_eq!(found.len(), 3, "one an answer");
    let asked = asked.lock().unwrap().join("\n");
    for uid in ["s-1", "p-2", "c-1"] {
        let selector = format!("involvedObject.uid%3D{uid}");
        assert_eq!(asked.matches(&selector).count(), 1, "{asked}");
    }
    assert!(!asked.contains("p-1"), "{asked}");
}

#[tokio::test]
async fn without_its_events_a_relay_is_looked_at_all_the_same() {
    let refused = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "forbidden",
        "reason": "Forbidden", "code": 403,
    });
    let (client, asked) = answering(403, refused.to_string());
    let found = warnings(&client, "tenant", &seen_objects(), NOW.parse().unwrap()).await;
    assert_eq!(found, Vec::new());
    assert_eq!(asked.lock().unwrap().len(), 1, "it is not asked on");
}
