//! What is stored, what is a duplicate, and how long a key is taken.

use std::time::Duration;

use futures_util::future::join_all;

use super::rig::{ANN, BOB, Rig, at, inbound, outbound, refusal, to_genesys, to_twilio};
use crate::outbox::{Appended, DedupKey, NewRow, OutboxError};

for_every_backend! {
    messages_of_a_lane_come_out_in_the_order_of_append,
    lanes_do_not_mix,
    lanes_are_listed_by_their_oldest_row_with_the_time_of_their_head,
    a_head_is_what_was_stored,
    a_key_stays_taken_after_its_message_was_delivered,
    a_key_stays_taken_after_its_message_died,
    a_key_past_its_life_is_free_again,
    of_appends_at_once_with_one_key_one_is_stored,
    a_refused_message_takes_its_key,
    a_closed_outbox_says_so,
}

async fn messages_of_a_lane_come_out_in_the_order_of_append(rig: &Rig) {
    for name in ["a", "b", "c", "d"] {
        rig.store(inbound(ANN, name, at(0))).await;
    }
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["a", "b", "c", "d"]);
    assert!(rig.head(&to_genesys(ANN)).await.is_none());
}

async fn lanes_do_not_mix(rig: &Rig) {
    rig.store(inbound(ANN, "ann's", at(0))).await;
    rig.store(inbound(BOB, "bob's", at(0))).await;
    rig.store(outbound(ANN, "to ann", at(0))).await;
    assert_eq!(rig.drain(&to_genesys(BOB)).await, ["bob's"]);
    assert_eq!(rig.drain(&to_twilio(ANN)).await, ["to ann"]);
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["ann's"]);
    assert!(rig.head(&to_twilio(BOB)).await.is_none());
}

async fn lanes_are_listed_by_their_oldest_row_with_the_time_of_their_head(rig: &Rig) {
    rig.store(inbound(BOB, "1", at(0))).await;
    let head = rig.store(inbound(ANN, "2", at(0))).await;
    rig.store(outbound(ANN, "3", at(0))).await;
    rig.store(inbound(BOB, "4", at(0))).await;
    rig.defer(head, at(50)).await;
    let lanes = rig.outbox.lanes().await.unwrap();
    let keys: Vec<_> = lanes.iter().map(|waiting| waiting.lane.clone()).collect();
    assert_eq!(keys, [to_genesys(BOB), to_genesys(ANN), to_twilio(ANN)]);
    assert_eq!(lanes[1].not_before, at(50));
    assert!(lanes[0].not_before <= at(0) && lanes[2].not_before <= at(0));
}

async fn a_head_is_what_was_stored(rig: &Rig) {
    let seq = rig
        .store(NewRow {
            payload: vec![0, 1, 255],
            ..inbound(ANN, "a", at(7))
        })
        .await;
    let head = rig.head(&to_genesys(ANN)).await.unwrap();
    assert_eq!((head.seq, head.accepted, head.time), (seq, at(7), at(7)));
    assert_eq!(
        (head.tries, head.strikes, head.next_part, head.part_failed),
        (0, 0, 0, false)
    );
    assert_eq!(head.doubt, None);
    assert_eq!(head.sender, "+15551230000");
    assert_eq!(head.payload, [0, 1, 255]);
    assert!(head.not_before <= at(0));
}

async fn a_key_stays_taken_after_its_message_was_delivered(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(0))).await;
    assert_eq!(
        rig.outbox.append(inbound(ANN, "a", at(1))).await.unwrap(),
        Appended::Duplicate
    );
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["a"]);
    assert_eq!(
        rig.outbox.append(inbound(ANN, "a", at(2))).await.unwrap(),
        Appended::Duplicate
    );
    assert!(rig.head(&to_genesys(ANN)).await.is_none());
}

async fn a_key_stays_taken_after_its_message_died(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.bury(seq, super::rig::refused(at(1))).await;
    assert_eq!(
        rig.outbox.append(outbound(ANN, "a", at(2))).await.unwrap(),
        Appended::Duplicate
    );
}

async fn a_key_past_its_life_is_free_again(rig: &Rig) {
    let short = |name: &str, seconds| NewRow {
        key: DedupKey {
            text: "genesys-body/1".into(),
            life: Duration::from_mins(2),
        },
        ..outbound(ANN, name, at(seconds))
    };
    rig.store(short("first", 0)).await;
    assert_eq!(
        rig.outbox.append(short("repeated", 119)).await.unwrap(),
        Appended::Duplicate
    );
    rig.store(short("said again", 120)).await;
    assert_eq!(
        rig.outbox.append(short("repeated", 239)).await.unwrap(),
        Appended::Duplicate
    );
    assert_eq!(rig.drain(&to_twilio(ANN)).await, ["first", "said again"]);
}

async fn of_appends_at_once_with_one_key_one_is_stored(rig: &Rig) {
    let appends = (0..32).map(|n| rig.outbox.append(inbound(ANN, &(n % 4).to_string(), at(0))));
    let appended: Vec<_> = join_all(appends)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        appended
            .iter()
            .filter(|appended| matches!(appended, Appended::Stored(_)))
            .count(),
        4
    );
    assert_eq!(rig.drain(&to_genesys(ANN)).await.len(), 4);
}

async fn a_refused_message_takes_its_key(rig: &Rig) {
    assert!(matches!(
        rig.outbox.refuse(refusal("a", at(0))).await.unwrap(),
        Appended::Stored(_)
    ));
    assert_eq!(
        rig.outbox.refuse(refusal("a", at(1))).await.unwrap(),
        Appended::Duplicate
    );
    assert_eq!(
        rig.outbox.append(outbound(ANN, "a", at(2))).await.unwrap(),
        Appended::Duplicate
    );
    assert_eq!(rig.outbox.stats().await.unwrap().receipts, 1);
}

async fn a_closed_outbox_says_so(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(0))).await;
    rig.outbox.close().await.unwrap();
    let append = rig.outbox.append(inbound(ANN, "b", at(0))).await;
    assert!(matches!(append, Err(OutboxError::Closed)), "{append:?}");
    assert!(matches!(rig.outbox.stats().await, Err(OutboxError::Closed)));
    assert!(matches!(
        rig.outbox.head(&to_genesys(ANN)).await,
        Err(OutboxError::Closed)
    ));
    rig.outbox.close().await.expect("closing twice is no error");
}
