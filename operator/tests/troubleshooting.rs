//! `docs/troubleshooting.md` explains every reason that a condition can have, and no other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use messaging_bridge_crds::{ConditionStatus, Reason};

const PAGE: &str = include_str!("../../docs/troubleshooting.md");
const SECTION: &str = "\n## Conditions and reasons\n";

/// The entries of the section, by their headings.
fn entries() -> BTreeMap<&'static str, &'static str> {
    let (_, rest) = PAGE.split_once(SECTION).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    section
        .split("\n### ")
        .skip(1)
        .map(|entry| entry.split_once('\n').unwrap())
        .collect()
}

#[test]
fn every_reason_has_its_entry() {
    let entries = entries();
    let missing: Vec<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .filter(|reason| !entries.contains_key(reason))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_entry_is_a_reason() {
    let strange: Vec<&str> = entries()
        .into_keys()
        .filter(|entry| !Reason::ALL.iter().any(|reason| reason.as_str() == *entry))
        .collect();
    assert_eq!(strange, Vec::<&str>::new());
}

#[test]
fn an_entry_begins_with_condition_and_status() {
    let entries = entries();
    for reason in Reason::ALL {
        let first = entries[reason.as_str()].split(". ").next().unwrap();
        let status = format!("`{}`", reason.status());
        assert!(first.contains(&status), "{reason}: {first}");
    }
}

#[test]
fn an_entry_says_how_to_look_unless_all_is_well() {
    let entries = entries();
    for reason in Reason::ALL {
        if reason.status() != ConditionStatus::True {
            assert!(entries[reason.as_str()].contains("```sh\n"), "{reason}");
        }
    }
}
