//! The statements that run for every message walk along an index: none scans a table, none sorts.

use rstest::rstest;

use super::super::{dead_letters, gaps, messages, receipts, retention, schema, sends};
use super::identity;

/// The steps of a statement's plan.
fn plan(sql: &str) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let (connection, _) = schema::open(&home.path().join("plans"), &identity()).unwrap();
    let mut explained = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let mut rows = explained.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    steps
}

#[rstest]
#[case("head", messages::HEAD, "SEARCH m USING INDEX message_lane (lane=?)")]
#[case(
    "tail",
    messages::LAST_POSITION,
    "SEARCH message USING COVERING INDEX message_lane (lane=? AND attempted=?)"
)]
#[case(
    "rows left",
    messages::HAS_ROWS,
    "SEARCH message USING COVERING INDEX message_lane (lane=?)"
)]
#[case(
    "too late",
    messages::LATE,
    "SEARCH message USING INDEX message_outbound (accepted_ms<?)"
)]
#[case(
    "oldest inbound",
    messages::OLDEST_INBOUND,
    "SCAN message USING INDEX message_inbound"
)]
#[case(
    "oldest outbound",
    messages::OLDEST_OUTBOUND,
    "SCAN message USING COVERING INDEX message_outbound"
)]
#[case(
    "row in doubt",
    sends::PROVE,
    "SEARCH message USING COVERING INDEX message_doubt (doubt=?)"
)]
#[case(
    "others in doubt",
    sends::OTHER_DEAD_LETTERS,
    "SEARCH d USING INDEX dead_letter_lane (lane=?)"
)]
#[case(
    "adopted",
    sends::ADOPTED,
    "SEARCH send USING COVERING INDEX send_sid (sid=?)"
)]
#[case(
    "sends in doubt",
    sends::IN_DOUBT,
    "SEARCH message USING INDEX message_doubt (doubt>?)"
)]
#[case(
    "parts of a message",
    receipts::PARTS,
    "SEARCH send USING INDEX send_message (genesys_id=?)"
)]
#[case(
    "next receipt",
    receipts::NEXT,
    "SEARCH receipt USING INDEX receipt_waiting (not_before_ms<?)"
)]
#[case(
    "next failed receipt",
    receipts::NEXT_FAILED,
    "SEARCH receipt USING INDEX receipt_failed (not_before_ms<?)"
)]
#[case(
    "receipt due",
    receipts::DUE,
    "SCAN receipt USING INDEX receipt_waiting"
)]
#[case(
    "old sends",
    retention::SENDS,
    "SEARCH send USING COVERING INDEX send_created (created_ms<?)"
)]
#[case(
    "old receipts",
    retention::RECEIPTS,
    "SEARCH receipt USING COVERING INDEX receipt_created (created_ms<?)"
)]
#[case(
    "old bodies",
    retention::BODIES,
    "SEARCH dead_letter USING INDEX dead_letter_body (died_ms<?)"
)]
#[case(
    "old dead letters",
    retention::DEAD_LETTERS,
    "SEARCH dead_letter USING COVERING INDEX dead_letter_died (died_ms<?)"
)]
#[case("taken key", gaps::TAKEN, "SEARCH dedup USING PRIMARY KEY (key=?)")]
#[case(
    "what waits of a lane",
    gaps::WAITING,
    "SEARCH message USING INDEX message_lane (lane=?)"
)]
#[case(
    "unfinished sends",
    gaps::UNFINISHED,
    "SEARCH send USING INDEX send_created (created_ms>? AND created_ms<?)"
)]
#[case(
    "dead letters by reason",
    dead_letters::COUNTS,
    "SCAN dead_letter USING COVERING INDEX dead_letter_reason"
)]
#[case(
    "a piece of the keys",
    retention::PIECE_END,
    "SEARCH dedup USING PRIMARY KEY (key>?)"
)]
#[case(
    "keys of a piece",
    retention::KEYS_BETWEEN,
    "SEARCH dedup USING PRIMARY KEY (key>? AND key<?)"
)]
#[case(
    "a key is taken",
    messages::IS_TAKEN,
    "SEARCH dedup USING PRIMARY KEY (key=?)"
)]
#[case(
    "a piece of the contacts",
    retention::CONTACTS_END,
    "SEARCH contact USING PRIMARY KEY (customer>?)"
)]
#[case(
    "contacts of a piece",
    retention::CONTACTS_BETWEEN,
    "SEARCH contact USING PRIMARY KEY (customer>? AND customer<?)"
)]
#[case(
    "the last contacts",
    retention::CONTACTS_TO_END,
    "SEARCH contact USING PRIMARY KEY (customer>?)"
)]
#[case(
    "the last keys",
    retention::KEYS_TO_END,
    "SEARCH dedup USING PRIMARY KEY (key>?)"
)]
fn a_hot_statement_uses_its_index(#[case] what: &str, #[case] sql: &str, #[case] expected: &str) {
    let steps = plan(sql);
    assert!(
        steps.iter().any(|step| step == expected),
        "{what}: {steps:#?}"
    );
    let walks = |step: &&String| {
        step.starts_with("SCAN") && !step.contains("INDEX") && !step.contains("(subquery")
    };
    assert_eq!(
        steps.iter().find(walks),
        None,
        "{what} walks through a table"
    );
    let sorts = steps
        .iter()
        .find(|step| step.contains("USE TEMP B-TREE FOR ORDER BY"));
    assert_eq!(sorts, None, "{what} sorts");
}
