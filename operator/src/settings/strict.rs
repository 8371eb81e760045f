//! Strict reading of the parts that are Kubernetes' own types: those ignore what they do not know, and a toleration
//! with a slip in it would tolerate everything.

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::api::networking::v1::NetworkPolicyEgressRule;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A text, if there is something in it: Helm renders a value that is not set as an empty one.
pub(super) fn filled<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// `relay.resources`; an amount may be written as a number, as in any manifest.
pub(super) fn resources<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<ResourceRequirements, D::Error> {
    let mut written = Value::deserialize(input)?;
    for list in ["requests", "limits"] {
        let amounts = written.get_mut(list).and_then(Value::as_object_mut);
        for amount in amounts.into_iter().flat_map(|amounts| amounts.values_mut()) {
            if let Value::Number(number) = amount {
                *amount = Value::String(number.to_string());
            }
        }
    }
    all_of("relay.resources", &written).map_err(D::Error::custom)
}

/// `relay.tolerations`.
pub(super) fn tolerations<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Vec<Toleration>, D::Error> {
    all_of("relay.tolerations", &Value::deserialize(input)?).map_err(D::Error::custom)
}

/// `relay.networkPolicy.extraEgress`.
pub(super) fn egress<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Vec<NetworkPolicyEgressRule>, D::Error> {
    let written = Value::deserialize(input)?;
    all_of("relay.networkPolicy.extraEgress", &written).map_err(D::Error::custom)
}

/// The value as its type; an error if the type does not hold all that was written.
fn all_of<T: DeserializeOwned + Serialize>(field: &str, written: &Value) -> Result<T, String> {
    let wrong = |error: serde_json::Error| format!("{field}: {error}");
    let read: T = serde_json::from_value(written.clone()).map_err(wrong)?;
    let kept = serde_json::to_value(&read).map_err(wrong)?;
    match lost(written, &kept) {
        Some(place) => Err(format!("{field} has an unknown field {place}")),
        None => Ok(read),
    }
}

/// The place of the first field that was written and not kept.
fn lost(written: &Value, kept: &Value) -> Option<String> {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            written.iter().find_map(|(name, value)| {
                match kept.get(name) {
                    None => (!value.is_null()).then(String::new),
                    Some(kept) => lost(value, kept),
                }
                .map(|rest| match rest.as_str() {
                    "" => name.clone(),
                    rest if rest.starts_with('[') => format!("{name}{rest}"),
                    rest => format!("{name}.{rest}"),
                })
            })
        }
        (Value::Array(written), Value::Array(kept)) => {
            let pairs = written.iter().zip(kept).enumerate();
            pairs.into_iter().find_map(|(index, (written, kept))| {
                lost(written, kept).map(|rest| format!("[{index}].{rest}"))
            })
        }
        _ => None,
    }
}
