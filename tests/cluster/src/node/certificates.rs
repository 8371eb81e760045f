//! The cluster's certificates and the KUBECONFIG of each of its clients, made anew for each run.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

use super::{ADDRESS, API_PORT, API_SERVICE, NAME};
use crate::ClusterError;

/// The clients inside: (the KUBECONFIG's name, user, group).
///
/// The controllers act with all rights under their own name: with an account each, as on a real cluster, they start
/// seconds later and prove nothing about ours.
const CLIENTS: [(&str, &str, &str); 6] = [
    ("admin", "admin", "system:masters"),
    (
        "controller-manager",
        "system:kube-controller-manager",
        "system:masters",
    ),
    ("scheduler", "system:kube-scheduler", "system:masters"),
    ("coredns", "system:coredns", "system:masters"),
    ("kubelet", "system:node:node1", "system:nodes"),
    ("proxy", "system:kube-proxy", "system:node-proxier"),
];

/// Writes `pki/` and `kubeconfigs/` below `folder`; `outside` is the address that the host reaches the API server at.
pub(crate) fn write(folder: &Path, outside: std::net::SocketAddr) -> Result<(), ClusterError> {
    let authority = authority()?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .map_err(ClusterError::file(&path))
    };
    put("pki/ca.crt", authority.pem())?;
    let accounts = KeyPair::generate()?;
    put("pki/accounts.key", accounts.serialize_pem())?;
    put("pki/accounts.pub", accounts.public_key_pem())?;
    let api = [
        "127.0.0.1",
        ADDRESS,
        API_SERVICE,
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    for (name, common, names) in [
        ("api-server", "kube-apiserver", &api[..]),
        ("kubelet-server", NAME, &[ADDRESS, NAME]),
    ] {
        let (certificate, key) = issue(&authority, common, "", names)?;
        put(&format!("pki/{name}.crt"), certificate)?;
        put(&format!("pki/{name}.key"), key)?;
    }
    let (certificate, key) = issue(
        &authority,
        "kube-apiserver-kubelet-client",
        "system:masters",
        &[],
    )?;
    put("pki/api-client.crt", certificate)?;
    put("pki/api-client.key", key)?;
    let inside = format!("https://{ADDRESS}:{API_PORT}");
    for (name, user, group) in CLIENTS {
        let (certificate, key) = issue(&authority, user, group, &[])?;
        let file = |server: &str| kubeconfig(server, &authority.pem(), &certificate, &key);
        put(&format!("kubeconfigs/{name}.yaml"), file(&inside))?;
        if name == "admin" {
            put("kubeconfig", file(&format!("https://{outside}")))?;
        }
    }
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, ClusterError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("messaging-bridge test cluster", "");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    common: &str,
    group: &str,
    names: &[&str],
) -> Result<(String, String), ClusterError> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = name(common, group);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((
        params.signed_by(&key, authority)?.pem(),
        key.serialize_pem(),
    ))
}

fn name(common: &str, organization: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    if !organization.is_empty() {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

fn kubeconfig(server: &str, authority: &str, certificate: &str, key: &str) -> String {
    // JSON is YAML.
    let value = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": {
            "server": server, "certificate-authority-data": base64(authority) }}],
        "users": [{"name": "user", "user": {
            "client-certificate-data": base64(certificate), "client-key-data": base64(key) }}],
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "cluster",
    });
    format!("{value:#}\n")
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
