//! What a manifest breaks in the schema, said as the thing to change.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::{DOCUMENT, Problem};

/// How alike an unknown field and a known one must be to be taken for a slip (1 is the same).
const LIKENESS: f64 = 0.6;

/// A broken rule, and how it bears on the others.
pub(super) struct Violation {
    pub(super) problem: Problem,
    /// A required field is missing or a value has the wrong type: CEL rules can not run.
    pub(super) is_structural: bool,
    /// A pattern, whose CEL rule says the same in words.
    pub(super) is_pattern: bool,
}

impl Violation {
    pub(super) fn of_rule(problem: Problem) -> Self {
        Self {
            problem,
            is_structural: false,
            is_pattern: false,
        }
    }
}

/// Everything in `manifest` that breaks `schema`.
///
/// # Panics
///
/// Never: the schema is derived from our types, and a test builds its validator.
pub(super) fn find(schema: &Value, manifest: &Value) -> Vec<Violation> {
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .build(schema)
        .expect("the derived schema is a valid one");
    validator
        .iter_errors(manifest)
        .flat_map(|error| violations(schema, &error))
        .collect()
}

fn violations(schema: &Value, error: &ValidationError<'_>) -> Vec<Violation> {
    let path = error.instance_path().as_str();
    let field = dotted(path);
    let is_structural = matches!(
        error.kind(),
        ValidationErrorKind::Type { .. } | ValidationErrorKind::Required { .. }
    );
    let is_pattern = matches!(error.kind(), ValidationErrorKind::Pattern { .. });
    let problems = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| Problem::new(join(&field, name), unknown_field(schema, path, name)))
            .collect(),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![Problem::new(
                join(&field, name),
                missing_field(schema, path, name),
            )]
        }
        kind => vec![Problem::new(field, sentence(kind, error.instance()))],
    };
    problems
        .into_iter()
        .map(|problem| Violation {
            problem,
            is_structural,
            is_pattern,
        })
        .collect()
}

fn sentence(kind: &ValidationErrorKind, found: &Value) -> String {
    match kind {
        ValidationErrorKind::Type {
            kind: TypeKind::Single(expected),
        } => wrong_type(*expected, found),
        ValidationErrorKind::Enum { options } => format!("must be one of {}", listed(options)),
        ValidationErrorKind::MinLength { .. } => "must not be empty".to_owned(),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::Minimum { limit } => format!("must be {} or more", plain(limit)),
        ValidationErrorKind::Maximum { limit } => format!("must be {} or less", plain(limit)),
        ValidationErrorKind::Pattern { pattern } => format!("must match {pattern}"),
        other => format!("breaks the limit {:?} of the schema", other.keyword()),
    }
}

/// A bound as people write it: the definition holds every number as a float, `10.0`.
fn plain(bound: &Value) -> String {
    bound
        .as_f64()
        .map_or_else(|| bound.to_string(), |bound| bound.to_string())
}

/// The usual reason is a pair of quotes: YAML reads `+15551230000` as a number.
fn wrong_type(expected: JsonType, found: &Value) -> String {
    match (expected, found) {
        (JsonType::String, Value::Number(_) | Value::Bool(_)) => {
            "must be a string: put the value in quotes".to_owned()
        }
        (JsonType::Integer | JsonType::Number | JsonType::Boolean, Value::String(_)) => {
            format!("must be of type {expected}: write the value without quotes")
        }
        (JsonType::Object, _) => {
            "must be a mapping: write its fields below it, indented".to_owned()
        }
        _ => format!("must be of type {expected}"),
    }
}

fn unknown_field(schema: &Value, path: &str, name: &str) -> String {
    let known = known_fields(schema, path);
    let likeness = |field: &str| {
        strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &field.to_lowercase())
    };
    let nearest = known
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest {
        Some(field) if likeness(field) >= LIKENESS => {
            format!("unknown field: did you mean {field:?}?")
        }
        _ => format!("unknown field: what may stand here is {}", known.join(", ")),
    }
}

fn missing_field(schema: &Value, path: &str, name: &str) -> String {
    let field = schema_at(schema, path).and_then(|object| object["properties"].get(name));
    let description = field
        .and_then(|field| field["description"].as_str())
        .unwrap_or_default();
    let first_sentence = description
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    format!("is missing: {first_sentence}")
}

fn known_fields<'a>(schema: &'a Value, path: &str) -> Vec<&'a str> {
    let fields = schema_at(schema, path).and_then(|object| object["properties"].as_object());
    fields
        .into_iter()
        .flat_map(|fields| fields.keys().map(String::as_str))
        .collect()
}

/// The part of the schema that describes the value at a JSON pointer.
fn schema_at<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).try_fold(schema, |object, name| {
        object
            .get("properties")
            .and_then(|fields| fields.get(name))
            .or_else(|| object.get("items"))
    })
}

/// `/spec/twilio/number` → `spec.twilio.number`; the document itself is `manifest`.
fn dotted(path: &str) -> String {
    if path.is_empty() {
        return DOCUMENT.to_owned();
    }
    let names = path
        .split('/')
        .skip(1)
        .map(|name| name.replace("~1", "/").replace("~0", "~"));
    names.collect::<Vec<_>>().join(".")
}

fn join(parent: &str, name: &str) -> String {
    if parent == DOCUMENT {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

fn listed(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
