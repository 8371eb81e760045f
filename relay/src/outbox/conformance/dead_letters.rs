//! Dead letters: what is listed, and what a replay begins anew.

use super::rig::{
    ANN, BOB, Rig, at, expired, inbound, outbound, refused, to_genesys, to_twilio, unresolved,
};
use crate::outbox::{DeadLetterId, Direction, LetterSelection, Rank, ReceiptLevel, SendId};

for_every_backend! {
    many_are_replayed_in_order_and_purged_in_pieces,
    the_list_is_oldest_first_and_masks_the_customer,
    a_dead_message_to_twilio_tells_the_agent,
    a_replay_goes_to_the_tail_in_the_original_order,
    a_replay_of_one_leaves_the_others,
    a_replay_of_a_lane_leaves_other_customers_and_the_other_direction,
    one_is_shown_with_what_the_list_leaves_out,
    they_are_counted_by_direction_and_reason,
    a_purge_of_one_of_a_lane_and_of_all_removes_just_these,
    a_purged_message_is_still_recognised_when_its_platform_repeats_it,
    a_replay_of_what_is_not_there_changes_nothing,
    a_replay_begins_its_age_and_its_tries_anew,
    replayed_messages_to_genesys_have_times_that_increase,
    a_replay_keeps_the_mark_of_what_is_unresolved,
    a_replay_makes_receipts_begin_anew,
    a_replay_of_what_was_never_tried_counts_its_parts,
    a_late_word_about_the_old_receipt_does_not_silence_the_replayed_message,
    a_replayed_part_that_failed_is_not_remembered_as_failed,
    a_replay_behind_a_failed_part_is_told_by_the_parts_to_come,
    messages_past_their_validity_end_without_their_turn,
}

async fn kill(rig: &Rig, row: crate::outbox::NewRow) {
    let accepted = row.accepted;
    let seq = rig.store(row).await;
    rig.bury(seq, refused(accepted)).await;
}

async fn the_list_is_oldest_first_and_masks_the_customer(rig: &Rig) {
    kill(rig, inbound(ANN, "a", at(1))).await;
    kill(rig, outbound(BOB, "b", at(2))).await;
    kill(rig, inbound(BOB, "c", at(3))).await;
    let letters = rig.outbox.dead_letters(2).await.unwrap();
    assert_eq!(letters.len(), 2, "no more than asked for");
    let [first, second] = &letters[..] else {
        unreachable!("two were listed")
    };
    assert_eq!(
        (first.direction, first.accepted, first.died),
        (Direction::Inbound, at(1), at(1))
    );
    assert_eq!(
        (first.reason.as_str(), first.sentence.as_str()),
        ("refused", "It was refused.")
    );
    assert!(first.replayable);
    assert_eq!(
        (second.direction, second.accepted),
        (Direction::Outbound, at(2))
    );
    let shown = format!("{letters:?}{}", serde_json::to_string(&letters).unwrap());
    assert!(!shown.contains("5557654"), "{shown}");
    assert_eq!(rig.outbox.dead_letters(9).await.unwrap().len(), 3);
}

async fn a_dead_message_to_twilio_tells_the_agent(rig: &Rig) {
    kill(rig, outbound(ANN, "a", at(0))).await;
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(waiting.receipt.level, ReceiptLevel::Failed);
    assert_eq!(
        waiting.reason,
        refused(at(0)).receipt.map(|(_, reason)| reason)
    );
    assert_eq!(waiting.customer.expose(), ANN);
}

async fn a_replay_goes_to_the_tail_in_the_original_order(rig: &Rig) {
    for direction in [inbound, outbound] {
        for (name, accepted) in [("first", 1), ("second", 2), ("third", 3)] {
            rig.store(direction(ANN, name, at(accepted))).await;
        }
        rig.store(direction(ANN, "waits", at(4))).await;
        let lane = direction(ANN, "", at(0)).lane;
        for _ in 0..3 {
            let head = rig.head(&lane).await.unwrap();
            rig.bury(head.seq, refused(at(5))).await;
        }
        rig.wait(10);
        assert_eq!(
            rig.outbox.replay(LetterSelection::All).await.unwrap().lanes,
            std::slice::from_ref(&lane)
        );
        assert_eq!(
            rig.drain(&lane).await,
            ["waits", "first", "second", "third"]
        );
        assert!(rig.outbox.dead_letters(9).await.unwrap().is_empty());
    }
}

async fn a_replay_of_one_leaves_the_others(rig: &Rig) {
    kill(rig, inbound(ANN, "a", at(0))).await;
    kill(rig, inbound(BOB, "b", at(0))).await;
    let second = rig.outbox.dead_letters(9).await.unwrap()[1].id;
    assert_eq!(
        rig.outbox
            .replay(LetterSelection::One(second))
            .await
            .unwrap()
            .lanes,
        [to_genesys(BOB)]
    );
    assert_eq!(rig.head_name(&to_genesys(BOB)).await.unwrap(), "b");
    assert_eq!(rig.outbox.dead_letters(9).await.unwrap().len(), 1);
}

async fn a_replay_of_a_lane_leaves_other_customers_and_the_other_direction(rig: &Rig) {
    for row in [
        inbound(ANN, "first", at(0)),
        inbound(BOB, "another customer's", at(1)),
        inbound(ANN, "second", at(2)),
        outbound(ANN, "the other way", at(3)),
    ] {
        kill(rig, row).await;
    }
    let second = rig.outbox.dead_letters(9).await.unwrap()[2].id;
    let replayed = rig.outbox.replay(LetterSelection::LaneOf(second)).await;
    assert_eq!(replayed.unwrap().lanes, [to_genesys(ANN)]);
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["first", "second"]);
    assert_eq!(rig.outbox.dead_letters(9).await.unwrap().len(), 2);
}

async fn one_is_shown_with_what_the_list_leaves_out(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.sent(seq, "s1", false).await;
    rig.wait(5);
    rig.mark(seq, "a", "s2", (1, 2)).await;
    rig.outbox
        .dead_letter(seq, 1, unresolved(at(9)))
        .await
        .unwrap();
    let letter = rig.outbox.dead_letters(9).await.unwrap().remove(0);
    let detail = rig
        .outbox
        .dead_letter_detail(letter.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(detail.letter, letter);
    assert_eq!(detail.lane, to_twilio(ANN));
    assert_eq!(detail.key, "genesys/a");
    assert_eq!((detail.next_part, detail.marked), (1, Some(at(5))));
    assert_eq!(detail.payload.as_deref(), Some(b"a".as_slice()));
    assert!(detail.ours);
    let unknown = rig.outbox.dead_letter_detail(DeadLetterId(12345)).await;
    assert!(unknown.unwrap().is_none());
}

async fn they_are_counted_by_direction_and_reason(rig: &Rig) {
    assert_eq!(rig.outbox.dead_letter_counts().await.unwrap(), []);
    for name in ["a", "b"] {
        kill(rig, inbound(ANN, name, at(0))).await;
    }
    kill(rig, outbound(ANN, "c", at(0))).await;
    let late = rig.store(outbound(BOB, "d", at(0))).await;
    rig.bury(late, expired(at(1))).await;
    let counts = rig.outbox.dead_letter_counts().await.unwrap();
    let mut counts: Vec<_> = counts
        .iter()
        .map(|kind| (kind.direction, kind.reason.as_str(), kind.count))
        .collect();
    counts.sort_unstable();
    let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
    let expected = [
        (inbound, "refused", 2),
        (outbound, "expired", 1),
        (outbound, "refused", 1),
    ];
    assert_eq!(counts, expected);
}

async fn a_purge_of_one_of_a_lane_and_of_all_removes_just_these(rig: &Rig) {
    for row in [
        inbound(ANN, "a", at(0)),
        inbound(ANN, "b", at(1)),
        inbound(BOB, "c", at(2)),
        outbound(ANN, "d", at(3)),
        inbound(ANN, "e", at(4)),
    ] {
        kill(rig, row).await;
    }
    let ids: Vec<DeadLetterId> = rig
        .outbox
        .dead_letters(9)
        .await
        .unwrap()
        .iter()
        .map(|letter| letter.id)
        .collect();
    let purge = async |selection| rig.outbox.purge_dead_letters(selection).await.unwrap();
    assert_eq!(purge(LetterSelection::One(DeadLetterId(12345))).await, 0);
    assert_eq!(purge(LetterSelection::LaneOf(DeadLetterId(12345))).await, 0);
    assert_eq!(purge(LetterSelection::One(ids[0])).await, 1);
    assert_eq!(purge(LetterSelection::LaneOf(ids[1])).await, 2);
    let left: Vec<DeadLetterId> = rig
        .outbox
        .dead_letters(9)
        .await
        .unwrap()
        .iter()
        .map(|letter| letter.id)
        .collect();
    assert_eq!(left, [ids[2], ids[3]]);
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 2);
    assert_eq!(purge(LetterSelection::All).await, 2);
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 0);
}

async fn a_purged_message_is_still_recognised_when_its_platform_repeats_it(rig: &Rig) {
    kill(rig, inbound(ANN, "a", at(0))).await;
    rig.outbox
        .purge_dead_letters(LetterSelection::All)
        .await
        .unwrap();
    let again = rig.outbox.append(inbound(ANN, "a", at(1))).await.unwrap();
    assert_eq!(again, crate::outbox::Appended::Duplicate);
}

async fn a_replay_of_what_is_not_there_changes_nothing(rig: &Rig) {
    kill(rig, inbound(ANN, "a", at(0))).await;
    let before = rig.outbox.stats().await.unwrap();
    assert_eq!(
        rig.outbox
            .replay(LetterSelection::One(DeadLetterId(12345)))
            .await
            .unwrap()
            .lanes,
        []
    );
    assert_eq!(rig.outbox.stats().await.unwrap(), before);
}

async fn a_replay_begins_its_age_and_its_tries_anew(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.defer(seq, at(30)).await;
    rig.bury(seq, refused(at(40))).await;
    rig.wait(1000);
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!((head.accepted, head.tries, head.strikes), (at(1000), 0, 0));
    assert!(head.not_before <= at(1000));
}

async fn replayed_messages_to_genesys_have_times_that_increase(rig: &Rig) {
    for name in ["a", "b", "c"] {
        kill(rig, inbound(ANN, name, at(0))).await;
    }
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    rig.store(inbound(ANN, "d", rig.now())).await;
    let mut times = Vec::new();
    while let Some(head) = rig.head(&to_genesys(ANN)).await {
        times.push(head.time);
        rig.outbox.complete(head.seq).await.unwrap();
    }
    assert_eq!(times.len(), 4);
    assert!(
        times.is_sorted_by(|earlier, later| earlier < later),
        "{times:?}"
    );
}

async fn a_replay_keeps_the_mark_of_what_is_unresolved(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    rig.bury(seq, unresolved(at(20))).await;
    rig.wait(60);
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!(
        head.doubt.map(|doubt| (doubt.send, doubt.first_marked)),
        Some((SendId::new("s1"), at(0))),
        "it is looked up again before anything is sent"
    );
    rig.hear("s1", Rank::Sent).await.unwrap();
    assert!(
        rig.head(&to_twilio(ANN)).await.is_none(),
        "its callback still proves it"
    );
}

async fn a_replay_makes_receipts_begin_anew(rig: &Rig) {
    kill(rig, outbound(ANN, "a", at(0))).await;
    assert_eq!(
        rig.tell_all().await,
        [("a".to_owned(), ReceiptLevel::Failed)]
    );
    rig.wait(60);
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    assert_eq!(rig.next_told().await, None);
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    rig.mark(head.seq, "a", "s1", (0, 1)).await;
    rig.sent(head.seq, "s1", true).await;
    rig.hear("s1", Rank::Sent).await.unwrap();
    let waiting = rig.next_receipt().await.unwrap();
    assert_eq!(
        (waiting.receipt.level, waiting.reason),
        (ReceiptLevel::Sent, None)
    );
    assert_eq!(waiting.created, at(60), "its patience begins anew");
}

async fn a_replay_of_what_was_never_tried_counts_its_parts(rig: &Rig) {
    kill(rig, outbound(ANN, "a", at(0))).await;
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    rig.mark(head.seq, "a", "s1", (0, 2)).await;
    rig.hear("s1", Rank::Delivered).await.unwrap();
    assert_eq!(
        rig.next_told().await,
        None,
        "the second part was not sent yet"
    );
}

async fn a_late_word_about_the_old_receipt_does_not_silence_the_replayed_message(rig: &Rig) {
    kill(rig, outbound(ANN, "a", at(0))).await;
    let in_flight = rig.next_receipt().await.unwrap().receipt;
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    rig.outbox.receipt_done(&in_flight).await.unwrap();
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    rig.mark(head.seq, "a", "s1", (0, 1)).await;
    rig.hear("s1", Rank::Delivered).await.unwrap();
    assert_eq!(
        rig.next_told().await,
        Some(("a".to_owned(), ReceiptLevel::Delivered))
    );
}

async fn a_replayed_part_that_failed_is_not_remembered_as_failed(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.sent(seq, "s1", false).await;
    rig.hear("s1", Rank::Failed).await.unwrap();
    rig.bury(seq, refused(at(1))).await;
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert!(!head.part_failed, "else it would die at once again");
    assert_eq!(
        rig.hear("s1", Rank::Failed).await,
        None,
        "late callbacks of the old try are unknown"
    );
}

async fn a_replay_behind_a_failed_part_is_told_by_the_parts_to_come(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.sent(seq, "s1", false).await;
    rig.hear("s1", Rank::Failed).await.unwrap();
    rig.bury(seq, refused(at(1))).await;
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!(head.next_part, 1, "what Twilio once took is not sent again");
    rig.mark(head.seq, "a", "s2", (1, 2)).await;
    rig.sent(head.seq, "s2", true).await;
    rig.hear("s2", Rank::Delivered).await.unwrap();
    assert_eq!(
        rig.next_told().await,
        Some(("a".to_owned(), ReceiptLevel::Delivered))
    );
}

async fn messages_past_their_validity_end_without_their_turn(rig: &Rig) {
    let marked = rig.store(outbound(ANN, "marked", at(0))).await;
    rig.mark(marked, "marked", "s1", (0, 1)).await;
    rig.store(outbound(ANN, "untried", at(1))).await;
    rig.store(outbound(BOB, "just in time", at(10))).await;
    rig.store(inbound(ANN, "a customer's", at(0))).await;
    let ended = rig
        .outbox
        .expire_outbound((at(10), at(20)), expired(at(20)), unresolved(at(20)))
        .await
        .unwrap();
    let marks: Vec<_> = ended
        .iter()
        .map(|ended| (ended.accepted, ended.marked))
        .collect();
    assert_eq!(marks, [(at(0), true), (at(1), false)]);
    assert!(ended.iter().all(|ended| ended.lane == to_twilio(ANN)));
    let letters = rig.outbox.dead_letters(9).await.unwrap();
    let words: Vec<_> = letters
        .iter()
        .map(|letter| letter.reason.as_str())
        .collect();
    assert_eq!(words, ["unresolved", "expired"]);
    rig.wait(20);
    let mut told = rig.tell_all().await;
    told.sort();
    let expected = [
        ("marked", ReceiptLevel::FailedInferred),
        ("untried", ReceiptLevel::Failed),
    ];
    assert_eq!(told, expected.map(|(name, level)| (name.to_owned(), level)));
    assert_eq!(
        rig.outbox
            .expire_outbound((at(10), at(20)), expired(at(20)), unresolved(at(20)))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        rig.head_name(&to_twilio(BOB)).await.unwrap(),
        "just in time"
    );
    assert_eq!(
        rig.head_name(&to_genesys(ANN)).await.unwrap(),
        "a customer's"
    );
}

async fn many_are_replayed_in_order_and_purged_in_pieces(rig: &Rig) {
    let names: Vec<String> = (0..600).map(|number| format!("{number:03}")).collect();
    for (after, name) in names.iter().enumerate() {
        rig.store(inbound(ANN, name, at(i64::try_from(after).unwrap())))
            .await;
    }
    let bury_all = async || {
        while let Some(head) = rig.head(&to_genesys(ANN)).await {
            rig.bury(head.seq, refused(rig.now())).await;
        }
    };
    bury_all().await;
    rig.wait(1000);
    let replayed = rig.outbox.replay(LetterSelection::All).await.unwrap();
    assert_eq!((replayed.messages, replayed.left), (600, 0));
    assert_eq!(replayed.lanes, [to_genesys(ANN)]);
    let again: Vec<String> = rig.drain(&to_genesys(ANN)).await;
    assert_eq!(again, names);
    for name in &names {
        rig.store(inbound(ANN, &format!("again {name}"), rig.now()))
            .await;
    }
    bury_all().await;
    let purged = rig.outbox.purge_dead_letters(LetterSelection::All).await;
    assert_eq!(purged.unwrap(), 600);
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 0);
}
