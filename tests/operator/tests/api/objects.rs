//! Where the objects are that these tests look at, and requests about them.

use http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// A kind, by its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    api: &'static str,
    plural: &'static str,
}

impl Place {
    const fn new(api: &'static str, plural: &'static str) -> Self {
        Self { api, plural }
    }

    /// The path of one object, or with its subresource; without a name, of all in the namespace.
    pub(crate) fn path(&self, namespace: &str, name: &str) -> String {
        let Self { api, plural } = self;
        let slash = if name.is_empty() { "" } else { "/" };
        format!("{api}/namespaces/{namespace}/{plural}{slash}{name}")
    }
}

pub(crate) const BRIDGES: Place =
    Place::new("/apis/messagingbridge.io/v1alpha1", "messagingbridges");
pub(crate) const PODS: Place = Place::new("/api/v1", "pods");
pub(crate) const CLAIMS: Place = Place::new("/api/v1", "persistentvolumeclaims");
pub(crate) const SECRETS: Place = Place::new("/api/v1", "secrets");
pub(crate) const QUOTAS: Place = Place::new("/api/v1", "resourcequotas");

/// An object that the operator makes for the bridge `acme`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child {
    pub(crate) place: Place,
    pub(crate) name: &'static str,
}

const fn child(api: &'static str, plural: &'static str, name: &'static str) -> Child {
    Child {
        place: Place::new(api, plural),
        name,
    }
}

pub(crate) const CONFIG_MAP: Child = child("/api/v1", "configmaps", "acme-relay");
pub(crate) const SERVICE_ACCOUNT: Child = child("/api/v1", "serviceaccounts", "acme-relay");
pub(crate) const PUBLIC_SERVICE: Child = child("/api/v1", "services", "acme-relay");
pub(crate) const ADMIN_SERVICE: Child = child("/api/v1", "services", "acme-relay-admin");
pub(crate) const NETWORK_POLICY: Child = child(
    "/apis/networking.k8s.io/v1",
    "networkpolicies",
    "acme-relay",
);
pub(crate) const STATEFUL_SET: Child = child("/apis/apps/v1", "statefulsets", "acme-relay");

/// All that is made for a bridge, its StatefulSet last.
pub(crate) const CHILDREN: [Child; 6] = [
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    NETWORK_POLICY,
    PUBLIC_SERVICE,
    ADMIN_SERVICE,
    STATEFUL_SET,
];

/// Asks the API server, as an administrator. A patch is merged.
pub(crate) async fn request(
    client: &Client,
    method: &Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, kube::Error> {
    let kind = if method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind)
        .body(body);
    client.request::<Value>(request.unwrap()).await
}
