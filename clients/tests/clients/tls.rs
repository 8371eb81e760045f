//! TLS for real: a server whose certificate only the file of further roots vouches for.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use messaging_bridge_clients::ErrorKind;
use messaging_bridge_clients::http::{client, client_with_roots};
use messaging_bridge_clients::twilio::{
    AccountSid, AccountStatus, TwilioClient, TwilioCredentials,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use secrecy::SecretString;
use url::Url;

/// Self-signed for `localhost`, valid until 2126. The key is in the repository: it protects nothing.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/localhost.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/localhost.key");

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\nConnection: close\r\n\r\n{\"status\":\"active\"}";

/// Starts a server that answers each connection with an active account.
fn serve() -> Url {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, connection.unwrap());
            // A client that does not trust us hangs up here.
            if stream.read(&mut [0; 4096]).is_ok() {
                stream.write_all(ANSWER).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
        }
    });
    format!("https://localhost:{port}").parse().unwrap()
}

fn twilio(http: reqwest::Client, base: Url) -> TwilioClient {
    let token = TwilioCredentials::AuthToken(SecretString::from("token"));
    TwilioClient::new(http, base, AccountSid::new("AC1"), vec![token])
}

#[tokio::test]
async fn a_certificate_of_the_further_roots_is_trusted() {
    let http = client_with_roots("test/1", Some(Path::new(CERTIFICATE))).unwrap();
    let status = twilio(http, serve()).account().await.unwrap();
    assert_eq!(status, AccountStatus::Active);
}

#[tokio::test]
async fn any_other_certificate_is_not_and_the_request_never_left() {
    let http = client("test/1").unwrap();
    let error = twilio(http, serve()).account().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert_eq!(error.status, None);
    assert!(error.message.contains("certificate"), "{error}");
}
