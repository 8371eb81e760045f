//! The generated files: up to date, and fit for an API server.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use kube::CustomResourceExt as _;
use messaging_bridge_crds::{MessagingBridge, openapi_schema};
use serde_json::Value;

const CRD: &str = include_str!("../messagingbridges.yaml");

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_messaging-bridge-crds"))
        .args(arguments)
        .output()
        .unwrap()
}

fn repository() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}

#[test]
fn what_is_committed_is_what_the_types_say() {
    let output = run(&["check", "--root", repository()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_stale_file_is_named_and_generate_mends_it() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    let at = |path: &str| root.join(path);
    let root_argument = root.to_str().unwrap();
    assert!(run(&["generate", "--root", root_argument]).status.success());
    assert!(run(&["check", "--root", root_argument]).status.success());

    fs::write(at("crds/messagingbridges.yaml"), "edited by hand").unwrap();
    fs::remove_file(at("docs/reference/relay-config.md")).unwrap();
    let output = run(&["check", "--root", root_argument]);
    assert_eq!(output.status.code(), Some(1));
    let says = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        says,
        "stale: crds/messagingbridges.yaml\nstale: docs/reference/relay-config.md\nrun `make crds` and commit the result\n"
    );
    assert!(run(&["generate", "--root", root_argument]).status.success());
    assert!(run(&["check", "--root", root_argument]).status.success());
}

#[test]
fn wrong_arguments_are_answered_with_the_usage() {
    for arguments in [
        &[][..],
        &["generate"][..],
        &["check", "--root"][..],
        &["remove", "--root", "."][..],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .starts_with("usage: ")
        );
    }
}

#[test]
fn the_manifest_reads_back_as_the_definition() {
    let read: Value = serde_saphyr::from_str(CRD).unwrap();
    assert_eq!(read, serde_json::to_value(MessagingBridge::crd()).unwrap());
}

#[test]
fn every_field_is_bounded_explained_and_signed() {
    fn walk(field: &str, schema: &Value) {
        assert!(
            schema["description"]
                .as_str()
                .is_some_and(|text| text.len() > 20),
            "{field} is explained"
        );
        assert!(
            schema.get("nullable").is_none(),
            "{field} is there or not, never null"
        );
        match schema["type"].as_str().unwrap() {
            "string" => {
                assert!(
                    schema.get("maxLength").or(schema.get("enum")).is_some(),
                    "{field} has an end"
                );
            }
            "integer" => {
                assert!(
                    schema.get("minimum").and(schema.get("maximum")).is_some(),
                    "{field} has two ends"
                );
                assert!(
                    matches!(schema["format"].as_str(), Some("int32" | "int64")),
                    "{field} is signed"
                );
            }
            "object" => {
                assert!(
                    schema.get("additionalProperties").is_none(),
                    "{field} lists its fields"
                );
                for (name, property) in schema["properties"].as_object().unwrap() {
                    walk(&format!("{field}.{name}"), property);
                }
            }
            "boolean" => {}
            other => unreachable!("{field}: no rule here for the bounds of type {other}"),
        }
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let message = rule["message"].as_str().unwrap();
            assert!(
                !message.is_empty() && !message.contains('\n'),
                "{field}: {message}"
            );
        }
    }
    walk("spec", &openapi_schema()["properties"]["spec"]);
}

#[test]
fn the_definition_is_named_as_people_type_it() {
    let crd = MessagingBridge::crd();
    assert_eq!(
        crd.metadata.name.as_deref(),
        Some("messagingbridges.messagingbridge.io")
    );
    assert_eq!(crd.spec.scope, "Namespaced");
    assert_eq!(crd.spec.names.short_names, Some(vec!["mb".to_owned()]));
    assert_eq!(
        crd.spec.names.categories,
        Some(vec!["messaging".to_owned()])
    );
    let columns = crd.spec.versions[0]
        .additional_printer_columns
        .iter()
        .flatten();
    let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    let story = [
        "Region",
        "Number",
        "Integration",
        "Ready",
        "Reason",
        "Backlog",
        // Shown by `-o wide` alone.
        "Delivering",
        "Age",
    ];
    assert_eq!(names, story);
}
