//! The offline check of a manifest as people write it: text, not values.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use messaging_bridge_crds::{Problem, WireProfile, check_manifest};
use rstest::rstest;

const MINIMAL: &str = include_str!("../examples/minimal.yaml");
const FULL: &str = include_str!("../examples/full.yaml");

fn problems(yaml: &str) -> Vec<String> {
    check_manifest(yaml)
        .unwrap_err()
        .iter()
        .map(Problem::to_string)
        .collect()
}

/// The minimal example with one of its lines written differently.
fn changed(line: &str, by: &str) -> String {
    assert!(MINIMAL.contains(line), "{line}");
    MINIMAL.replacen(line, by, 1)
}

#[test]
fn the_minimal_example_is_a_bridge_with_its_defaults() {
    let bridge = check_manifest(MINIMAL).unwrap();
    assert_eq!(bridge.metadata.name.as_deref(), Some("acme"));
    assert_eq!(bridge.spec.genesys.wire_profile, WireProfile::Current);
    assert_eq!(bridge.spec.genesys.requests_per_minute, None);
    assert_eq!(bridge.spec.twilio.region, None);
}

#[test]
fn the_full_example_uses_every_field() {
    let bridge = check_manifest(FULL).unwrap();
    let genesys = bridge.spec.genesys;
    let twilio = bridge.spec.twilio;
    assert_eq!(genesys.requests_per_minute, Some(600));
    assert_eq!(
        (twilio.region.as_deref(), twilio.edge.as_deref()),
        (Some("ie1"), Some("dublin"))
    );
    assert_eq!(twilio.messages_per_second, Some(20));
}

#[test]
fn json_is_yaml() {
    let value: serde_json::Value = serde_saphyr::from_str(MINIMAL).unwrap();
    assert!(check_manifest(&serde_json::to_string_pretty(&value).unwrap()).is_ok());
}

#[rstest]
#[case::separators(&format!("---\n{MINIMAL}---\n"))]
#[case::end_mark(&format!("{MINIMAL}...\n"))]
#[case::windows_line_ends(&MINIMAL.replace('\n', "\r\n"))]
#[case::byte_order_mark(&format!("\u{feff}{MINIMAL}"))]
#[case::null_is_no_value(&changed("  twilio:\n", "  twilio:\n    edge: null\n    region: ~\n"))]
#[case::null_is_the_default(&changed("  genesys:\n", "  genesys:\n    wireProfile:\n"))]
#[case::labels_and_annotations(&changed("  name: acme\n", "  name: acme\n  labels: {team: care}\n  annotations: {a/b: c}\n"))]
#[case::what_a_cluster_adds(&changed("  name: acme\n", "  name: acme\n  uid: 7f9d6a52\n  generation: 3\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n  managedFields: [{manager: kubectl, fieldsV1: {\"f:spec\": {}}}]\n"))]
#[case::no_namespace(&changed("  namespace: tenant-acme\n", ""))]
fn is_accepted(#[case] yaml: &str) {
    assert_eq!(check_manifest(yaml).err(), None);
}

#[rstest]
#[case::empty("", "manifest: is empty: write one MessagingBridge")]
#[case::only_comments("# nothing\n", "manifest: is empty: write one MessagingBridge")]
#[case::two(&format!("{MINIMAL}---\n{MINIMAL}"), "manifest: holds 2 documents: write one MessagingBridge a file, the others elsewhere")]
#[case::text(
    "hello\n",
    "manifest: is not a mapping: begin with \"apiVersion:\" and \"kind:\""
)]
#[case::list(
    "- a\n",
    "manifest: is not a mapping: begin with \"apiVersion:\" and \"kind:\""
)]
#[case::other_kind(&changed("kind: MessagingBridge", "kind: Secret"), "kind: write \"kind: MessagingBridge\": nothing else is read here")]
#[case::no_kind(&changed("kind: MessagingBridge\n", ""), "kind: write \"kind: MessagingBridge\": nothing else is read here")]
#[case::other_version(&changed("v1alpha1", "v1"), "apiVersion: write \"apiVersion: messagingbridge.io/v1alpha1\": nothing else is read here")]
#[case::no_name(&changed("  name: acme\n", ""), "metadata.name: is missing: The name of the bridge")]
#[case::no_metadata(&changed("metadata:\n  name: acme\n  namespace: tenant-acme\n", ""), "metadata: is missing: The name of the bridge, and its namespace")]
#[case::name_in_capitals(&changed("name: acme\n", "name: Acme\n"), "metadata.name: must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
#[case::unknown_metadata(&changed("  name: acme\n", "  name: acme\n  label: {}\n"), "metadata.label: unknown field: did you mean \"labels\"?")]
#[case::label_of_the_wrong_type(&changed("  name: acme\n", "  name: acme\n  labels: {example.com/team: 1}\n"), "metadata.labels.example.com/team: must be a string: put the value in quotes")]
#[case::unquoted_number(&changed("\"+15551230000\"", "+15551230000"), "spec.twilio.number: must be a string: put the value in quotes")]
#[case::misspelt_at_the_top(&changed("spec:\n", "specs: {}\nspec:\n"), "specs: unknown field: did you mean \"spec\"?")]
fn is_refused_with_one_sentence(#[case] yaml: &str, #[case] sentence: &str) {
    assert_eq!(problems(yaml), [sentence]);
}

#[rstest]
#[case::tab(&changed("  genesys:\n", "\tgenesys:\n"), "line 8")]
#[case::open_quote(&changed("\"+15551230000\"", "\"+15551230000"), "line 1")]
#[case::key_twice(&changed("    region: us-east-1\n", "    region: us-east-1\n    region: us-west-2\n"), "line 10")]
fn bad_yaml_is_answered_with_its_line(#[case] yaml: &str, #[case] line: &str) {
    let problems = problems(yaml);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("manifest: is not valid YAML"),
        "{problems:?}"
    );
    assert!(
        problems[0].contains(line) && problems[0].contains("column "),
        "{problems:?}"
    );
    assert!(
        !problems[0].contains('\n') && !problems[0].contains("5551230000"),
        "{problems:?}"
    );
}

#[test]
fn a_refused_number_is_not_quoted() {
    let text = problems(&changed("+15551230000", "5559876543")).concat();
    assert!(
        text.contains("E.164") && !text.contains("5559876543"),
        "{text}"
    );
}

#[test]
fn a_bridge_is_printed_without_its_number() {
    let printed = format!("{:?}", check_manifest(MINIMAL).unwrap());
    assert!(
        printed.contains("…00") && !printed.contains("5551230000"),
        "{printed}"
    );
}
