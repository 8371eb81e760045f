//! An API server for the protocol between apply and the real one: which calls are made, in which order.
//!
//! It stores what is applied and answers it. It does not model: validation, defaults, field ownership (an apply replaces
//! the object), watches, garbage collection, controllers. What depends on those is tested on a real API server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::apply::Rewritten;
use crate::dereference::LiveChildren;

#[derive(Clone, Default)]
pub(super) struct FakeServer {
    state: Arc<Mutex<State>>,
    /// What the operator remembers of the answers.
    pub(super) rewritten: Arc<Rewritten>,
}

#[derive(Default)]
struct State {
    /// By `plural/name`.
    objects: BTreeMap<String, Value>,
    calls: Vec<String>,
    refusals: Vec<Refusal>,
    uids: u32,
    /// What admission makes of each object: place, pointer, value.
    rewrites: Vec<(String, String, Value)>,
}

struct Refusal {
    call: String,
    code: u16,
    message: String,
    times: usize,
}

impl FakeServer {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let bytes = body.collect_bytes().await?;
                Ok::<_, kube::Error>(server.answer(&head, &bytes))
            }
        });
        Client::new(service, "default")
    }

    /// Holds the object, as if somebody had made it; gives it a uid.
    pub(super) fn hold(&self, place: &str, object: Value) {
        self.locked(|state| state.store(place, object));
    }

    pub(super) fn object(&self, place: &str) -> Option<Value> {
        self.locked(|state| state.objects.get(place).cloned())
    }

    /// Changes a field of an object that is there.
    pub(super) fn edit(&self, place: &str, pointer: &str, value: Value) {
        self.locked(|state| {
            let object = state.objects.get_mut(place).expect("it is there");
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
            object.pointer_mut(parent).expect("the parent is there")[field] = value;
        });
    }

    /// From now on a webhook sets this field of the object whenever it is written.
    pub(super) fn rewrite(&self, place: &str, pointer: &str, value: Value) {
        let rewrite = (place.to_owned(), pointer.to_owned(), value);
        self.locked(|state| state.rewrites.push(rewrite));
    }

    /// Refuses the call, for example `PATCH statefulsets/acme-relay`, so many times.
    pub(super) fn refuse(&self, call: &str, code: u16, message: &str, times: usize) {
        self.locked(|state| {
            state.refusals.push(Refusal {
                call: call.to_owned(),
                code,
                message: message.to_owned(),
                times,
            });
        });
    }

    /// The calls since the last time.
    pub(super) fn calls(&self) -> Vec<String> {
        self.locked(|state| std::mem::take(&mut state.calls))
    }

    /// Those of them that would change something.
    pub(super) fn changes(&self) -> Vec<String> {
        let mut calls = self.calls();
        calls.retain(|call| !call.starts_with("GET"));
        calls
    }

    /// What a cache that is up to date holds.
    pub(super) fn cache(&self) -> LiveChildren {
        LiveChildren {
            config_maps: self.all("configmaps"),
            stateful_sets: self.all("statefulsets"),
            services: self.all("services"),
            service_accounts: self.all("serviceaccounts"),
            network_policies: self.all("networkpolicies"),
            claims: self.all("persistentvolumeclaims"),
            pods: self.all("pods"),
        }
    }

    fn all<K: DeserializeOwned>(&self, plural: &str) -> Vec<Arc<K>> {
        self.locked(|state| {
            let of_kind = state
                .objects
                .iter()
                .filter(|(place, _)| place.split('/').next() == Some(plural));
            of_kind
                .map(|(_, object)| {
                    Arc::new(serde_json::from_value(object.clone()).expect("it is of its kind"))
                })
                .collect()
        })
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, head: &http::request::Parts, body: &[u8]) -> Response<Body> {
        let segments: Vec<&str> = head.uri.path().rsplit('/').take(2).collect();
        let place = format!("{}/{}", segments[1], segments[0]);
        let query = head.uri.query().unwrap_or_default();
        let dry = query.contains("dryRun=All");
        let trial = if dry { "DRY " } else { "" };
        let call = format!("{trial}{} {place}", head.method);
        self.locked(|state| {
            state.calls.push(call.clone());
            if let Some((code, message)) = state.refusal(&call) {
                return failure(code, &message);
            }
            match (head.method.as_str(), state.objects.get(&place).cloned()) {
                ("GET", Some(object)) => success(&object),
                ("GET" | "DELETE", None) => failure(404, "not found"),
                ("DELETE", Some(object)) => {
                    state.calls.push(propagation(body));
                    state.objects.remove(&place);
                    success(&object)
                }
                ("PATCH", live) => {
                    let sent: Value = serde_json::from_slice(body).expect("a patch is JSON");
                    let next = if query.contains("force=true") {
                        sent
                    } else {
                        if place.starts_with("services/") {
                            state.calls.push(fields(&sent));
                        }
                        merged(live.unwrap_or_default(), sent)
                    };
                    success(&if dry { next } else { state.store(&place, next) })
                }
                (other, _) => failure(405, other),
            }
        })
    }
}

impl State {
    fn store(&mut self, place: &str, mut object: Value) -> Value {
        let known = self
            .objects
            .get(place)
            .map(|live| live["metadata"]["uid"].clone());
        self.uids += 1;
        for (_, pointer, value) in self.rewrites.iter().filter(|(of, ..)| of == place) {
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
            object.pointer_mut(parent).expect("the parent is there")[field] = value.clone();
        }
        object["metadata"]["uid"] = known.unwrap_or_else(|| json!(format!("o-{}", self.uids)));
        self.objects.insert(place.to_owned(), object.clone());
        object
    }

    fn refusal(&mut self, call: &str) -> Option<(u16, String)> {
        let refusal = self
            .refusals
            .iter_mut()
            .find(|refusal| refusal.call == call && refusal.times > 0)?;
        refusal.times -= 1;
        Some((refusal.code, refusal.message.clone()))
    }
}

/// The way in which dependents are treated, as a line of the log after the deletion's.
fn propagation(body: &[u8]) -> String {
    let options: Value = serde_json::from_slice(body).unwrap_or_default();
    format!(
        "  dependents: {}",
        options["propagationPolicy"].as_str().unwrap_or("default")
    )
}

/// The fields that a merge patch sets, two levels deep, as a line of the log.
fn fields(patch: &Value) -> String {
    let inner = |(outer, fields): (&String, &Value)| {
        let names = fields
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys());
        names
            .map(|name| format!("{outer}.{name}"))
            .collect::<Vec<_>>()
    };
    let outer = patch.as_object().into_iter().flatten();
    format!(
        "  merged: {}",
        outer.flat_map(inner).collect::<Vec<_>>().join(" ")
    )
}

fn merged(mut live: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch;
    };
    for (name, value) in patch {
        live[&name] = merged(live[&name].take(), value);
    }
    live
}

fn success(object: &Value) -> Response<Body> {
    response(200, object)
}

fn failure(code: u16, message: &str) -> Response<Body> {
    let reason = match code {
        404 => "NotFound",
        403 => "Forbidden",
        422 => "Invalid",
        _ => "BadRequest",
    };
    response(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }),
    )
}

fn response(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).expect("a status code");
    response
}
