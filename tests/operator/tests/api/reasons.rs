//! Every reason by which a condition is not `True` is provoked in one of the two suites: a new one without a case is
//! seen here.

use std::collections::BTreeSet;

use messaging_bridge_crds::{ConditionStatus, Reason};
use messaging_bridge_operator_suites::repository;

/// The words behind `Reason::` in the sources of both suites.
fn named() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for suite in ["api", "node"] {
        let folder = repository("tests/operator/tests").join(suite);
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let words = text.split("Reason::").skip(1);
            let word = |rest: &str| {
                rest.split(|letter: char| !letter.is_alphanumeric())
                    .next()
                    .map(str::to_owned)
            };
            named.extend(words.filter_map(word));
        }
    }
    named
}

pub(crate) async fn every_reason_that_is_not_true_is_provoked_by_name() {
    let named = named();
    let without_case: Vec<&str> = Reason::ALL
        .iter()
        .filter(|reason| reason.status() != ConditionStatus::True)
        .map(|reason| reason.as_str())
        .filter(|reason| !named.contains(*reason))
        .collect();
    assert_eq!(without_case, Vec::<&str>::new());
}
