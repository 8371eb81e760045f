//! The rules of the API, against the one table that the API server is tested with too; and the proof that the table
//! leaves out no rule and no limit of the schema.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::collections::{BTreeMap, BTreeSet};

use kube::core::cel::{Validator, apply_defaults};
use messaging_bridge_crds::{REGIONS, check_manifest, openapi_schema, resolve};
use serde::Deserialize;
use serde_json::{Value, json};

const TABLE: &str = include_str!("bridge-rules.yaml");
const BASE: &str = include_str!("../examples/full.yaml");

/// Keywords of the schema that refuse values.
const LIMITS: [&str; 6] = [
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "enum",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    fill: BTreeMap<String, usize>,
    #[serde(default)]
    was: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    refused: Vec<Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    field: String,
    #[serde(default)]
    says: String,
    #[serde(default)]
    offline: String,
}

impl Case {
    fn manifest(&self) -> Value {
        let mut manifest = base();
        for (field, value) in &self.set {
            write(&mut manifest, field, value.clone());
        }
        for (field, length) in &self.fill {
            write(&mut manifest, field, Value::String("a".repeat(*length)));
        }
        manifest
    }

    /// The bridge that the case changes, where it is about a change.
    fn before(&self) -> Option<Value> {
        self.was.as_ref().map(|was| {
            let mut manifest = base();
            for (field, value) in was {
                write(&mut manifest, field, value.clone());
            }
            manifest
        })
    }

    /// What the offline check refuses: it does not know what was before.
    fn refused_offline(&self) -> &[Refusal] {
        if self.was.is_some() {
            &[]
        } else {
            &self.refused
        }
    }
}

fn table() -> Vec<Case> {
    serde_saphyr::from_str(TABLE).unwrap()
}

fn base() -> Value {
    serde_saphyr::from_str(BASE).unwrap()
}

fn write(manifest: &mut Value, field: &str, value: Value) {
    let (parents, name) = field.rsplit_once('.').unwrap_or(("", field));
    let parent = parents
        .split('.')
        .filter(|part| !part.is_empty())
        .fold(manifest, |at, part| &mut at[part]);
    let parent = parent.as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(name);
    } else {
        parent.insert(name.to_owned(), value);
    }
}

fn with_region(spelling: &str) -> String {
    let mut manifest = base();
    write(&mut manifest, "spec.genesys.region", json!(spelling));
    manifest.to_string()
}

/// The CEL rules that a manifest breaks, as `field: message`, without our own check around them.
fn broken_rules(manifest: &Value, before: Option<&Value>) -> Vec<String> {
    let schema = openapi_schema();
    let failures = Validator::new()
        .validate(&schema, &apply_defaults(&schema, manifest), before)
        .err();
    failures
        .into_iter()
        .flatten()
        .map(|failure| failure.to_string())
        .collect()
}

#[test]
fn every_case_of_the_table_is_accepted_or_refused_as_it_says() {
    for case in table() {
        let problems = check_manifest(&case.manifest().to_string())
            .err()
            .unwrap_or_default();
        let refused: BTreeSet<_> = problems
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        let expected: BTreeSet<_> = case
            .refused_offline()
            .iter()
            .map(|refusal| refusal.field.as_str())
            .collect();
        assert_eq!(refused, expected, "{}: {problems:?}", case.name);
        for Refusal {
            field,
            says,
            offline,
        } in case.refused_offline()
        {
            let expected = if offline.is_empty() { says } else { offline };
            assert!(
                problems
                    .iter()
                    .any(|problem| problem.field == *field && problem.message.contains(expected)),
                "{}: expected {field} to say {expected:?} in {problems:?}",
                case.name
            );
        }
    }
}

#[test]
fn the_cel_rules_say_what_the_table_says() {
    for case in table() {
        let says: Vec<_> = case
            .refused
            .iter()
            .filter(|refusal| !refusal.says.is_empty())
            .collect();
        if says.is_empty() {
            continue;
        }
        let broken = broken_rules(&case.manifest(), case.before().as_ref());
        for Refusal { field, says, .. } in says {
            assert!(
                broken
                    .iter()
                    .any(|text| text.starts_with(&format!("{field}: ")) && text.contains(says)),
                "{}: expected {field} to say {says:?} in {broken:?}",
                case.name
            );
        }
    }
}

#[test]
fn a_plain_mistake_breaks_one_rule_only() {
    for case in table() {
        let says: Vec<_> = case
            .refused
            .iter()
            .filter(|refusal| !refusal.says.is_empty())
            .collect();
        if let [only] = says[..]
            && case.refused.len() == 1
        {
            assert_eq!(
                broken_rules(&case.manifest(), case.before().as_ref()).len(),
                1,
                "{} ({})",
                case.name,
                only.field
            );
        }
    }
}

#[test]
fn the_table_breaks_every_rule_and_every_limit_of_the_schema() {
    let schema = openapi_schema();
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .build(&schema)
        .unwrap();
    let mut broken = BTreeSet::new();
    for case in table() {
        let manifest = case.manifest();
        let mut is_structural = false;
        for error in validator.iter_errors(&manifest) {
            let field = error
                .instance_path()
                .as_str()
                .trim_start_matches('/')
                .replace('/', ".");
            let keyword = error.kind().keyword();
            is_structural |= matches!(keyword, "type" | "required");
            broken.insert(match error.kind() {
                jsonschema::error::ValidationErrorKind::Required { property } => {
                    format!("{field} required {}", property.as_str().unwrap())
                }
                _ => format!("{field} {keyword}"),
            });
        }
        if !is_structural {
            broken.extend(broken_rules(&manifest, case.before().as_ref()));
        }
    }
    let mut unbroken = BTreeSet::new();
    collect_limits(&schema, "", &mut unbroken);
    assert!(
        unbroken.len() > 40,
        "the walk over the schema finds its limits: {unbroken:?}"
    );
    unbroken.retain(|limit| !broken.contains(limit));
    assert!(unbroken.is_empty(), "no case breaks {unbroken:#?}");
}

fn collect_limits(schema: &Value, field: &str, limits: &mut BTreeSet<String>) {
    if !field.is_empty() {
        limits.insert(format!("{field} type"));
    }
    limits.extend(
        LIMITS
            .iter()
            .filter(|limit| schema.get(**limit).is_some())
            .map(|limit| format!("{field} {limit}")),
    );
    for name in schema["required"].as_array().into_iter().flatten() {
        limits.insert(format!("{field} required {}", name.as_str().unwrap()));
    }
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        limits.insert(format!("{field}: {}", rule["message"].as_str().unwrap()));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        // Nobody but the operator writes the status.
        if field.is_empty() && name == "status" {
            continue;
        }
        let path = if field.is_empty() {
            name.clone()
        } else {
            format!("{field}.{name}")
        };
        collect_limits(property, &path, limits);
    }
}

#[test]
fn every_spelling_of_every_region_is_accepted_by_the_rules_too() {
    for region in REGIONS {
        for spelling in [Some(region.aws), Some(region.domain), region.code()]
            .into_iter()
            .flatten()
        {
            assert_eq!(
                check_manifest(&with_region(spelling)).err(),
                None,
                "{spelling}"
            );
        }
        for prefix in ["api.", "login.", "https://api.", "https://login."] {
            let spelling = format!("{prefix}{}", region.domain);
            let problems = check_manifest(&with_region(&spelling)).unwrap_err();
            assert!(
                problems[0]
                    .message
                    .ends_with(&format!("write {}", region.domain)),
                "{problems:?}"
            );
        }
    }
}

#[test]
fn the_rules_and_the_table_of_regions_agree_on_every_spelling() {
    let mut spellings: Vec<String> = [
        "",
        "use1",
        "-.pure.cloud",
        "a-.pure.cloud",
        ".pure.cloud",
        "a..pure.cloud",
        "a_b.pure.cloud",
        "A.pure.cloud",
        "api.pure.cloud",
        "apis.pure.cloud",
        "login",
        "api.",
        "pure.cloud",
        "é.pure.cloud",
        "us-gov-pure.cloud",
        "a.b.c.eusc-pure.cloud",
        "usw2.pure.cloud.",
        "usw2.pure.cloud\n",
        "mypurecloud.com\n",
        "mypurecloud",
    ]
    .map(str::to_owned)
    .to_vec();
    for region in REGIONS {
        for spelling in [Some(region.aws), Some(region.domain), region.code()]
            .into_iter()
            .flatten()
        {
            spellings
                .extend(["", "x", " ", "/", ":443", ".com"].map(|end| format!("{spelling}{end}")));
            spellings.extend(
                ["api.", "x.", "https://", "@", "-"].map(|start| format!("{start}{spelling}")),
            );
        }
    }
    for spelling in spellings {
        let mut manifest = base();
        write(&mut manifest, "spec.genesys.region", json!(spelling));
        assert_eq!(
            broken_rules(&manifest, None).is_empty(),
            resolve(&spelling).is_ok(),
            "{spelling:?}"
        );
    }
}
