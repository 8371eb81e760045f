//! Sends towards Twilio: the mark before each, its answer, and callbacks that come before the answer, or instead of it.

use messaging_bridge_clients::twilio::MessageSid;

use super::rig::{ANN, Rig, at, outbound, sid, to_twilio, unresolved};
use crate::outbox::{
    Burial, Doubt, LetterSelection, PartSent, Rank, ReceiptLevel, SendId, SendState, Seq,
};

for_every_backend! {
    a_mark_is_there_until_it_is_removed,
    a_row_that_is_gone_cannot_be_marked,
    the_last_part_completes_the_message,
    an_earlier_part_makes_way_for_the_next,
    a_callback_completes_a_send_in_doubt,
    a_callback_for_an_earlier_part_makes_way_for_the_next,
    a_late_answer_behind_a_callback_changes_nothing_and_does_not_stop_the_lane,
    the_sid_that_came_first_stays,
    a_send_that_a_callback_named_is_not_forgotten_with_its_mark,
    a_failed_part_is_seen_before_the_next,
    a_part_that_one_of_its_sends_carried_has_not_failed,
    only_sids_that_a_send_has_taken_are_adopted,
    an_unknown_send_is_unknown,
    a_callback_after_all_takes_an_unresolved_message_out_of_the_dead_letters,
    an_answer_after_all_takes_an_expired_message_out_of_the_dead_letters,
    a_callback_for_an_earlier_part_of_a_dead_letter_lets_a_replay_go_on_behind_it,
    a_send_that_was_settled_as_not_sent_is_remembered_with_the_time_of_the_first,
    a_callback_for_an_earlier_send_of_the_part_completes_it_while_another_is_under_way,
    a_definite_answer_clears_its_own_mark_and_no_earlier_one,
    a_row_that_went_on_since_is_neither_marked_nor_given_up,
    the_failure_of_what_may_have_been_sent_is_an_inferred_one,
    the_sends_of_a_part_of_which_nothing_was_heard_are_named_in_order,
    others_of_the_lane_in_doubt_are_seen_and_other_lanes_are_not,
}

async fn state(rig: &Rig, send: &str) -> Option<SendState> {
    rig.outbox.send_state(&SendId::new(send)).await.unwrap()
}

async fn mark_of(rig: &Rig) -> Option<SendId> {
    rig.head(&to_twilio(ANN))
        .await
        .unwrap()
        .doubt
        .map(|doubt| doubt.send)
}

async fn a_mark_is_there_until_it_is_removed(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    assert!(rig.mark(seq, "a", "s1", (0, 1)).await);
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!(
        head.doubt,
        Some(Doubt {
            send: SendId::new("s1"),
            marked: at(0),
            first: SendId::new("s1"),
            first_marked: at(0)
        })
    );
    assert_eq!(
        state(rig, "s1").await,
        Some(SendState {
            sid: None,
            rank: Rank::Pending
        })
    );
    rig.outbox
        .unmark(seq, SendId::new("another"))
        .await
        .unwrap();
    assert_eq!(
        mark_of(rig).await,
        Some(SendId::new("s1")),
        "another send's mark is not removed"
    );
    rig.outbox.unmark(seq, SendId::new("s1")).await.unwrap();
    assert_eq!(mark_of(rig).await, None);
    assert_eq!(
        state(rig, "s1").await,
        None,
        "a send that never was is forgotten"
    );
}

async fn a_row_that_is_gone_cannot_be_marked(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.outbox.complete(seq).await.unwrap();
    assert!(!rig.mark(seq, "a", "s1", (0, 1)).await);
    assert_eq!(state(rig, "s1").await, None);
}

async fn the_last_part_completes_the_message(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    assert!(!rig.sent(seq, "s1", true).await, "nothing more waits");
    assert!(rig.head(&to_twilio(ANN)).await.is_none());
    assert_eq!(
        state(rig, "s1").await,
        Some(SendState {
            sid: Some(sid("s1")),
            rank: Rank::Accepted
        })
    );
}

async fn an_earlier_part_makes_way_for_the_next(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.defer(seq, at(30)).await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    assert!(rig.sent(seq, "s1", false).await, "the second part waits");
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!(
        (head.next_part, head.tries, head.part_failed),
        (1, 0, false)
    );
    assert_eq!(head.doubt, None);
    assert!(
        head.not_before <= at(0),
        "the wait of the first part is not the second's"
    );
}

async fn a_callback_completes_a_send_in_doubt(rig: &Rig) {
    for (name, rank) in [
        ("a", Rank::Accepted),
        ("b", Rank::Delivered),
        ("c", Rank::Failed),
    ] {
        let seq = rig.store_outbound(name).await;
        rig.mark(seq, name, name, (0, 1)).await;
        assert_eq!(rig.hear(name, rank).await.unwrap().rank, rank);
        assert!(rig.head(&to_twilio(ANN)).await.is_none(), "{name} was sent");
        assert_eq!(
            state(rig, name).await,
            Some(SendState {
                sid: Some(sid(name)),
                rank
            })
        );
    }
    assert_eq!(rig.outbox.stats().await.unwrap().outbound, 0);
}

async fn a_callback_for_an_earlier_part_makes_way_for_the_next(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.hear("s1", Rank::Sent).await.unwrap();
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!((head.next_part, head.doubt), (1, None));
    rig.hear("s1", Rank::Delivered).await.unwrap();
    assert_eq!(
        rig.head(&to_twilio(ANN)).await.unwrap().next_part,
        1,
        "one part makes way once"
    );
}

async fn a_late_answer_behind_a_callback_changes_nothing_and_does_not_stop_the_lane(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.store(outbound(ANN, "waits", at(1))).await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.hear("s1", Rank::Sent).await.unwrap();
    assert!(rig.sent(seq, "s1", false).await, "the second part waits");
    assert_eq!(rig.head(&to_twilio(ANN)).await.unwrap().next_part, 1);
    rig.mark(seq, "a", "s2", (1, 2)).await;
    rig.hear("s2", Rank::Delivered).await.unwrap();
    let before = rig.outbox.stats().await.unwrap();
    assert!(rig.sent(seq, "s2", true).await, "another message waits");
    assert_eq!(rig.outbox.stats().await.unwrap(), before);
    assert_eq!(state(rig, "s2").await.unwrap().rank, Rank::Delivered);
    assert_eq!(rig.head_name(&to_twilio(ANN)).await.unwrap(), "waits");
}

async fn the_sid_that_came_first_stays(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    rig.hear("s1", Rank::Sent).await.unwrap();
    let sent = PartSent {
        seq,
        send: SendId::new("s1"),
        sid: MessageSid::new("SM-other"),
        last: true,
    };
    rig.outbox.part_sent(sent).await.unwrap();
    assert_eq!(state(rig, "s1").await.unwrap().sid, Some(sid("s1")));
}

async fn a_send_that_a_callback_named_is_not_forgotten_with_its_mark(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    rig.hear("s1", Rank::Sent).await.unwrap();
    rig.outbox.unmark(seq, SendId::new("s1")).await.unwrap();
    assert_eq!(state(rig, "s1").await.unwrap().rank, Rank::Sent);
}

async fn a_failed_part_is_seen_before_the_next(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.sent(seq, "s1", false).await;
    assert!(!rig.head(&to_twilio(ANN)).await.unwrap().part_failed);
    rig.hear("s1", Rank::Failed).await.unwrap();
    assert!(rig.head(&to_twilio(ANN)).await.unwrap().part_failed);
}

async fn a_part_that_one_of_its_sends_carried_has_not_failed(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    let first = SendId::new("s1");
    assert!(rig.outbox.not_sent(seq, first).await.unwrap());
    rig.mark(seq, "a", "s2", (0, 2)).await;
    rig.sent(seq, "s2", false).await;
    rig.hear("s2", Rank::Delivered).await.unwrap();
    // It had been sent after all, and comes to nothing: the customer has the other one.
    rig.hear("s1", Rank::Failed).await.unwrap();
    assert!(!rig.head(&to_twilio(ANN)).await.unwrap().part_failed);
    rig.mark(seq, "a", "s3", (1, 2)).await;
    rig.sent(seq, "s3", true).await;
    rig.hear("s3", Rank::Delivered).await.unwrap();
    assert_eq!(
        rig.tell_all().await,
        [("a".to_owned(), ReceiptLevel::Delivered)]
    );
}

async fn only_sids_that_a_send_has_taken_are_adopted(rig: &Rig) {
    rig.send_outbound("a").await;
    rig.send_outbound("b").await;
    let asked = vec![sid("b"), sid("never"), sid("a")];
    assert_eq!(
        rig.outbox.adopted(asked).await.unwrap(),
        [sid("b"), sid("a")]
    );
    assert!(rig.outbox.adopted(Vec::new()).await.unwrap().is_empty());
}

async fn an_unknown_send_is_unknown(rig: &Rig) {
    assert_eq!(rig.hear("nobody's", Rank::Delivered).await, None);
    assert_eq!(state(rig, "nobody's").await, None);
    assert_eq!(rig.outbox.stats().await.unwrap().receipts, 0);
}

async fn a_callback_after_all_takes_an_unresolved_message_out_of_the_dead_letters(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    rig.bury(seq, unresolved(at(0))).await;
    assert_eq!(
        rig.tell_all().await,
        [("a".to_owned(), ReceiptLevel::FailedInferred)]
    );
    rig.hear("s1", Rank::Sent).await.unwrap();
    assert!(
        rig.outbox.dead_letters(9).await.unwrap().is_empty(),
        "it was sent: nobody shall replay it"
    );
    assert_eq!(rig.outbox.stats().await.unwrap().dead_letters, 0);
    assert_eq!(rig.tell_all().await, [("a".to_owned(), ReceiptLevel::Sent)]);
}

async fn an_answer_after_all_takes_an_expired_message_out_of_the_dead_letters(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    let (expired, unresolved) = (super::rig::expired(at(9)), unresolved(at(9)));
    assert_eq!(
        rig.outbox
            .expire_outbound((at(5), at(9)), expired, unresolved)
            .await
            .unwrap()
            .len(),
        1
    );
    rig.sent(seq, "s1", true).await;
    assert!(rig.outbox.dead_letters(9).await.unwrap().is_empty());
}

async fn a_callback_for_an_earlier_part_of_a_dead_letter_lets_a_replay_go_on_behind_it(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.bury(seq, unresolved(at(1))).await;
    rig.hear("s1", Rank::Sent).await.unwrap();
    assert_eq!(
        rig.outbox.replay(LetterSelection::All).await.unwrap().lanes,
        [to_twilio(ANN)]
    );
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!(
        (head.next_part, head.doubt),
        (1, None),
        "the first part is neither in doubt nor sent again"
    );
}

/// Marks a part as tried again with another send: the one before was settled as not sent.
async fn try_again(rig: &Rig, seq: Seq, name: &str, (before, after): (&str, &str)) {
    let settled = rig.outbox.not_sent(seq, SendId::new(before)).await;
    assert!(settled.unwrap());
    rig.wait(10);
    assert!(rig.mark(seq, name, after, (0, 1)).await);
}

async fn a_send_that_was_settled_as_not_sent_is_remembered_with_the_time_of_the_first(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    try_again(rig, seq, "a", ("s1", "s2")).await;
    let doubt = Doubt {
        send: SendId::new("s2"),
        marked: at(10),
        first: SendId::new("s1"),
        first_marked: at(0),
    };
    assert_eq!(rig.head(&to_twilio(ANN)).await.unwrap().doubt, Some(doubt));
    let again = rig.outbox.not_sent(seq, SendId::new("s1")).await;
    assert!(!again.unwrap(), "it is not the one in doubt");
    try_again(rig, seq, "a", ("s2", "s3")).await;
    let doubt = rig.head(&to_twilio(ANN)).await.unwrap().doubt.unwrap();
    assert_eq!((doubt.first.as_str(), doubt.first_marked), ("s1", at(0)));
}

async fn a_callback_for_an_earlier_send_of_the_part_completes_it_while_another_is_under_way(
    rig: &Rig,
) {
    for heard in ["s1", "s2", "s3"] {
        let name = format!("a-{heard}");
        let id = |send: &str| format!("{name}/{send}");
        let seq = rig.store_outbound(&name).await;
        rig.mark(seq, &name, &id("s1"), (0, 1)).await;
        try_again(rig, seq, &name, (&id("s1"), &id("s2"))).await;
        try_again(rig, seq, &name, (&id("s2"), &id("s3"))).await;
        let standing = rig.hear(&id(heard), Rank::Sent).await.unwrap();
        let proved = standing.proved.unwrap();
        assert!(proved.complete && !proved.more, "{heard}");
        assert_eq!(proved.lane, to_twilio(ANN));
        assert!(rig.head(&to_twilio(ANN)).await.is_none(), "{heard}");
        assert!(
            rig.sent(seq, &id("s3"), true).await,
            "the late answer is a no-op"
        );
    }
    assert_eq!(rig.outbox.stats().await.unwrap().outbound, 0);
}

async fn a_definite_answer_clears_its_own_mark_and_no_earlier_one(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    try_again(rig, seq, "a", ("s1", "s2")).await;
    rig.outbox.unmark(seq, SendId::new("s2")).await.unwrap();
    assert_eq!(rig.head(&to_twilio(ANN)).await.unwrap().doubt, None);
    assert_eq!(state(rig, "s2").await, None);
    rig.hear("s1", Rank::Sent).await.unwrap();
    assert!(
        rig.head(&to_twilio(ANN)).await.is_none(),
        "the earlier one still proves the part"
    );
}

async fn a_row_that_went_on_since_is_neither_marked_nor_given_up(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 2)).await;
    rig.hear("s1", Rank::Sent).await.unwrap();
    let reason = unresolved(at(1));
    let burial = rig.outbox.dead_letter(seq, 0, reason.clone()).await;
    assert_eq!(burial.unwrap(), Burial::GoneOn, "its part was proven");
    assert!(
        !rig.mark(seq, "a", "s2", (0, 2)).await,
        "and is not sent again"
    );
    assert_eq!(rig.head(&to_twilio(ANN)).await.unwrap().next_part, 1);
    assert!(rig.outbox.dead_letters(9).await.unwrap().is_empty());
    let burial = rig.outbox.dead_letter(seq, 1, reason).await;
    assert_eq!(burial.unwrap(), Burial::Buried { more: false });
}

async fn the_failure_of_what_may_have_been_sent_is_an_inferred_one(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s1", (0, 1)).await;
    rig.outbox.not_sent(seq, SendId::new("s1")).await.unwrap();
    rig.bury(seq, super::rig::expired(at(20))).await;
    rig.wait(30);
    assert_eq!(
        rig.tell_all().await,
        [("a".to_owned(), ReceiptLevel::FailedInferred)]
    );
    rig.hear("s1", Rank::Delivered).await.unwrap();
    assert!(rig.outbox.dead_letters(9).await.unwrap().is_empty());
    assert_eq!(
        rig.tell_all().await,
        [("a".to_owned(), ReceiptLevel::Delivered)]
    );
}

async fn the_sends_of_a_part_of_which_nothing_was_heard_are_named_in_order(rig: &Rig) {
    let seq = rig.store_outbound("a").await;
    rig.mark(seq, "a", "s2", (0, 1)).await;
    try_again(rig, seq, "a", ("s2", "s1")).await;
    let other = rig.store(outbound(super::rig::BOB, "b", rig.now())).await;
    rig.mark(other, "b", "s9", (0, 1)).await;
    let unproven = rig.outbox.unproven(&SendId::new("s2")).await.unwrap();
    assert_eq!(unproven, [SendId::new("s2"), SendId::new("s1")]);
    rig.hear("s2", Rank::Sent).await.unwrap();
    let unproven = rig.outbox.unproven(&SendId::new("s2")).await.unwrap();
    assert_eq!(unproven, [SendId::new("s1")]);
}

async fn others_of_the_lane_in_doubt_are_seen_and_other_lanes_are_not(rig: &Rig) {
    let first = rig.store_outbound("a").await;
    rig.mark(first, "a", "s1", (0, 1)).await;
    let lane = to_twilio(ANN);
    let seen = async |but, since| {
        let others = rig.outbox.others_in_doubt(&lane, but, at(since)).await;
        let named = |other: crate::outbox::InDoubt| (other.payload, other.part);
        others.unwrap().into_iter().map(named).collect::<Vec<_>>()
    };
    assert!(
        seen(first, 0).await.is_empty(),
        "it is the one that is asked for"
    );
    rig.bury(first, unresolved(at(1))).await;
    let second = rig.store_outbound("b").await;
    assert_eq!(seen(second, 0).await, [(Some(b"a".to_vec()), 0)]);
    assert!(seen(second, 1).await.is_empty(), "it was marked before");
    let bobs = to_twilio(super::rig::BOB);
    let others = rig.outbox.others_in_doubt(&bobs, second, at(0)).await;
    assert!(others.unwrap().is_empty());
    rig.hear("s1", Rank::Sent).await.unwrap();
    assert!(seen(second, 0).await.is_empty(), "it is proven");
}
