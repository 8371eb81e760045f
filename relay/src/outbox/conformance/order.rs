//! The order of a lane, claimed times, and `channel.time`.

use super::rig::{ANN, Rig, at, inbound, outbound, refused, to_genesys, to_twilio};
use crate::outbox::{Deferral, NewRow, Order, SendId};

for_every_backend! {
    a_row_that_claims_an_earlier_time_goes_before_later_rows_still_untried,
    rows_with_the_same_claimed_time_keep_the_order_of_append,
    a_row_that_was_tried_is_never_overtaken,
    a_row_that_was_marked_is_never_overtaken_even_when_its_mark_is_gone,
    a_row_without_a_time_goes_last,
    arrival_times_increase_strictly_in_a_lane_whatever_the_clock_does,
    arrival_times_of_other_lanes_do_not_matter,
    the_time_is_the_same_on_every_try,
    a_deferred_head_keeps_its_place_and_counts_its_tries,
    a_dead_letter_lets_the_lane_go_on,
    what_is_done_to_a_row_that_is_gone_changes_nothing,
}

fn claimed(name: &str, seconds: i64) -> NewRow {
    NewRow {
        order: Order::Claimed(Some(at(seconds))),
        ..outbound(ANN, name, at(100))
    }
}

fn timeless(name: &str, accepted: i64) -> NewRow {
    NewRow {
        order: Order::Claimed(None),
        ..outbound(ANN, name, at(accepted))
    }
}

async fn a_row_that_claims_an_earlier_time_goes_before_later_rows_still_untried(rig: &Rig) {
    for (name, time) in [("third", 30), ("fourth", 40), ("first", 10), ("second", 20)] {
        rig.store(claimed(name, time)).await;
    }
    let head = rig.head(&to_twilio(ANN)).await.unwrap();
    assert_eq!(
        head.time,
        at(10),
        "the claimed time is the time of the message"
    );
    assert_eq!(
        rig.drain(&to_twilio(ANN)).await,
        ["first", "second", "third", "fourth"]
    );
}

async fn rows_with_the_same_claimed_time_keep_the_order_of_append(rig: &Rig) {
    for name in ["a", "b", "c"] {
        rig.store(claimed(name, 10)).await;
    }
    assert_eq!(rig.drain(&to_twilio(ANN)).await, ["a", "b", "c"]);
}

async fn a_row_that_was_tried_is_never_overtaken(rig: &Rig) {
    let tried = rig.store(claimed("tried", 30)).await;
    rig.store(claimed("later", 40)).await;
    rig.outbox
        .defer(
            tried,
            Deferral {
                until: at(200),
                tried: false,
                strike: false,
            },
        )
        .await
        .unwrap();
    rig.store(claimed("earlier", 10)).await;
    assert_eq!(
        rig.drain(&to_twilio(ANN)).await,
        ["tried", "earlier", "later"]
    );
}

async fn a_row_that_was_marked_is_never_overtaken_even_when_its_mark_is_gone(rig: &Rig) {
    let marked = rig.store(claimed("marked", 30)).await;
    assert!(rig.mark(marked, "marked", "s1", (0, 1)).await);
    rig.store(claimed("earlier", 10)).await;
    assert_eq!(rig.head_name(&to_twilio(ANN)).await.unwrap(), "marked");
    rig.outbox.unmark(marked, SendId::new("s1")).await.unwrap();
    rig.store(claimed("earliest", 5)).await;
    assert_eq!(
        rig.drain(&to_twilio(ANN)).await,
        ["marked", "earliest", "earlier"]
    );
}

async fn a_row_without_a_time_goes_last(rig: &Rig) {
    rig.store(claimed("in the future", 900)).await;
    rig.store(timeless("first without", 100)).await;
    rig.store(timeless("second without", 90)).await;
    rig.store(claimed("late but timed", 50)).await;
    assert_eq!(
        rig.drain(&to_twilio(ANN)).await,
        [
            "late but timed",
            "in the future",
            "first without",
            "second without"
        ]
    );
}

async fn arrival_times_increase_strictly_in_a_lane_whatever_the_clock_does(rig: &Rig) {
    let mut last = at(-1);
    for (name, arrived) in [
        ("a", 10),
        ("b", 10),
        ("c", 10),
        ("d", 3),
        ("e", 11),
        ("f", 11),
    ] {
        rig.store(inbound(ANN, name, at(arrived))).await;
        let head = rig.head(&to_genesys(ANN)).await.unwrap();
        assert!(head.time > last, "{name}: {} after {last}", head.time);
        assert!(
            head.time >= at(arrived),
            "{name} is not dated before its arrival"
        );
        last = head.time;
        rig.outbox.complete(head.seq).await.unwrap();
    }
}

async fn arrival_times_of_other_lanes_do_not_matter(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(10))).await;
    rig.store(inbound(super::rig::BOB, "b", at(10))).await;
    assert_eq!(
        rig.head(&to_genesys(super::rig::BOB)).await.unwrap().time,
        at(10)
    );
}

async fn the_time_is_the_same_on_every_try(rig: &Rig) {
    let seq = rig.store(inbound(ANN, "a", at(10))).await;
    rig.store(inbound(ANN, "b", at(11))).await;
    for wait in 1..4 {
        rig.defer(seq, at(20 * wait)).await;
        assert_eq!(rig.head(&to_genesys(ANN)).await.unwrap().time, at(10));
    }
}

async fn a_deferred_head_keeps_its_place_and_counts_its_tries(rig: &Rig) {
    let seq = rig.store(inbound(ANN, "a", at(0))).await;
    rig.store(inbound(ANN, "b", at(0))).await;
    for (tried, strike) in [(true, false), (true, true), (false, false)] {
        rig.outbox
            .defer(
                seq,
                Deferral {
                    until: at(60),
                    tried,
                    strike,
                },
            )
            .await
            .unwrap();
    }
    let head = rig.head(&to_genesys(ANN)).await.unwrap();
    assert_eq!(
        (head.seq, head.tries, head.strikes, head.not_before),
        (seq, 2, 1, at(60))
    );
}

async fn a_dead_letter_lets_the_lane_go_on(rig: &Rig) {
    let poison = rig.store(inbound(ANN, "poison", at(0))).await;
    rig.store(inbound(ANN, "next", at(0))).await;
    assert!(rig.bury(poison, refused(at(1))).await, "more waits");
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["next"]);
    let last = rig.store(inbound(ANN, "last", at(2))).await;
    assert!(!rig.bury(last, refused(at(3))).await, "nothing waits");
}

/// Whoever repeats a call because its answer was lost must not stop working on the lane.
async fn what_is_done_to_a_row_that_is_gone_changes_nothing(rig: &Rig) {
    let gone = rig.store(outbound(ANN, "gone", at(0))).await;
    rig.store(outbound(ANN, "waits", at(1))).await;
    assert!(rig.outbox.complete(gone).await.unwrap());
    let before = rig.outbox.stats().await.unwrap();
    assert!(
        rig.outbox.complete(gone).await.unwrap(),
        "the lane is to be looked at"
    );
    assert!(
        rig.bury(gone, refused(at(1))).await,
        "the lane is to be looked at"
    );
    rig.defer(gone, at(9)).await;
    rig.outbox.unmark(gone, SendId::new("s1")).await.unwrap();
    assert_eq!(rig.outbox.stats().await.unwrap(), before);
    assert_eq!(rig.drain(&to_twilio(ANN)).await, ["waits"]);
}
