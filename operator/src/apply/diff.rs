//! Whether a live object already says what was built. Pure.
//!
//! It does when the built one is contained in it and its annotation holds the hash of what was last built. The first
//! sees a hand edit (a field of ours changed or removed), the second a field that is no longer built. What the API
//! server adds by default, and what others add, is no difference.

use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::names::HASH_ANNOTATION;

/// Fields below which texts are quantities, of which one amount has many spellings: `1Gi` is `1024Mi`.
const QUANTITIES: [&str; 2] = ["requests", "limits"];
/// By what the elements of a list are told apart, where they have it; by their place otherwise.
const KEYS: [&str; 4] = ["name", "mountPath", "key", "uid"];

/// Whether `live` needs no apply.
pub fn is_current<K: Resource + Serialize>(built: &K, live: &K) -> bool {
    let hashes = [built, live].map(|object| object.annotations().get(HASH_ANNOTATION));
    if hashes[0] != hashes[1] {
        return false;
    }
    match (serde_json::to_value(built), serde_json::to_value(live)) {
        (Ok(built), Ok(live)) => contains(&live, &built, false),
        _ => false,
    }
}

/// Whether `live` says all that `built` says.
fn contains(live: &Value, built: &Value, quantities: bool) -> bool {
    match (live, built) {
        (_, built) if is_nothing(built) => true,
        (Value::Object(live), Value::Object(built)) => contains_fields(live, built, quantities),
        (Value::Array(live), Value::Array(built)) => contains_elements(live, built, quantities),
        (Value::String(live), Value::String(built)) if quantities => {
            live == built || matches!((amount(live), amount(built)), (Some(a), Some(b)) if a == b)
        }
        (live, built) => live == built,
    }
}

/// The API server leaves these out.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}

fn contains_fields(
    live: &Map<String, Value>,
    built: &Map<String, Value>,
    quantities: bool,
) -> bool {
    built.iter().all(|(name, built)| {
        let quantities = quantities || QUANTITIES.contains(&name.as_str());
        contains(live.get(name).unwrap_or(&Value::Null), built, quantities)
    })
}

fn contains_elements(live: &[Value], built: &[Value], quantities: bool) -> bool {
    let Some(key) = KEYS
        .into_iter()
        .find(|key| built.iter().all(|element| element.get(key).is_some()))
    else {
        // Without names the order counts, and so does each element that was added.
        return live.len() == built.len()
            && live
                .iter()
                .zip(built)
                .all(|(live, built)| contains(live, built, quantities));
    };
    built.iter().all(|built| {
        live.iter()
            .any(|live| live.get(key) == built.get(key) && contains(live, built, quantities))
    })
}

/// A quantity in thousandths (`apimachinery/pkg/api/resource`), if it is one and fits.
pub(super) fn amount(text: &str) -> Option<i128> {
    let end = text
        .find(|letter: char| !(letter.is_ascii_digit() || letter == '.' || letter == '-'))
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let thousandths: i128 = match unit {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let number: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(number.checked_mul(thousandths)? / scale)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::build::{build, fixture};
    use k8s_openapi::api::apps::v1::StatefulSet;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::the_same(json!({"a": 1}), json!({"a": 1}), true)]
    #[case::defaults_of_the_server(json!({"a": 1, "protocol": "TCP"}), json!({"a": 1}), true)]
    #[case::a_hand_edit(json!({"a": 2}), json!({"a": 1}), false)]
    #[case::a_field_removed(json!({}), json!({"a": 1}), false)]
    #[case::nothing_wanted(json!({}), json!({"a": {}, "b": [], "c": null}), true)]
    #[case::an_element_added_by_others(
        json!({"l": [{"name": "x", "v": 1}, {"name": "y"}]}), json!({"l": [{"name": "x", "v": 1}]}), true)]
    #[case::named_elements_in_another_order(
        json!({"l": [{"name": "y"}, {"name": "x"}]}), json!({"l": [{"name": "x"}, {"name": "y"}]}), true)]
    #[case::a_named_element_edited(json!({"l": [{"name": "x", "v": 2}]}), json!({"l": [{"name": "x", "v": 1}]}), false)]
    #[case::a_named_element_removed(json!({"l": []}), json!({"l": [{"name": "x"}]}), false)]
    #[case::plain_elements_in_another_order(json!({"l": ["b", "a"]}), json!({"l": ["a", "b"]}), false)]
    #[case::a_plain_element_added(json!({"l": ["a", "b"]}), json!({"l": ["a"]}), false)]
    #[case::one_amount_in_two_spellings(
        json!({"requests": {"storage": "1Gi", "cpu": "1"}}), json!({"requests": {"storage": "1024Mi", "cpu": "1000m"}}), true)]
    #[case::another_amount(json!({"limits": {"memory": "1G"}}), json!({"limits": {"memory": "1Gi"}}), false)]
    #[case::a_text_that_looks_like_an_amount(json!({"image": "1000m"}), json!({"image": "1"}), false)]
    fn the_built_object_is_contained_in_the_live_one(
        #[case] live: Value,
        #[case] built: Value,
        #[case] expected: bool,
    ) {
        assert_eq!(contains(&live, &built, false), expected);
    }

    #[rstest]
    #[case("1", Some(1_000))]
    #[case("100m", Some(100))]
    #[case("0.5", Some(500))]
    #[case("1.5Gi", Some(1_610_612_736_000))]
    #[case("1E3", None)]
    #[case("x", None)]
    fn amounts_are_read(#[case] text: &str, #[case] expected: Option<i128>) {
        assert_eq!(amount(text), expected);
    }

    fn stateful_set() -> StatefulSet {
        build(&fixture::validated())
            .unwrap()
            .into_parts()
            .stateful_set
    }

    #[test]
    fn what_was_built_before_is_a_difference_though_the_live_object_contains_all() {
        let built = stateful_set();
        let mut live = built.clone();
        assert!(is_current(&built, &live));
        live.annotations_mut()
            .insert(HASH_ANNOTATION.to_owned(), "older".to_owned());
        assert!(!is_current(&built, &live));
    }

    #[test]
    fn what_the_controller_writes_is_no_difference() {
        let built = stateful_set();
        let mut live = built.clone();
        live.metadata.resource_version = Some("7".to_owned());
        live.status = Some(k8s_openapi::api::apps::v1::StatefulSetStatus::default());
        let spec = live.spec.as_mut().unwrap();
        spec.min_ready_seconds = Some(0);
        spec.template.spec.as_mut().unwrap().restart_policy = Some("Always".to_owned());
        assert!(is_current(&built, &live));
        live.spec.as_mut().unwrap().replicas = Some(0);
        assert!(!is_current(&built, &live));
    }
}
