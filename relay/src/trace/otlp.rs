//! Spans in OTLP's JSON (OpenTelemetry protocol 1, `ExportTraceServiceRequest`). Pure.

use serde_json::{Value as Json, json};

use super::{Span, Value};

/// OTLP's status code of a span that failed.
const STATUS_ERROR: u8 = 2;

/// What describes the sender of all spans: names and values.
pub(super) type Resource = Vec<(String, String)>;

/// A request that carries these spans.
pub(super) fn request(resource: &Resource, spans: &[Span]) -> Json {
    let described: Vec<Json> = resource
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}))
        .collect();
    json!({
        "resourceSpans": [{
            "resource": {"attributes": described},
            "scopeSpans": [{
                "scope": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
                "spans": spans.iter().map(span).collect::<Vec<Json>>(),
            }],
        }],
    })
}

fn span(span: &Span) -> Json {
    let mut attributes: Vec<Json> = span
        .attributes
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect();
    attributes.extend(
        span.error
            .map(|kind| attribute("error.type", &Value::Word(kind))),
    );
    let mut json = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.start.as_nanosecond().to_string(),
        "endTimeUnixNano": span.end.as_nanosecond().to_string(),
        "attributes": attributes,
    });
    if let Some(parent) = span.parent {
        json["parentSpanId"] = parent.to_string().into();
    }
    if span.error.is_some() {
        json["status"] = json!({"code": STATUS_ERROR});
    }
    json
}

fn attribute(key: &str, value: &Value) -> Json {
    let value = match value {
        Value::Word(word) => json!({"stringValue": word}),
        Value::Text(text) => json!({"stringValue": text}),
        // 64-bit numbers are strings in this JSON.
        Value::Count(count) => json!({"intValue": count.to_string()}),
    };
    json!({"key": key, "value": value})
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::outbox::Direction;
    use crate::trace::{Journey, Kind};

    #[test]
    fn a_span_is_written_as_the_protocol_has_it() {
        let journey = Journey::of(Direction::Inbound, "SM1");
        let end = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        let step = journey
            .step("deliver", Kind::Client, Duration::from_millis(250), end)
            .with("messaging_bridge.try", Value::Count(2))
            .failed(Some("transient"));
        let resource = vec![("service.name".to_owned(), "relay".to_owned())];
        let request = request(
            &resource,
            &[step, journey.whole(Duration::from_secs(1), end)],
        );
        let sent = &request["resourceSpans"][0];
        assert_eq!(
            sent["resource"]["attributes"][0]["value"]["stringValue"],
            "relay"
        );
        let [step, whole] = [0, 1].map(|at| &sent["scopeSpans"][0]["spans"][at]);
        assert_eq!(step["traceId"], whole["traceId"]);
        assert_eq!(step["traceId"].as_str().map(str::len), Some(32));
        assert_eq!(step["parentSpanId"], whole["spanId"]);
        assert!(
            whole.get("parentSpanId").is_none(),
            "the whole way has no parent"
        );
        assert_eq!(step["kind"], 3);
        assert_eq!(step["startTimeUnixNano"], "1799999999750000000");
        assert_eq!(step["endTimeUnixNano"], "1800000000000000000");
        assert_eq!(step["status"]["code"], 2);
        let attributes = step["attributes"].as_array().cloned().unwrap_or_default();
        let wanted = [
            json!({"key": "messaging.message.id", "value": {"stringValue": "SM1"}}),
            json!({"key": "messaging_bridge.direction", "value": {"stringValue": "inbound"}}),
            json!({"key": "messaging_bridge.try", "value": {"intValue": "2"}}),
            json!({"key": "error.type", "value": {"stringValue": "transient"}}),
        ];
        assert_eq!(attributes, wanted);
    }
}
