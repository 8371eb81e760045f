//! Whether a live object already says what was built. Pure.
//!
//! It does when the built one is contained in it and its annotation holds the hash of what was last built. The first
//! sees a hand edit (a field of ours changed or removed), the second a field that is no longer built. What the API
//! server adds by default, and what others add, is no difference.
//!
//! Where Kubernetes has a field as one piece (`x-kubernetes-map-type: atomic`, `list-type: atomic`), an addition
//! changes what we set: one more label in a Service's selector finds no pod, one more peer in a policy lets somebody in.
//! Such fields must be the same; all of them have no defaults, but for a port's protocol, which is always built.

use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::names::HASH_ANNOTATION;
use crate::settings::quantity::amount;

/// Fields below which texts are quantities, of which one amount has many spellings.
const QUANTITIES: [&str; 2] = ["requests", "limits"];
/// By what the elements of a list are told apart, where all have it, the first that they have; by their place otherwise.
/// `volumeMounts` are told apart by their paths, since one volume may be mounted twice; `ports` of a container or
/// Service, `env`, `volumes` and `imagePullSecrets` have names, owners uids.
const KEYS: [&str; 3] = ["mountPath", "name", "uid"];
/// Fields that are one piece.
const WHOLE: [&str; 7] = [
    "selector",
    "podSelector",
    "nodeSelector",
    "tolerations",
    "items",
    "ingress",
    "egress",
];
/// Fields of which an empty value says something: everything is selected.
const SELECTORS: [&str; 2] = ["podSelector", "namespaceSelector"];

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
        // The API server leaves out what is empty.
        (Value::Null, Value::String(built)) => built.is_empty(),
        (Value::Object(live), Value::Object(built)) => contains_fields(live, built, quantities),
        (Value::Array(live), Value::Array(built)) => contains_elements(live, built, quantities),
        (Value::String(live), Value::String(built)) if quantities => same_amount(live, built),
        (live, built) => live == built,
    }
}

fn same_amount(live: &str, built: &str) -> bool {
    live == built || matches!((amount(live), amount(built)), (Some(a), Some(b)) if a == b)
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
        let live = live.get(name).unwrap_or(&Value::Null);
        if WHOLE.contains(&name.as_str()) && !is_nothing(built) {
            return meant(live) == meant(built);
        }
        contains(
            live,
            built,
            quantities || QUANTITIES.contains(&name.as_str()),
        )
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

/// A value without what the API server leaves out.
fn meant(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name, meant(value)))
            .filter(|(name, value)| says_something(name, value))
            .map(|(name, value)| (name.clone(), value))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(elements) => elements.iter().map(meant).collect(),
        other => other.clone(),
    }
}

fn says_something(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(fields) => !fields.is_empty() || SELECTORS.contains(&name),
        _ => true,
    }
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
    #[case::an_amount_on_the_server_in_its_own_spelling(
        json!({"requests": {"cpu": "500m"}}), json!({"requests": {"cpu": "0.5"}}), true)]
    #[case::an_empty_text_left_out(json!({}), json!({"value": ""}), true)]
    #[case::a_text_emptied_by_hand(json!({"value": "x"}), json!({"value": ""}), false)]
    #[case::false_is_not_nothing(json!({}), json!({"automountServiceAccountToken": false}), false)]
    #[case::a_number_is_not_its_name(json!({"targetPort": 8080}), json!({"targetPort": "http"}), false)]
    #[case::a_selector_narrowed_by_hand(
        json!({"selector": {"app": "x", "also": "y"}}), json!({"selector": {"app": "x"}}), false)]
    #[case::a_policy_opened_by_hand(
        json!({"egress": [{"ports": [{"port": 53}, {"port": 22}]}]}), json!({"egress": [{"ports": [{"port": 53}]}]}), false)]
    #[case::a_port_closed_by_hand(
        json!({"ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 1}]}]}),
        json!({"ingress": [{"ports": [{"port": 1}]}]}), false)]
    #[case::everybody_is_not_nobody(
        json!({"egress": [{"to": [{"namespaceSelector": {}}]}]}),
        json!({"egress": [{"to": [{"namespaceSelector": {}, "podSelector": {}}]}]}), false)]
    #[case::empty_parts_of_a_whole(
        json!({"egress": [{"to": [{"podSelector": {}}]}]}),
        json!({"egress": [{"to": [{"podSelector": {"matchLabels": {}}}], "ports": []}]}), true)]
    #[case::one_more_key_of_a_secret_mounted(
        json!({"items": [{"key": "a", "path": "a"}, {"key": "b", "path": "b"}]}),
        json!({"items": [{"key": "a", "path": "a"}]}), false)]
    #[case::one_volume_mounted_twice(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/b", "subPath": "b"}, {"name": "v", "mountPath": "/a"}]}),
        json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b", "subPath": "b"}]}), true)]
    #[case::a_mount_moved_onto_a_path_of_another_volume(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/a"}]}),
        json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/b"}]}), false)]
    #[case::one_more_toleration(
        json!({"tolerations": [{"key": "a"}, {"operator": "Exists"}]}), json!({"tolerations": [{"key": "a"}]}), false)]
    #[case::a_text_that_looks_like_an_amount(json!({"image": "1000m"}), json!({"image": "1"}), false)]
    fn the_built_object_is_contained_in_the_live_one(
        #[case] live: Value,
        #[case] built: Value,
        #[case] expected: bool,
    ) {
        assert_eq!(contains(&live, &built, false), expected);
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
}
