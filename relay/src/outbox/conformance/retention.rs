//! What is removed when its time is over, and what never is.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::rig::{ANN, BOB, Rig, at, inbound, outbound, refused, to_genesys, to_twilio};
use crate::outbox::{Appended, DedupKey, Deferral, LetterSelection, NewRow, Rank, SendId};

for_every_backend! {
    bodies_of_dead_letters_go_after_14_days_and_all_after_30,
    sends_and_receipts_go_after_30_days,
    what_waits_is_never_purged,
    a_purge_of_much_ends_in_bounded_pieces,
    a_key_does_not_end_by_a_clock_that_is_in_doubt_unless_it_is_short,
    messages_that_arrived_under_a_wrong_clock_are_moved_and_keep_their_order,
}

const DAY: i64 = 24 * 60 * 60;

async fn a_key_does_not_end_by_a_clock_that_is_in_doubt_unless_it_is_short(rig: &Rig) {
    let short = |accepted| NewRow {
        key: DedupKey {
            text: "short".into(),
            life: Duration::from_mins(2),
        },
        ..inbound(ANN, "short", accepted)
    };
    rig.store(inbound(ANN, "a", at(0))).await;
    rig.store(short(at(0))).await;
    rig.clock.doubt(true);
    let long_after = inbound(ANN, "a", at(31 * DAY));
    let again = rig.outbox.append(long_after.clone()).await.unwrap();
    assert_eq!(again, Appended::Duplicate);
    rig.store(short(at(121))).await;
    rig.clock.doubt(false);
    rig.store(long_after).await;
}

async fn messages_that_arrived_under_a_wrong_clock_are_moved_and_keep_their_order(rig: &Rig) {
    let hour = 3600;
    let before = rig.store(outbound(BOB, "before", at(-9 * hour))).await;
    // Its attempt was made under the wrong clock: a listing is compared with that time.
    rig.wait(1);
    rig.mark(before, "before", "s1", (0, 1)).await;
    let first = rig.store(inbound(ANN, "first", at(0))).await;
    rig.store(inbound(ANN, "second", at(1))).await;
    let deferral = Deferral {
        until: at(30),
        tried: true,
        strike: false,
    };
    rig.outbox.defer(first, deferral).await.unwrap();
    let by = SignedDuration::from_secs(9 * hour);
    let moved = rig.outbox.restamp((at(-1), at(2)), by).await.unwrap();
    assert_eq!(moved, 2);
    let head = rig.head(&to_genesys(ANN)).await.unwrap();
    assert_eq!((head.seq, head.time), (first, at(0)));
    assert_eq!(head.accepted, at(9 * hour));
    assert_eq!(head.not_before, at(9 * hour + 30));
    rig.outbox.complete(first).await.unwrap();
    let head = rig.head(&to_genesys(ANN)).await.unwrap();
    assert_eq!(head.accepted, at(9 * hour + 1));
    assert_eq!(head.not_before, Timestamp::UNIX_EPOCH);
    let head = rig.head(&to_twilio(BOB)).await.unwrap();
    assert_eq!((head.seq, head.accepted), (before, at(-9 * hour)));
    let doubt = head.doubt.unwrap();
    let moved = at(9 * hour + 1);
    assert_eq!((doubt.marked, doubt.first_marked), (moved, moved));
}

/// Purges until there is nothing more to look through; in how many pieces.
async fn purge(rig: &Rig) -> usize {
    for piece in 1..10_000 {
        if !rig.outbox.purge(rig.now()).await.unwrap() {
            return piece;
        }
    }
    panic!("the purge does not end");
}

async fn bodies_of_dead_letters_go_after_14_days_and_all_after_30(rig: &Rig) {
    let seq = rig.store(inbound(ANN, "a", at(0))).await;
    rig.bury(seq, refused(at(0))).await;
    rig.wait(14 * DAY);
    purge(rig).await;
    assert!(
        rig.outbox.dead_letters(9).await.unwrap()[0].replayable,
        "not before 14 days are over"
    );
    rig.wait(1);
    purge(rig).await;
    assert!(!rig.outbox.dead_letters(9).await.unwrap()[0].replayable);
    assert_eq!(
        rig.outbox.replay(LetterSelection::All).await.unwrap().lanes,
        [],
        "nothing is left to replay"
    );
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 1);
    rig.wait(16 * DAY);
    purge(rig).await;
    assert!(rig.outbox.dead_letters(9).await.unwrap().is_empty());
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 0);
}

async fn sends_and_receipts_go_after_30_days(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.wait(30 * DAY);
    purge(rig).await;
    assert!(
        rig.hear("a", Rank::Sent).await.unwrap().receipt_waits,
        "not before 30 days are over"
    );
    rig.wait(1);
    purge(rig).await;
    assert_eq!(
        rig.outbox.send_state(&SendId::new("a")).await.unwrap(),
        None
    );
    assert_eq!(rig.outbox.stats().await.unwrap().receipts, 0);
}

async fn what_waits_is_never_purged(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(0))).await;
    rig.store(outbound(ANN, "b", at(0))).await;
    rig.wait(365 * DAY);
    purge(rig).await;
    let stats = rig.outbox.stats().await.unwrap();
    assert_eq!((stats.inbound, stats.outbound), (1, 1));
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["a"]);
}

async fn a_purge_of_much_ends_in_bounded_pieces(rig: &Rig) {
    let names: Vec<String> = (0..2500).map(|n| format!("m{n}")).collect();
    join_all(names.iter().map(|name| async move {
        let seq = rig.store(inbound(ANN, name, at(0))).await;
        rig.bury(seq, refused(at(0))).await;
    }))
    .await;
    rig.wait(31 * DAY);
    assert!(
        purge(rig).await > 1,
        "in one go, everybody would wait behind it"
    );
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 0);
    let again = rig
        .outbox
        .append(inbound(ANN, "m0", rig.now()))
        .await
        .unwrap();
    assert!(matches!(again, Appended::Stored(_)));
}
