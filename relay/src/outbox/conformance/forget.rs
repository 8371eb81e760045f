//! One customer is erased, and nobody else.

use super::rig::{ANN, BOB, Rig, at, inbound, outbound, refusal, refused, to_genesys, to_twilio};
use crate::message::CustomerId;
use crate::outbox::{Appended, Forgotten, Rank};

for_every_backend! {
    everything_of_one_customer_is_erased_and_nothing_of_another,
    somebody_who_was_never_here_changes_nothing,
    what_was_forgotten_is_still_recognised_when_its_platform_repeats_it,
    callbacks_about_what_was_forgotten_change_nothing,
    somebody_who_was_forgotten_can_write_again,
}

async fn forget(rig: &Rig, customer: &str) -> Forgotten {
    rig.outbox.forget(&CustomerId::new(customer)).await.unwrap()
}

async fn everything_of_one_customer_is_erased_and_nothing_of_another(rig: &Rig) {
    for customer in [ANN, BOB] {
        let named = |name: &str| format!("{name}-{customer}");
        rig.store(inbound(customer, &named("in"), at(0))).await;
        rig.store(outbound(customer, &named("out"), at(0))).await;
        let dying = rig.store(outbound(customer, &named("dead"), at(1))).await;
        rig.bury(dying, refused(at(1))).await;
    }
    rig.send_outbound("sent").await;
    let marked = rig.store_outbound("marked").await;
    rig.mark(marked, "marked", "s1", (0, 1)).await;
    rig.outbox.refuse(refusal("refused", at(0))).await.unwrap();
    let before = rig.outbox.stats().await.unwrap();
    let forgotten = forget(rig, ANN).await;
    let expected = Forgotten {
        waiting: 3,
        under_way: 1,
        dead_letters: 1,
        receipts: 4,
        contact: true,
    };
    assert_eq!(forgotten, expected);
    assert_eq!(rig.head_name(&to_genesys(ANN)).await, None);
    assert_eq!(rig.head_name(&to_twilio(ANN)).await, None);
    let after = rig.outbox.stats().await.unwrap();
    assert_eq!(
        (after.inbound, after.outbound),
        (before.inbound - 1, before.outbound - 2)
    );
    assert_eq!((after.dead_letters, after.receipts), (1, 1));
    let bytes = [format!("in-{BOB}"), format!("out-{BOB}")].concat().len();
    assert_eq!(after.bytes, bytes as u64);
    assert!(rig.head(&to_genesys(BOB)).await.is_some());
    assert!(rig.head(&to_twilio(BOB)).await.is_some());
}

async fn somebody_who_was_never_here_changes_nothing(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(0))).await;
    let before = rig.outbox.stats().await.unwrap();
    assert_eq!(forget(rig, BOB).await, Forgotten::default());
    assert_eq!(rig.outbox.stats().await.unwrap(), before);
}

async fn what_was_forgotten_is_still_recognised_when_its_platform_repeats_it(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(0))).await;
    forget(rig, ANN).await;
    let again = rig.outbox.append(inbound(ANN, "a", at(1))).await.unwrap();
    assert_eq!(again, Appended::Duplicate);
}

async fn callbacks_about_what_was_forgotten_change_nothing(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    forget(rig, ANN).await;
    let standing = rig.hear("s1", Rank::Delivered).await.unwrap();
    assert!(!standing.receipt_waits, "nobody is told");
    assert!(
        rig.sent(seq, "s1", true).await,
        "a late answer finds its row gone"
    );
    assert_eq!(rig.outbox.stats().await.unwrap().receipts, 0);
}

async fn somebody_who_was_forgotten_can_write_again(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(0))).await;
    forget(rig, ANN).await;
    rig.store(inbound(ANN, "b", at(1))).await;
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["b"]);
}
