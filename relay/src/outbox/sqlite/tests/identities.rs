//! A data directory that served another bridge before: what belongs to that one is not delivered by this one.

use super::{head_name, open_as, open_existing, raw, store};
use crate::outbox::conformance::rig::{
    ANN, at, identity, inbound, outbound, refusal, refused, to_genesys, to_twilio,
};
use crate::outbox::{Identity, LetterSelection, Outbox as _};

fn another() -> Identity {
    Identity {
        sender: "+15559990000".into(),
        ..identity()
    }
}

#[tokio::test]
async fn messages_of_another_sender_become_dead_letters_that_only_their_own_bridge_replays() {
    let home = tempfile::tempdir().unwrap();
    let first = open_as(home.path(), &identity());
    store(&first, inbound(ANN, "in", at(0))).await;
    store(&first, outbound(ANN, "out", at(0))).await;
    first.refuse(refusal("refused", at(0))).await.unwrap();
    drop(first);

    let second = open_as(home.path(), &another());
    assert!(second.lanes().await.unwrap().is_empty());
    let stats = second.stats().await.unwrap();
    assert_eq!(
        (stats.inbound, stats.outbound, stats.dead_letters),
        (0, 0, 2)
    );
    assert_eq!(
        (stats.bytes, stats.receipts),
        (0, 0),
        "their receipts are dropped"
    );
    let letters = second.dead_letters(9).await.unwrap();
    assert!(
        letters
            .iter()
            .all(|letter| letter.reason == "foreign" && !letter.replayable)
    );
    assert_eq!(second.replay(LetterSelection::All).await.unwrap().lanes, []);
    assert_eq!(
        second
            .replay(LetterSelection::One(letters[0].id))
            .await
            .unwrap()
            .lanes,
        []
    );
    store(&second, inbound(ANN, "its own", at(1))).await;
    drop(second);

    // The mistake was put right.
    let first = open_as(home.path(), &identity());
    let letters = first.dead_letters(9).await.unwrap();
    assert_eq!(letters.iter().filter(|letter| letter.replayable).count(), 2);
    first.replay(LetterSelection::All).await.unwrap();
    assert_eq!(head_name(&first, &to_genesys(ANN)).await.unwrap(), "in");
    let head = first.head(&to_twilio(ANN)).await.unwrap().unwrap();
    assert_eq!(
        (head.payload, head.sender),
        (b"out".to_vec(), identity().sender)
    );
    assert_eq!(
        first.stats().await.unwrap().dead_letters,
        1,
        "the other's message waits for the other"
    );
}

#[tokio::test]
async fn a_foreign_message_has_one_recorded_outcome_however_often_the_relay_starts() {
    let home = tempfile::tempdir().unwrap();
    store(&open_as(home.path(), &identity()), inbound(ANN, "a", at(0))).await;
    for _ in 0..3 {
        let stats = open_as(home.path(), &another()).stats().await.unwrap();
        assert_eq!((stats.inbound, stats.dead_letters), (0, 1));
    }
    let outcome: String = raw(home.path())
        .query_row("SELECT outcome FROM dedup", [], |row| row.get(0))
        .unwrap();
    assert_eq!(outcome, "foreign");
}

#[tokio::test]
async fn a_renamed_integration_is_the_same_once_its_id_was_learned() {
    let home = tempfile::tempdir().unwrap();
    let before = open_as(home.path(), &identity());
    before.learn_integration("0b9d7a34").await.unwrap();
    store(&before, inbound(ANN, "a", at(0))).await;
    drop(before);
    let renamed = Identity {
        integration_name: "renamed".into(),
        integration_id: Some("0b9d7a34".into()),
        ..identity()
    };
    let after = open_as(home.path(), &renamed);
    assert_eq!(head_name(&after, &to_genesys(ANN)).await.unwrap(), "a");
}

#[tokio::test]
async fn a_created_anew_integration_of_the_same_name_is_the_same() {
    let home = tempfile::tempdir().unwrap();
    let known = |id: &str| Identity {
        integration_id: Some(id.into()),
        ..identity()
    };
    store(&open_as(home.path(), &known("1")), inbound(ANN, "a", at(0))).await;
    let after = open_as(home.path(), &known("2"));
    assert_eq!(head_name(&after, &to_genesys(ANN)).await.unwrap(), "a");
}

#[tokio::test]
async fn inspection_buries_nothing() {
    let home = tempfile::tempdir().unwrap();
    store(&open_as(home.path(), &identity()), inbound(ANN, "a", at(0))).await;
    drop(open_as(home.path(), &identity()));
    let stats = open_existing(home.path()).stats().await.unwrap();
    assert_eq!((stats.inbound, stats.dead_letters), (1, 0));
}

#[tokio::test]
async fn inspection_is_as_the_bridge_that_was_used_last_not_as_the_newest() {
    let home = tempfile::tempdir().unwrap();
    drop(open_as(home.path(), &identity()));
    drop(open_as(home.path(), &another()));
    let used_last = open_as(home.path(), &identity());
    let seq = store(&used_last, inbound(ANN, "a", at(0))).await;
    used_last.dead_letter(seq, 0, refused(at(1))).await.unwrap();
    drop(used_last);
    let stopped = open_existing(home.path());
    assert_eq!(
        stopped.replay(LetterSelection::All).await.unwrap().lanes,
        [to_genesys(ANN)]
    );
}
