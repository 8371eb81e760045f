//! Sends spans to a collector: in batches, in the background, dropped when it is behind.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use url::Url;

use super::otlp::{self, Resource};
use super::{Span, Tracer};

/// Spans that wait for the collector at most; further ones are dropped.
const QUEUE: usize = 2048;
/// Spans in one request at most.
const BATCH: usize = 256;
/// A span waits this long for others to go with it.
const GATHER: Duration = Duration::from_secs(1);
/// A collector that takes longer is given up for this batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where spans go, from the environment variables that OpenTelemetry has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    headers: Vec<(String, String)>,
    resource: Resource,
}

/// Why the environment names no usable collector.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an address.
    #[error("{variable} must be an http:// or https:// URL, like http://collector:4318")]
    NoUrl {
        /// Which variable.
        variable: &'static str,
    },
    /// A protocol that the relay does not speak.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL must be http/json (or unset): the relay speaks no other")]
    Protocol,
    /// Pairs that are none. Their values may be secrets, and are not shown.
    #[error("{variable} must be name=value pairs with commas between them")]
    NoPairs {
        /// Which variable.
        variable: &'static str,
    },
}

impl Endpoint {
    /// Reads the environment; `None` when it names no collector.
    pub fn from_environment(
        bridge: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, EndpointError> {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let (all, traces) = (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        );
        let url = match (set(traces), set(all)) {
            (Some(url), _) => address(traces, &url)?,
            (None, Some(base)) => {
                let base = address(all, &base)?;
                let path = format!("{}/v1/traces", base.path().trim_end_matches('/'));
                let mut url = base;
                url.set_path(&path);
                url
            }
            (None, None) => return Ok(None),
        };
        let protocol = set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            .or_else(|| set("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if protocol.is_some_and(|protocol| protocol.trim() != "http/json") {
            return Err(EndpointError::Protocol);
        }
        let headers = pairs(
            "OTEL_EXPORTER_OTLP_HEADERS",
            set("OTEL_EXPORTER_OTLP_HEADERS"),
        )?;
        let mut resource = BTreeMap::from([
            ("service.name".to_owned(), env!("CARGO_PKG_NAME").to_owned()),
            (
                "service.version".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
            ("service.instance.id".to_owned(), bridge.to_owned()),
        ]);
        resource.extend(pairs(
            "OTEL_RESOURCE_ATTRIBUTES",
            set("OTEL_RESOURCE_ATTRIBUTES"),
        )?);
        resource.extend(set("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name)));
        Ok(Some(Self {
            url,
            headers,
            resource: resource.into_iter().collect(),
        }))
    }

    /// Its host, to be logged: a path or a user may hold a secret.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

fn address(variable: &'static str, value: &str) -> Result<Url, EndpointError> {
    Url::parse(value.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(EndpointError::NoUrl { variable })
}

fn pairs(
    variable: &'static str,
    value: Option<String>,
) -> Result<Vec<(String, String)>, EndpointError> {
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text.trim())
            .decode_utf8_lossy()
            .into_owned()
    };
    value
        .unwrap_or_default()
        .split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| {
            let (name, value) = pair
                .split_once('=')
                .ok_or(EndpointError::NoPairs { variable })?;
            Ok((decoded(name), decoded(value)))
        })
        .collect()
}

/// The exporter at work.
pub struct Flush {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Flush {
    /// Takes no more spans, and waits until those that are here were sent; not longer than a collector is given.
    pub async fn wait(self) {
        // An exporter that has ended already needs no telling.
        let _ = self.end.send(());
        let _ = tokio::time::timeout(PATIENCE, self.task).await;
    }
}

/// Starts to export.
pub fn start(endpoint: Endpoint, http: reqwest::Client) -> (Tracer, Flush) {
    let (spans, inbox) = mpsc::channel(QUEUE);
    let (end, ended) = oneshot::channel();
    let task = tokio::spawn(run(endpoint, http, inbox, ended));
    (Tracer(Some(spans)), Flush { end, task })
}

/// Adds what is there, up to a batch, within [`GATHER`] of the first. Once nobody may send any more, what is left.
async fn gather(
    inbox: &mut mpsc::Receiver<Span>,
    ended: &mut oneshot::Receiver<()>,
    batch: &mut Vec<Span>,
) {
    if !inbox.is_closed() {
        tokio::select! {
            _ = inbox.recv_many(batch, BATCH) => {}
            _ = &mut *ended => inbox.close(),
        }
    }
    let closed = inbox.is_closed();
    let more = async { while batch.len() < BATCH && inbox.recv_many(batch, BATCH).await > 0 {} };
    if closed {
        more.await;
    } else {
        // Late is well: what came until then goes.
        let _ = tokio::time::timeout(GATHER, more).await;
    }
}

async fn run(
    endpoint: Endpoint,
    http: reqwest::Client,
    mut inbox: mpsc::Receiver<Span>,
    mut ended: oneshot::Receiver<()>,
) {
    let mut failing = false;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        gather(&mut inbox, &mut ended, &mut batch).await;
        if batch.is_empty() {
            return;
        }
        let result = send(&endpoint, &http, &batch).await;
        // Said once, not with every batch.
        match (&result, failing) {
            (Err(why), false) => {
                tracing::warn!(why, host = endpoint.host(), "traces are not taken");
            }
            (Ok(()), true) => tracing::info!(host = endpoint.host(), "traces are taken again"),
            _ => {}
        }
        failing = result.is_err();
        batch.clear();
    }
}

/// Sends one batch; a batch that is not taken is gone. The reason is named without the address and its headers.
async fn send(endpoint: &Endpoint, http: &reqwest::Client, batch: &[Span]) -> Result<(), String> {
    let mut request = http
        .post(endpoint.url.clone())
        .timeout(PATIENCE)
        .json(&otlp::request(&endpoint.resource, batch));
    for (name, value) in &endpoint.headers {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Err("no answer in time".into()),
        Err(error) if error.is_connect() => Err("nobody answers".into()),
        Err(_) => Err("the request failed".into()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<Endpoint>, EndpointError> {
        Endpoint::from_environment("default/acme", |name| {
            let found = set.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[rstest]
    #[case("below a base", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")], "http://collector:4318/v1/traces")]
    #[case("below a path", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example/otlp/")], "https://o.example/otlp/v1/traces")]
    #[case("as it stands", &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/x")], "http://c/x")]
    fn the_address_is_as_opentelemetry_has_it(
        #[case] case: &str,
        #[case] set: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let endpoint = read(set).expect("it is valid").expect("it is set");
        assert_eq!(endpoint.url.as_str(), expected, "{case}");
    }

    #[rstest]
    #[case("nothing", &[])]
    #[case("nothing but blanks", &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])]
    fn without_an_address_nothing_is_exported(#[case] case: &str, #[case] set: &[(&str, &str)]) {
        assert_eq!(read(set), Ok(None), "{case}");
    }

    #[rstest]
    #[case(
        "no URL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "collector:4318",
        "must be an http://"
    )]
    #[case("gRPC", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "must be http/json")]
    #[case("no pairs", "OTEL_EXPORTER_OTLP_HEADERS", "s3cr3t", "name=value")]
    fn what_cannot_be_used_is_named_without_its_value(
        #[case] case: &str,
        #[case] variable: &str,
        #[case] value: &str,
        #[case] words: &str,
    ) {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
        let set = if variable == base.0 {
            vec![(variable, value)]
        } else {
            vec![base, (variable, value)]
        };
        let error = read(&set).expect_err("it is refused").to_string();
        assert!(
            error.contains(words) && error.contains(variable),
            "{case}: {error}"
        );
        assert!(!error.contains("s3cr3t"), "{case}: {error}");
    }

    #[test]
    fn headers_and_resource_are_read_and_decoded() {
        let endpoint = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=y"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,env=prod"),
            ("OTEL_SERVICE_NAME", "acme-relay"),
        ]);
        let endpoint = endpoint.expect("it is valid").expect("it is set");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(endpoint.headers, [pair("api-key", "a b"), pair("x", "y")]);
        assert!(
            endpoint
                .resource
                .contains(&pair("service.name", "acme-relay"))
        );
        assert!(
            endpoint
                .resource
                .contains(&pair("service.instance.id", "default/acme"))
        );
        assert!(endpoint.resource.contains(&pair("env", "prod")));
    }
}
