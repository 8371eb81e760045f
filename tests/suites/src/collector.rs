//! A collector of traces: takes OTLP over HTTP as JSON, and keeps every span. It speaks as much HTTP/1.1 as that needs:
//! a body with a length, and no more than one request on a connection.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A running collector; it ends with the runtime.
#[derive(Clone)]
pub struct Collector {
    /// Its base address.
    pub url: String,
    taken: Arc<Mutex<String>>,
}

/// A span as it was exported.
#[derive(Debug, Clone)]
pub struct SpanSeen {
    /// Its name.
    pub name: String,
    /// Its trace.
    pub trace: String,
    /// Its id.
    pub id: String,
    /// The span above it.
    pub parent: Option<String>,
    /// `error.type`, when it failed.
    pub error: Option<String>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When the machine has no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let collector = Self {
            url: format!("http://{address}"),
            taken: Arc::default(),
        };
        let taken = Arc::clone(&collector.taken);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(take(connection, Arc::clone(&taken)));
            }
        });
        collector
    }

    /// Everything that was sent, a request a line.
    ///
    /// # Panics
    ///
    /// Never, unless another test thread panicked.
    pub fn text(&self) -> String {
        let taken = self.taken.lock();
        taken
            .expect("no test panics while it holds this lock")
            .clone()
    }

    /// All spans, in the order in which they came.
    ///
    /// # Panics
    ///
    /// When what was sent is not OTLP.
    pub fn spans(&self) -> Vec<SpanSeen> {
        let text = self.text();
        let requests = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("OTLP is JSON"));
        let spans = requests.flat_map(|request| {
            let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
            spans.cloned().expect("a request carries spans")
        });
        spans.map(|span| seen(&span)).collect()
    }
}

fn seen(span: &Value) -> SpanSeen {
    let word = |name: &str| span[name].as_str().map(str::to_owned);
    let attributes = span["attributes"].as_array();
    let error = attributes
        .into_iter()
        .flatten()
        .find(|attribute| attribute["key"] == "error.type");
    SpanSeen {
        name: word("name").unwrap_or_default(),
        trace: word("traceId").unwrap_or_default(),
        id: word("spanId").unwrap_or_default(),
        parent: word("parentSpanId"),
        error: error.and_then(|error| error["value"]["stringValue"].as_str().map(str::to_owned)),
    }
}

async fn take(mut connection: TcpStream, taken: Arc<Mutex<String>>) -> Option<()> {
    let mut request = Vec::new();
    let body = loop {
        if connection.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        if let Some(body) = whole_body(&request) {
            break body;
        }
    };
    {
        let mut taken = taken.lock().ok()?;
        taken.push_str(&body);
        taken.push('\n');
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    connection.write_all(answer.as_bytes()).await.ok()
}

/// The body, once all of it is there.
fn whole_body(request: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(request);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length
            .then(|| value.trim().parse::<usize>().ok())
            .flatten()
    })?;
    (body.len() >= length).then(|| body.to_owned())
}
