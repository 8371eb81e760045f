//! An Ingress controller for the cluster: a TLS proxy with a certificate of a private authority, which the sandbox then
//! trusts as the platforms trust public ones.
//!
//! `https://ingress.example.com/kept/NAMESPACE/...` leads to the bridge `acme` of that namespace with the whole path,
//! `/stripped/NAMESPACE/...` without the prefix.

use messaging_bridge_cluster::{Cluster, Output};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use crate::tenant::{apply, kubectl};

/// The public host.
pub const HOST: &str = "ingress.example.com";
const NAMESPACE: &str = "ingress";
const NAME: &str = "ingress";
const ROOTS: &str = "/etc/authority/ca.crt";

/// Starts the proxy, and makes the sandbox resolve and trust it: its pod is made anew.
///
/// # Panics
///
/// When one of them does not start.
pub async fn start(cluster: &Cluster) {
    let authority = authority();
    apply(cluster, &proxy(&authority)).await;
    let address = kubectl(
        cluster,
        &[
            "-n",
            NAMESPACE,
            "get",
            "service",
            NAME,
            "-o=jsonpath={.spec.clusterIP}",
        ],
    )
    .await;
    apply(
        cluster,
        &[json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "authority", "namespace": "platforms"},
            "data": {"ca.crt": authority.pem()},
        })],
    )
    .await;
    let patch = trust(address.trim()).to_string();
    let sandbox = [
        "-n",
        "platforms",
        "patch",
        "deployment",
        "sandbox",
        "-p",
        &patch,
    ];
    kubectl(cluster, &sandbox).await;
    for (namespace, deployment) in [(NAMESPACE, NAME), ("platforms", "sandbox")] {
        let name = format!("deployment/{deployment}");
        let wait = ["-n", namespace, "rollout", "status", &name, "--timeout=90s"];
        if let Err(error) = cluster.kubectl(&wait).await.and_then(Output::ok) {
            panic!("{error}");
        }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("an authority signs itself")
}

fn proxy(authority: &CertifiedIssuer<'_, KeyPair>) -> [Value; 4] {
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = CertificateParams::new(vec![HOST.to_owned()])
        .and_then(|params| params.signed_by(&key, authority))
        .expect("a host name makes a certificate");
    let metadata = || json!({"name": NAME, "namespace": NAMESPACE});
    let labels = json!({"app.kubernetes.io/name": NAME});
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata(), "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate.pem(), "tls.key": key.serialize_pem()},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(),
            "spec": {"selector": labels, "ports": [{"port": 443, "targetPort": 8443}]},
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(),
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "automountServiceAccountToken": false,
                        "containers": [{
                            "name": NAME,
                            "image": concat!("ghcr.io/messaging-bridge/ingress:", env!("CARGO_PKG_VERSION")),
                            "imagePullPolicy": "IfNotPresent",
                            "args": [
                                "--certificate=/tls/tls.crt",
                                "--key=/tls/tls.key",
                                "--route=/kept/{ns}=http://acme-relay.{ns}.svc",
                                "--route=/stripped/{ns}=strip:http://acme-relay.{ns}.svc",
                            ],
                            "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 2},
                            "volumeMounts": [{"name": "tls", "mountPath": "/tls", "readOnly": true}],
                        }],
                        "volumes": [{"name": "tls", "secret": {"secretName": NAME}}],
                    },
                },
            },
        }),
    ]
}

/// The public host leads to the proxy, and its authority is trusted.
fn trust(address: &str) -> Value {
    json!({"spec": {"template": {"spec": {
        "hostAliases": [{"ip": address, "hostnames": [HOST]}],
        "volumes": [{"name": "authority", "configMap": {"name": "authority"}}],
        "containers": [{
            "name": "sandbox",
            "env": [{"name": "SSL_CERT_FILE", "value": ROOTS}],
            "volumeMounts": [{"name": "authority", "mountPath": "/etc/authority"}],
        }],
    }}}})
}
