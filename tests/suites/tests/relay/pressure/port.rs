//! The public port and hostile strangers: idle, slow, endless and malformed; webhooks are answered all the same.

use std::time::Duration;

use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::signed::{post_form, post_twilio, sms};
use messaging_bridge_suites::tenant::Tenant;
use messaging_bridge_suites::{SOON, eventually};
use rstest::rstest;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::RELAY;

/// Files left for everything else of this process.
const KEPT_FILES: u64 = 500;

/// How many connections this process may open, at most 10,000.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(20_000);
    let raised = Rlimit {
        current: Some(most),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("a process may use its own limit");
    let free = most.saturating_sub(KEPT_FILES).min(10_000);
    usize::try_from(free).expect("a small number")
}

async fn connect(tenant: &Tenant) -> TcpStream {
    let url = tenant.public();
    let address = (
        url.host_str().expect("an address"),
        url.port().expect("a port"),
    );
    for _ in 0..100 {
        if let Ok(stream) = TcpStream::connect(address).await {
            return stream;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the relay takes no connection");
}

/// Sends these bytes, and reads until the relay closes or `patience` ends.
async fn exchange(tenant: &Tenant, bytes: &[u8], patience: Duration) -> String {
    let mut stream = connect(tenant).await;
    // A relay that has refused already may have closed.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn webhook_is_answered(tenant: &Tenant, sid: usize) {
    let fields = sms(tenant, &format!("SM{sid:032}"), "quokka");
    let answer = post_twilio(tenant, "/twilio/inbound", &fields).await;
    assert_eq!(answer.status(), 200);
}

async fn started() -> (Tenant, Relay) {
    messaging_bridge_suites::running(RELAY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_and_slow_connections_do_not_keep_a_webhook_out() {
    let (tenant, relay) = started().await;
    webhook_is_answered(&tenant, 0).await;
    let before = relay.resident_kib();
    let mut held = Vec::new();
    for number in 0..connections() {
        let mut stream = connect(&tenant).await;
        if number % 2 == 0 {
            // A head that never ends.
            let _ = stream
                .write_all(b"POST /twilio/inbound HTTP/1.1\r\nHost: a\r\nX-Slow: ")
                .await;
        }
        held.push(stream);
        if number % 1000 == 999 {
            webhook_is_answered(&tenant, number).await;
        }
    }
    webhook_is_answered(&tenant, 99_999).await;
    let grown = relay.resident_kib().saturating_sub(before);
    assert!(
        grown < 48 * 1024,
        "{} connections cost {grown} KiB",
        held.len()
    );
    drop(held);
    relay.until_drained(SOON).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_hold_no_memory_and_are_cut() {
    let (tenant, relay) = started().await;
    let head = "POST /twilio/inbound HTTP/1.1\r\nHost: a\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n\r\n";
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(&tenant).await;
        stream.write_all(head.as_bytes()).await.expect("it is read");
        stream.write_all(b"Body=").await.expect("it is read");
        slow.push(stream);
    }
    webhook_is_answered(&tenant, 1).await;
    let mut answer = Vec::new();
    let read = slow[0].read_to_end(&mut answer);
    tokio::time::timeout(SOON, read)
        .await
        .expect("a slow request is cut")
        .expect("it is answered before");
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 408"));
    relay.until_drained(SOON).await;
    relay.stop().await;
}

#[rstest]
#[case::no_http(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not http\r\n\r\n".to_vec(), "400")]
#[case::a_word(b"quokka\r\n\r\n".to_vec(), "400")]
#[case::another_version(b"GET / HTTP/9.9\r\n\r\n".to_vec(), "400")]
#[case::a_bad_header(b"POST /twilio/inbound HTTP/1.1\r\nHost a\r\n\r\n".to_vec(), "400")]
#[case::a_bad_length(b"POST /twilio/inbound HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".to_vec(), "400")]
#[case::two_lengths(
    b"POST /twilio/inbound HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec(), "400")]
#[case::a_bad_chunk(
    b"POST /twilio/inbound HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n".to_vec(), "400")]
#[case::a_huge_header(
    [b"GET / HTTP/1.1\r\nHost: a\r\nX: ".as_slice(), &b"x".repeat(64 * 1024)[..], &b"\r\n\r\n"[..]].concat(), "431")]
#[case::many_headers(
    [b"GET / HTTP/1.1\r\nHost: a\r\n".as_slice(), &b"X: y\r\n".repeat(300)[..], &b"\r\n"[..]].concat(), "431")]
#[case::a_huge_address([b"GET /".as_slice(), &b"x".repeat(64 * 1024)[..], &b" HTTP/1.1\r\n\r\n"[..]].concat(), "4")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_refused_and_the_relay_lives_on(
    #[case] bytes: Vec<u8>,
    #[case] status: &str,
) {
    let (tenant, relay) = started().await;
    let answer = exchange(&tenant, &bytes, Duration::from_secs(5)).await;
    let expected = format!("HTTP/1.1 {status}");
    // A peer whose last bytes were never read may see its connection reset before it reads the refusal.
    assert!(
        answer.is_empty() || answer.starts_with(&expected),
        "{answer}"
    );
    webhook_is_answered(&tenant, 1).await;
    relay.until_drained(SOON).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn form_bombs_are_refused_before_they_are_taken_apart() {
    let (tenant, relay) = started().await;
    let bomb: Vec<(String, String)> = (0..100_000)
        .map(|number| (format!("f{number}"), String::new()))
        .collect();
    for _ in 0..8 {
        let answer = post_form(&tenant, "/twilio/inbound", &bomb, Some("bm90IGl0")).await;
        assert_eq!(answer.status(), 413);
    }
    webhook_is_answered(&tenant, 1).await;
    relay.until_drained(SOON).await;
    eventually("they are counted", SOON, || async {
        let text = relay.metrics().await;
        text.contains("hook=\"twilio_inbound\",verdict=\"malformed\"} 8")
            .then_some(())
    })
    .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_serves_request_after_request() {
    let (tenant, relay) = started().await;
    let request = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stream = connect(&tenant).await;
    for _ in 0..50 {
        stream.write_all(request).await.expect("it is open");
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).await.expect("it is open");
        assert!(answer[..length].starts_with(b"HTTP/1.1 404"));
    }
    relay.stop().await;
}
