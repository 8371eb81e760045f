//! The byte budget: what is refused above it, and what goes on all the same.

use super::rig::{
    ANN, BUDGET, Rig, at, inbound, outbound, refusal, refused, to_genesys, to_twilio,
};
use crate::outbox::{Appended, LetterSelection, NewRow, OutboxError, Rank, ReceiptLevel};

for_every_backend! {
    bytes_are_counted_exactly_up_to_the_budget,
    the_last_tenth_is_kept_for_customers,
    what_is_in_already_is_answered_as_accepted_when_full,
    a_full_outbox_still_drains,
    a_dead_letter_frees_its_bytes_and_a_replay_takes_them_again,
    a_replay_ends_where_the_budget_has_no_room_and_says_what_stays,
}

/// A share of the budget, in percent.
fn percent(share: u64) -> Vec<u8> {
    vec![7; usize::try_from(BUDGET * share / 100).unwrap()]
}

fn is_full(appended: &Result<Appended, OutboxError>) -> bool {
    matches!(appended, Err(OutboxError::Full { .. }))
}

async fn fill(rig: &Rig) {
    rig.store(NewRow {
        payload: percent(40),
        ..outbound(ANN, "out", at(0))
    })
    .await;
    rig.store(NewRow {
        payload: percent(60),
        ..inbound(ANN, "in", at(0))
    })
    .await;
}

async fn bytes_are_counted_exactly_up_to_the_budget(rig: &Rig) {
    fill(rig).await;
    assert_eq!(rig.outbox.stats().await.unwrap().bytes, BUDGET);
    let refused = rig.outbox.append(inbound(ANN, "x", at(1))).await;
    assert!(
        matches!(
            refused,
            Err(OutboxError::Full {
                bytes: BUDGET,
                budget: BUDGET
            })
        ),
        "{refused:?}"
    );
    let refused_key_again = rig.outbox.append(inbound(ANN, "x", at(1))).await;
    assert!(
        is_full(&refused_key_again),
        "a refused message leaves no key behind: {refused_key_again:?}"
    );
    let head = rig.head(&to_genesys(ANN)).await.unwrap();
    rig.outbox.complete(head.seq).await.unwrap();
    rig.store(inbound(ANN, "x", at(2))).await;
}

async fn the_last_tenth_is_kept_for_customers(rig: &Rig) {
    rig.store(NewRow {
        payload: percent(90),
        ..outbound(ANN, "most", at(0))
    })
    .await;
    assert!(
        is_full(&rig.outbox.append(outbound(ANN, "x", at(0))).await),
        "Genesys retries a 503"
    );
    rig.store(NewRow {
        payload: percent(10),
        ..inbound(ANN, "customer's", at(0))
    })
    .await;
    assert!(is_full(&rig.outbox.append(inbound(ANN, "y", at(0))).await));
}

async fn what_is_in_already_is_answered_as_accepted_when_full(rig: &Rig) {
    fill(rig).await;
    assert_eq!(
        rig.outbox.append(inbound(ANN, "in", at(1))).await.unwrap(),
        Appended::Duplicate
    );
    assert_eq!(
        rig.outbox
            .append(outbound(ANN, "out", at(1)))
            .await
            .unwrap(),
        Appended::Duplicate
    );
    assert!(is_full(
        &rig.outbox.append(outbound(ANN, "new", at(1))).await
    ));
}

async fn a_full_outbox_still_drains(rig: &Rig) {
    fill(rig).await;
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert!(rig.mark(head.seq, "out", "s1", (0, 1)).await);
    rig.sent(head.seq, "s1", true).await;
    assert!(rig.hear("s1", Rank::Delivered).await.unwrap().receipt_waits);
    rig.outbox
        .refuse(refusal("no room needed", at(0)))
        .await
        .unwrap();
    assert_eq!(
        rig.tell_all().await,
        [
            ("no room needed".to_owned(), ReceiptLevel::Failed),
            ("out".to_owned(), ReceiptLevel::Delivered)
        ]
    );
    let head = rig.head(&to_genesys(ANN)).await.unwrap();
    rig.outbox.complete(head.seq).await.unwrap();
    assert_eq!(rig.outbox.stats().await.unwrap().bytes, 0);
}

async fn a_dead_letter_frees_its_bytes_and_a_replay_takes_them_again(rig: &Rig) {
    let seq = rig.store(inbound(ANN, "12345", at(0))).await;
    rig.bury(seq, refused(at(1))).await;
    assert_eq!(rig.outbox.stats().await.unwrap().bytes, 0);
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    assert_eq!(rig.outbox.stats().await.unwrap().bytes, 5);
}

async fn a_replay_ends_where_the_budget_has_no_room_and_says_what_stays(rig: &Rig) {
    for (name, share) in [("a", 40), ("b", 40), ("c", 40), ("d", 1)] {
        let row = NewRow {
            payload: percent(share),
            ..inbound(ANN, name, at(0))
        };
        let seq = rig.store(row).await;
        rig.bury(seq, refused(at(1))).await;
    }
    let replayed = rig.outbox.replay(LetterSelection::All).await.unwrap();
    assert_eq!((replayed.messages, replayed.left), (2, 2), "in their order");
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 2);
    assert_eq!(rig.drain(&to_genesys(ANN)).await.len(), 2);
    let replayed = rig.outbox.replay(LetterSelection::All).await.unwrap();
    assert_eq!((replayed.messages, replayed.left), (2, 0));
}
