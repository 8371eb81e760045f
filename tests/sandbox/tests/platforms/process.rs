//! The sandbox as a process in a pod: on all addresses, names as targets, TLS with a private CA, a prompt end.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::rig::{Bridge, client};

/// A running process, ended with the test.
struct Process {
    child: Child,
    base: String,
    /// Kept open: the process says more than the line that is read.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_messaging-bridge-sandbox"))
            .args(["serve", "--listen", "0.0.0.0:0", "--time-scale", "0.02"])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let page = lines.next().unwrap().unwrap();
        let port = page.trim_end_matches('/').rsplit(':').next().unwrap();
        Self {
            base: format!("http://127.0.0.1:{port}"),
            child,
            _said: lines,
        }
    }

    async fn customer_sends(&self) {
        let text = client()
            .post(format!("{}/sandbox/customer/messages", self.base))
            .json(&json!({"text": "hello"}));
        assert_eq!(text.send().await.unwrap().status(), 202);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_webhook_goes_to_a_name_and_a_termination_signal_ends_the_process_at_once() {
    let (bridge, address) = Bridge::start().await;
    let to = format!(
        "bridge.example.com=http://localhost:{}",
        address.port().unwrap()
    );
    let mut process = Process::start(&["--connect", &to], &[]);
    process.customer_sends().await;
    for _ in 0..400 {
        if !bridge.received().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bridge.received()[0].header("host"), "bridge.example.com");

    // An open stream of events must not hold the end back.
    let events = client().get(format!("{}/sandbox/events", process.base));
    let _open = events.send().await.unwrap();
    let pid = process.child.id().to_string();
    let asked = Instant::now();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let code = process.child.wait().unwrap().code();
    assert_eq!(code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(2));
}

/// A bridge over TLS, whose certificate is also written to a file. Tells the first line of each request.
fn tls_bridge(roots: &Path) -> (u16, mpsc::Receiver<String>) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(roots, signed.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, connection.unwrap());
            let mut request = [0; 8192];
            let Ok(length) = stream.read(&mut request) else {
                continue;
            };
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let _ = tell.send(request.lines().next().unwrap_or_default().to_owned());
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
    });
    (port, told)
}

#[tokio::test]
async fn a_webhook_goes_over_tls_to_the_public_host_itself_with_a_root_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let roots = directory.path().join("ca.pem");
    let (port, requests) = tls_bridge(&roots);
    let public_url = format!("https://localhost:{port}/acme");
    let process = Process::start(
        &["--public-url", &public_url],
        &[("SSL_CERT_FILE", roots.to_str().unwrap())],
    );
    process.customer_sends().await;
    let waited =
        tokio::task::spawn_blocking(move || requests.recv_timeout(Duration::from_secs(20)));
    let line = waited.await.unwrap().unwrap();
    assert_eq!(line, "POST /acme/twilio/inbound HTTP/1.1");
}

#[test]
fn a_file_of_roots_that_cannot_be_used_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_messaging-bridge-sandbox"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("SSL_CERT_FILE", "/nowhere/ca.pem")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("/nowhere/ca.pem (SSL_CERT_FILE)"), "{said}");
}
