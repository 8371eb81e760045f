//! Data directories of earlier relays: every schema that was released opens, and nothing in it is lost.

use std::path::Path;

use rstest::rstest;

use super::{open_as, raw};
use crate::message::Message;
use crate::outbox::conformance::rig::{at, identity, to_genesys, to_twilio};
use crate::outbox::sqlite::FILE;
use crate::outbox::{Appended, DedupKey, Identity, LetterSelection, NewRow, Outbox as _, SendId};

const CUSTOMER: &str = "+15557654321";

/// The bridge whose relay wrote the fixtures.
fn bridge() -> Identity {
    Identity {
        integration_name: "acme-sms".into(),
        integration_id: Some("b7a3c5d2-1f4e-4a6b-8c9d-2e5f7a1b3c4d".into()),
        ..identity()
    }
}

fn write_fixture(directory: &Path, sql: &str) {
    raw(directory).execute_batch(sql).unwrap();
}

fn text(payload: &[u8]) -> String {
    match Message::from_stored(payload).unwrap() {
        Message::InboundText(text) => text.text,
        Message::OutboundText(text) => text.text,
        Message::FailureNotice(notice) => notice.sentence,
    }
}

#[rstest]
#[case("schema 1, killed at work", include_str!("fixtures/schema-1.sql"))]
#[tokio::test]
async fn a_data_directory_of_an_earlier_relay_opens_with_everything_in_it(
    #[case] case: &str,
    #[case] sql: &str,
) {
    let home = tempfile::tempdir().unwrap();
    write_fixture(home.path(), sql);
    let outbox = open_as(home.path(), &bridge());
    let stats = outbox.stats().await.unwrap();
    let counts = (
        stats.inbound,
        stats.outbound,
        stats.dead_letters,
        stats.receipts,
    );
    assert_eq!(counts, (2, 2, 1, 0), "{case}");

    let inbound = outbox.head(&to_genesys(CUSTOMER)).await.unwrap().unwrap();
    assert_eq!(
        (text(&inbound.payload).as_str(), inbound.tries),
        ("first of two", 3)
    );
    let outbound = outbox.head(&to_twilio(CUSTOMER)).await.unwrap().unwrap();
    assert_eq!(text(&outbound.payload), "on its way");
    let doubt = outbound.doubt.expect("it was under way");
    let send = SendId::new("d913f57c193f45c9a88c4eae61bf842a");
    assert_eq!((&doubt.send, &doubt.first), (&send, &send));
    assert!(outbox.send_state(&send).await.unwrap().is_some());

    let key = DedupKey {
        text: "twilio/SMd3732a7e2a9a4888a11945411cc7d639".into(),
        life: std::time::Duration::from_hours(24),
    };
    let repeated = NewRow {
        key,
        ..crate::outbox::conformance::rig::inbound(CUSTOMER, "", at(0))
    };
    assert_eq!(
        outbox.append(repeated).await.unwrap(),
        Appended::Duplicate,
        "{case}"
    );
    let letter = outbox.dead_letters(9).await.unwrap().remove(0);
    assert_eq!(
        (letter.reason.as_str(), letter.replayable),
        ("refused", true)
    );
    assert_eq!(
        outbox.replay(LetterSelection::All).await.unwrap().lanes,
        [to_twilio(CUSTOMER)]
    );
}

#[rstest]
#[case("schema 1", include_str!("fixtures/schema-1.sql"))]
fn an_upgraded_file_has_the_tables_of_a_new_one(#[case] case: &str, #[case] sql: &str) {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_fixture(old.path(), sql);
    drop(open_as(old.path(), &bridge()));
    drop(open_as(new.path(), &bridge()));
    assert_eq!(tables(old.path()), tables(new.path()), "{case}");
}

/// How all tables and indexes were made.
fn tables(directory: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(directory.join(FILE)).unwrap();
    let sql = "SELECT name || ' ' || sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|row| {
        row.unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    })
    .collect()
}
