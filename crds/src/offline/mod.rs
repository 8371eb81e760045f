//! The check of a raw manifest without a cluster: what the API server would say, and the nearest right spelling.
//!
//! The order is the API server's: the document is read, nulls are pruned, the schema is applied with unknown fields
//! refused (`kubectl`'s strict validation), defaults are filled in, then the CEL rules run. All problems are reported
//! at once, each with its field. What it can not know without a cluster (whether the name is taken, whether the
//! Secrets exist) it does not check.

mod schema;
mod violation;
mod yaml;

use std::fmt;

use kube::core::cel::{Validator, apply_defaults};
use serde_json::Value;

pub use self::schema::openapi_schema;
use crate::{MessagingBridge, region};

/// What [`Problem::field`] says when the document as a whole is meant.
const DOCUMENT: &str = "manifest";

const REGION_FIELD: &str = "spec.genesys.region";

/// One thing to change in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, for example `spec.twilio.number`; `manifest` when it is the document as a whole.
    pub field: String,
    /// What is wrong and what to write instead. Quotes no value but that of the region.
    pub message: String,
}

impl Problem {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    fn of_document(message: impl Into<String>) -> Self {
        Self::new(DOCUMENT, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Reads a manifest that holds exactly one `MessagingBridge` and checks it as the API server would.
///
/// The bridge that is returned has its defaults. The problems are in the order of the fields, never empty.
pub fn check_manifest(yaml: &str) -> Result<MessagingBridge, Vec<Problem>> {
    let mut manifest = yaml::single_document(yaml).map_err(|problem| vec![problem])?;
    check_kind(&manifest).map_err(|problem| vec![problem])?;
    prune_nulls(&mut manifest);

    let mut problems = violation::find(&schema::strict_schema(), &manifest);
    // A rule can only run on values of the right type; the API server does the same.
    if !problems.iter().any(|violation| violation.is_structural) {
        manifest = apply_defaults(&openapi_schema(), &manifest);
        let broken = broken_rules(&manifest);
        problems.retain(|violation| {
            !violation.is_pattern || !has_field(&broken, &violation.problem.field)
        });
        problems.extend(broken.into_iter().map(violation::Violation::of_rule));
    }
    if problems.is_empty() {
        return serde_json::from_value(manifest)
            .map_err(|error| vec![Problem::of_document(error.to_string())]);
    }
    let mut problems: Vec<Problem> = problems
        .into_iter()
        .map(|violation| violation.problem)
        .collect();
    problems.sort_by(|a, b| a.field.cmp(&b.field));
    Err(problems)
}

fn check_kind(manifest: &Value) -> Result<(), Problem> {
    use kube::Resource as _;
    let expected = [
        ("apiVersion", MessagingBridge::api_version(&())),
        ("kind", MessagingBridge::kind(&())),
    ];
    if !manifest.is_object() {
        return Err(Problem::of_document(
            "is not a mapping: begin with \"apiVersion:\" and \"kind:\"",
        ));
    }
    for (field, expected) in expected {
        if manifest[field] != *expected {
            return Err(Problem::new(
                field,
                format!("write \"{field}: {expected}\": nothing else is read here"),
            ));
        }
    }
    Ok(())
}

/// The API server drops a null where a field is not nullable, and no field here is.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

/// The CEL rules that the manifest breaks. For the region the answer of [`region::resolve`] replaces the rule's
/// message: it knows what was probably meant.
fn broken_rules(manifest: &Value) -> Vec<Problem> {
    let failures = Validator::new()
        .validate(&openapi_schema(), manifest, None)
        .err();
    let mut problems: Vec<Problem> = failures
        .into_iter()
        .flatten()
        .map(|failure| Problem::new(failure.field_path, failure.message))
        .collect();
    let region = manifest
        .pointer("/spec/genesys/region")
        .and_then(Value::as_str);
    if let Some(Err(error)) = region.map(region::resolve) {
        problems.retain(|problem| problem.field != REGION_FIELD);
        problems.push(Problem::new(REGION_FIELD, error.to_string()));
    }
    problems
}

fn has_field(problems: &[Problem], field: &str) -> bool {
    problems.iter().any(|problem| problem.field == field)
}
