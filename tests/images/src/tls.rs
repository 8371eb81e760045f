//! A private certificate authority, and servers behind its certificates.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate authority that no list of roots knows.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    ///
    /// When the machine has no randomness.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("an authority signs itself"),
        }
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn server(&self, hosts: &[&str]) -> ServerConfig {
        let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &self.issuer))
            .expect("host names make a certificate");
        let chain: Vec<CertificateDer<'static>> = vec![certificate.into()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key is the certificate's")
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// Listens on 127.0.0.1, port 443, and passes what it decrypts to the server of the host that the client names.
///
/// # Panics
///
/// When the port is taken.
pub async fn forward(authority: &Authority, servers: Vec<(&'static str, SocketAddr)>) {
    let hosts: Vec<&str> = servers.iter().map(|(host, _)| *host).collect();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&hosts)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 443))
        .await
        .expect("port 443 is free");
    let servers = Arc::new(servers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, servers) = (acceptor.clone(), Arc::clone(&servers));
            tokio::spawn(async move {
                // A client that trusts nobody here breaks off, and reports it itself.
                let Ok(mut inside) = acceptor.accept(stream).await else {
                    return;
                };
                let named = inside.get_ref().1.server_name().map(str::to_owned);
                let server = servers
                    .iter()
                    .find(|(host, _)| Some(*host) == named.as_deref());
                if let Some((_, address)) = server
                    && let Ok(mut outside) = TcpStream::connect(address).await
                {
                    let _ = copy_bidirectional(&mut inside, &mut outside).await;
                }
            });
        }
    });
}
