//! The schema of the resource in the two shapes the check needs: as the API server has it, and closed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use crate::{MessagingBridge, rules};

/// The `openAPIV3Schema` of `MessagingBridge`, as it stands in the CustomResourceDefinition.
///
/// # Panics
///
/// Never: the derived definition has one version, and its schema is plain data.
pub fn openapi_schema() -> Value {
    let version = MessagingBridge::crd().spec.versions.into_iter().next();
    let schema = version
        .and_then(|version| version.schema)
        .and_then(|schema| schema.open_api_v3_schema);
    serde_json::to_value(schema.expect("a derived definition has a schema"))
        .expect("a schema is plain data")
}

/// The schema that a manifest must satisfy: `apiVersion`, `kind` and `metadata` included, unknown fields refused.
pub(super) fn strict_schema() -> Value {
    let mut schema = openapi_schema();
    let known = &mut schema["properties"];
    known["apiVersion"] = json!({"type": "string"});
    known["kind"] = json!({"type": "string"});
    known["metadata"] = metadata_schema();
    schema["required"] = json!(["metadata", "spec"]);
    close(&mut schema);
    schema
}

/// `ObjectMeta` with a name: `generateName` needs a server.
fn metadata_schema() -> Value {
    let generator = schemars::generate::SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    let mut schema = generator.into_root_schema_for::<ObjectMeta>().to_value();
    schema["description"] = json!("The name of the bridge, and its namespace.");
    schema["required"] = json!(["name"]);
    schema["properties"]["name"] = json!({
        "type": "string",
        "description": "The name of the bridge.",
        "maxLength": 253,
        "pattern": rules::DNS_SUBDOMAIN,
    });
    schema
}

/// Refuses fields that are not listed, wherever fields are listed.
fn close(schema: &mut Value) {
    let Value::Object(keywords) = schema else {
        return;
    };
    if keywords.contains_key("properties") && !keywords.contains_key("additionalProperties") {
        keywords.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    for property in keywords
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        close(property.1);
    }
    for nested in ["items", "additionalProperties"] {
        if let Some(nested) = keywords.get_mut(nested) {
            close(nested);
        }
    }
}
