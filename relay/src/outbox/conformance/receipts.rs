//! Receipts: coalesced, the worst news first, and never a step back.

use messaging_bridge_clients::genesys::{GenesysMessageId, ReasonCode};

use super::rig::{ANN, Rig, at, outbound, reason, refusal, refused, to_twilio, unresolved};
use crate::message::CustomerId;
use crate::outbox::{Mark, Rank, Receipt, ReceiptLevel, SendId};

for_every_backend! {
    a_delivered_replaces_a_waiting_sent,
    nothing_is_told_twice,
    a_failure_that_was_inferred_yields_to_a_later_callback,
    a_failure_that_was_inferred_does_not_replace_what_is_known,
    the_reason_of_a_failure_is_kept_when_a_later_callback_lacks_one,
    a_failure_without_a_reason_is_told_with_a_general_one,
    the_receipt_of_a_refused_message_is_not_due_at_once,
    failures_go_first,
    among_equals_the_longest_waiting_goes_first,
    a_receipt_that_was_put_back_waits_and_counts_its_tries,
    messages_whose_receipt_is_under_way_are_passed_over,
    what_came_meanwhile_does_not_wait_for_what_was_put_back,
    what_came_meanwhile_is_still_told,
    a_message_of_two_parts_is_told_when_both_are_there,
    a_failed_part_fails_the_message,
    a_message_without_an_id_has_no_receipt,
    a_message_to_genesys_has_no_receipt,
    what_was_put_back_under_another_clock_is_due,
}

fn one(name: &str, level: ReceiptLevel) -> Vec<(String, ReceiptLevel)> {
    vec![(name.to_owned(), level)]
}

async fn a_delivered_replaces_a_waiting_sent(rig: &Rig) {
    rig.send_outbound("a").await;
    assert_eq!(
        rig.next_told().await,
        None,
        "that Twilio took it is no news for an agent"
    );
    assert!(rig.hear("a", Rank::Sent).await.unwrap().receipt_waits);
    assert!(rig.hear("a", Rank::Delivered).await.unwrap().receipt_waits);
    assert_eq!(rig.outbox.stats().await.unwrap().receipts, 1);
    assert_eq!(rig.tell_all().await, one("a", ReceiptLevel::Delivered));
}

async fn nothing_is_told_twice(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear("a", Rank::Sent).await.unwrap();
    assert_eq!(rig.tell_all().await, one("a", ReceiptLevel::Sent));
    for rank in [Rank::Accepted, Rank::Sent] {
        let standing = rig.hear("a", rank).await.unwrap();
        assert_eq!((standing.rank, standing.receipt_waits), (Rank::Sent, false));
    }
    rig.hear("a", Rank::Delivered).await.unwrap();
    assert_eq!(rig.tell_all().await, one("a", ReceiptLevel::Delivered));
    assert!(
        !rig.hear("a", Rank::Read).await.unwrap().receipt_waits,
        "Genesys knows no read"
    );
    assert_eq!(rig.tell_all().await, []);
    assert_eq!(rig.outbox.receipt_due(Vec::new()).await.unwrap(), None);
}

async fn a_failure_that_was_inferred_yields_to_a_later_callback(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    rig.bury(seq, unresolved(at(0))).await;
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(waiting.receipt.level, ReceiptLevel::FailedInferred);
    assert_eq!(waiting.reason, Some(reason(ReasonCode::GeneralError)));
    rig.hear("s1", Rank::Delivered).await.unwrap();
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(
        (waiting.receipt.level, waiting.reason),
        (ReceiptLevel::Delivered, None)
    );
}

async fn a_failure_that_was_inferred_does_not_replace_what_is_known(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    // A second try of the same message, as a replay makes it: the first was proven meanwhile.
    rig.hear("s1", Rank::Delivered).await.unwrap();
    let again = rig.store(crate::outbox::NewRow {
        genesys_id: Some(GenesysMessageId::new("a")),
        ..outbound(ANN, "again", at(1))
    });
    rig.bury(again.await, unresolved(at(2))).await;
    assert_eq!(rig.tell_all().await, one("a", ReceiptLevel::Delivered));
}

async fn the_reason_of_a_failure_is_kept_when_a_later_callback_lacks_one(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear_why("a", Rank::Failed, Some(ReasonCode::RecipientOptedOut))
        .await
        .unwrap();
    rig.hear("a", Rank::Failed).await.unwrap();
    rig.hear("a", Rank::Sent).await.unwrap();
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(waiting.receipt.level, ReceiptLevel::Failed);
    assert_eq!(waiting.reason, Some(reason(ReasonCode::RecipientOptedOut)));
    assert_eq!(waiting.customer, CustomerId::new(ANN));
}

async fn a_failure_without_a_reason_is_told_with_a_general_one(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear("a", Rank::Failed).await.unwrap();
    let reason = rig.next_receipt().await.unwrap().reason.unwrap();
    assert_eq!(reason.code, ReasonCode::GeneralError);
    assert!(!reason.sentence.is_empty());
}

async fn the_receipt_of_a_refused_message_is_not_due_at_once(rig: &Rig) {
    rig.outbox.refuse(refusal("a", at(0))).await.unwrap();
    assert!(
        rig.outbox
            .next_receipt(at(0), Vec::new())
            .await
            .unwrap()
            .is_none(),
        "Genesys must have had our answer first"
    );
    let due = rig.outbox.receipt_due(Vec::new()).await.unwrap().unwrap();
    assert!(due > at(0) && due <= at(5), "{due}");
    rig.wait(5);
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(
        waiting.receipt,
        Receipt {
            genesys_id: GenesysMessageId::new("a"),
            level: ReceiptLevel::Failed
        }
    );
    assert_eq!(waiting.reason, Some(reason(ReasonCode::UnsupportedMessage)));
}

async fn failures_go_first(rig: &Rig) {
    for name in ["sent", "delivered", "failed"] {
        rig.send_outbound(name).await;
    }
    let inferred = rig.store_outbound("inferred").await;
    rig.hear("sent", Rank::Sent).await.unwrap();
    rig.hear("delivered", Rank::Delivered).await.unwrap();
    rig.wait(10);
    rig.bury(inferred, unresolved(rig.now())).await;
    rig.hear("failed", Rank::Failed).await.unwrap();
    let order: Vec<String> = rig
        .tell_all()
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(order[..2], ["failed", "inferred"]);
    assert_eq!(order.len(), 4);
}

async fn among_equals_the_longest_waiting_goes_first(rig: &Rig) {
    for name in ["c", "a", "b"] {
        rig.send_outbound(name).await;
        rig.wait(1);
    }
    for name in ["a", "b", "c"] {
        rig.hear(name, Rank::Delivered).await.unwrap();
    }
    let order: Vec<String> = rig
        .tell_all()
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(order, ["c", "a", "b"]);
}

async fn a_receipt_that_was_put_back_waits_and_counts_its_tries(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear("a", Rank::Sent).await.unwrap();
    let receipt = rig.next_receipt().await.unwrap().receipt;
    rig.outbox.receipt_defer(&receipt, at(30)).await.unwrap();
    assert_eq!(rig.next_told().await, None);
    assert_eq!(
        rig.outbox.receipt_due(Vec::new()).await.unwrap(),
        Some(at(30))
    );
    rig.wait(30);
    let again = rig.next_receipt().await.unwrap();
    assert_eq!((again.receipt, again.tries), (receipt, 1));
}

async fn messages_whose_receipt_is_under_way_are_passed_over(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear("a", Rank::Failed).await.unwrap();
    for (name, until) in [("b", at(11)), ("c", at(12))] {
        rig.send_outbound(name).await;
        rig.hear(name, Rank::Sent).await.unwrap();
        let receipt = Receipt {
            genesys_id: GenesysMessageId::new(name),
            level: ReceiptLevel::Sent,
        };
        rig.outbox.receipt_defer(&receipt, until).await.unwrap();
    }
    rig.wait(60);
    let cases: [(&[&str], Option<&str>, Option<i64>); 5] = [
        (&[], Some("a"), Some(0)),
        (&["a"], Some("b"), Some(11)),
        (&["b"], Some("a"), Some(0)),
        (&["b", "a"], Some("c"), Some(12)),
        (&["c", "b", "a"], None, None),
    ];
    for (names, next, due) in cases {
        let under_way = || names.iter().copied().map(GenesysMessageId::new).collect();
        let found = rig.outbox.next_receipt(rig.now(), under_way()).await;
        let found = found.unwrap().map(|waiting| waiting.receipt.genesys_id);
        assert_eq!(found, next.map(GenesysMessageId::new), "{names:?}");
        let found = rig.outbox.receipt_due(under_way()).await.unwrap();
        let seconds = found.map(|found| found.duration_since(at(0)).as_secs());
        assert_eq!(seconds, due, "{names:?}");
    }
}

async fn what_came_meanwhile_does_not_wait_for_what_was_put_back(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear("a", Rank::Sent).await.unwrap();
    let in_flight = rig.next_receipt().await.unwrap().receipt;
    rig.hear("a", Rank::Failed).await.unwrap();
    rig.outbox.receipt_defer(&in_flight, at(300)).await.unwrap();
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(
        (waiting.receipt.level, waiting.tries),
        (ReceiptLevel::Failed, 0)
    );
}

async fn what_came_meanwhile_is_still_told(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear("a", Rank::Sent).await.unwrap();
    let in_flight = rig.next_receipt().await.unwrap().receipt;
    rig.hear("a", Rank::Delivered).await.unwrap();
    rig.outbox.receipt_done(&in_flight).await.unwrap();
    assert_eq!(rig.tell_all().await, one("a", ReceiptLevel::Delivered));
}

async fn a_message_of_two_parts_is_told_when_both_are_there(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.sent(seq, "s1", false).await;
    assert!(
        !rig.hear("s1", Rank::Delivered).await.unwrap().receipt_waits,
        "the second part has no state"
    );
    rig.mark(seq, "a", "s2", (1, 2)).await;
    rig.sent(seq, "s2", true).await;
    assert_eq!(rig.next_told().await, None);
    rig.hear("s2", Rank::Sent).await.unwrap();
    assert_eq!(
        rig.tell_all().await,
        one("a", ReceiptLevel::Sent),
        "the lowest of both"
    );
    rig.hear("s2", Rank::Delivered).await.unwrap();
    assert_eq!(rig.tell_all().await, one("a", ReceiptLevel::Delivered));
}

async fn a_failed_part_fails_the_message(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.sent(seq, "s1", false).await;
    rig.hear_why("s1", Rank::Failed, Some(ReasonCode::MessageExpired))
        .await
        .unwrap();
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(waiting.receipt.level, ReceiptLevel::Failed);
    assert_eq!(waiting.reason, Some(reason(ReasonCode::MessageExpired)));
    rig.bury(
        seq,
        crate::outbox::DeadReason {
            receipt: None,
            ..refused(at(1))
        },
    )
    .await;
    assert_eq!(
        rig.tell_all().await,
        one("a", ReceiptLevel::Failed),
        "told once, by the part"
    );
}

async fn a_message_without_an_id_has_no_receipt(rig: &Rig) {
    let seq = rig
        .store(crate::outbox::NewRow {
            genesys_id: None,
            ..outbound(ANN, "a", at(0))
        })
        .await;
    let mark = Mark {
        seq,
        send: SendId::new("s1"),
        part: 0,
        parts: 1,
        genesys_id: None,
        customer: CustomerId::new(ANN),
        at: at(0),
    };
    assert!(rig.outbox.mark(mark).await.unwrap());
    let standing = rig.hear("s1", Rank::Delivered).await.unwrap();
    assert_eq!(
        (standing.rank, standing.receipt_waits),
        (Rank::Delivered, false)
    );
    assert!(rig.head(&to_twilio(ANN)).await.is_none());
    let seq = rig
        .store(crate::outbox::NewRow {
            genesys_id: None,
            ..outbound(ANN, "b", at(0))
        })
        .await;
    rig.bury(seq, refused(at(1))).await;
    assert_eq!(rig.outbox.stats().await.unwrap().receipts, 0);
}

async fn a_message_to_genesys_has_no_receipt(rig: &Rig) {
    let seq = rig.store(super::rig::inbound(ANN, "a", at(0))).await;
    rig.bury(seq, refused(at(1))).await;
    assert_eq!(rig.outbox.stats().await.unwrap().receipts, 0);
}

async fn what_was_put_back_under_another_clock_is_due(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.hear("a", Rank::Sent).await.unwrap();
    let receipt = rig.next_receipt().await.unwrap().receipt;
    let in_ten_hours = at(36_000);
    rig.outbox
        .receipt_defer(&receipt, in_ten_hours)
        .await
        .unwrap();
    let again = rig.next_receipt().await.map(|waiting| waiting.receipt);
    assert_eq!(again, Some(receipt), "no receipt waits for hours");
}
