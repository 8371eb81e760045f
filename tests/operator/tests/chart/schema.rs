//! The schema and the values have the same keys: what is documented can be set, and what can be set is documented.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rig::read;

/// Objects whose keys are the user's own.
const FREE: [&str; 4] = ["nodeSelector", "podLabels", "podAnnotations", "resources"];

fn schema() -> Value {
    serde_json::from_str(&read("charts/messaging-bridge/values.schema.json")).unwrap()
}

/// The part of the schema itself, where it is defined elsewhere.
fn resolved<'a>(schema: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(place) => schema.pointer(place.trim_start_matches('#')).unwrap(),
        None => part,
    }
}

/// The path of each value that the values file has.
fn written(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let last = path.rsplit('.').next().unwrap_or_default();
    match value.as_object() {
        Some(keys) if !FREE.contains(&last) => {
            for (key, value) in keys {
                written(value, &format!("{path}.{key}"), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// The path of each value that the schema knows; every object must want all its keys and no others.
fn known(schema: &Value, part: &Value, path: &str, found: &mut BTreeSet<String>) {
    let part = resolved(schema, part);
    let last = path.rsplit('.').next().unwrap_or_default();
    match part["properties"].as_object() {
        Some(keys) if !FREE.contains(&last) => {
            assert_eq!(part["additionalProperties"], false, "{path}");
            let names = |list: &Value| -> BTreeSet<String> {
                let all = list.as_array().into_iter().flatten();
                all.map(|name| name.as_str().unwrap().to_owned()).collect()
            };
            let own = keys
                .keys()
                .filter(|key| *key != "global")
                .cloned()
                .collect();
            assert_eq!(names(&part["required"]), own, "required in {path:?}");
            for (key, part) in keys.iter().filter(|(key, _)| *key != "global") {
                known(schema, part, &format!("{path}.{key}"), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn the_schema_has_exactly_the_keys_of_the_values() {
    let values: Value =
        serde_saphyr::from_str(&read("charts/messaging-bridge/values.yaml")).unwrap();
    let schema = schema();
    let (mut in_values, mut in_schema) = (BTreeSet::new(), BTreeSet::new());
    written(&values, "", &mut in_values);
    known(&schema, &schema, "", &mut in_schema);
    assert_eq!(in_values, in_schema);
}

#[test]
fn what_operator_and_relay_have_in_common_has_one_form() {
    let schema = schema();
    let of = |part: &str| {
        schema["properties"][part]["properties"]
            .as_object()
            .unwrap()
    };
    for (name, form) in of("relay") {
        if let Some(other) = of("operator").get(name) {
            assert_eq!(form, other, "{name}");
        }
    }
}

#[test]
fn the_full_example_sets_every_value_that_is_not_for_tests() {
    let (mut all, mut set) = (BTreeSet::new(), BTreeSet::new());
    for (file, found) in [("values.yaml", &mut all), ("examples/full.yaml", &mut set)] {
        let text = read(&format!("charts/messaging-bridge/{file}"));
        written(&serde_saphyr::from_str(&text).unwrap(), "", found);
    }
    let not_there: Vec<&String> = all
        .difference(&set)
        .filter(|path| !path.starts_with(".platforms."))
        .collect();
    assert_eq!(
        not_there,
        [
            ".crds.install",
            ".crds.takeOwnership",
            ".nameOverride",
            ".operator.replicas"
        ]
    );
}
