//! What was missed: filled once and in its place, marked as covered, and asked for.

use super::rig::{ANN, BOB, BUDGET, KEY_LIFE, Rig, at, inbound, to_genesys};
use crate::outbox::{
    Appended, AskedUpTo, DedupKey, Filled, Found, Gap, Listed, OutboxError, Place, Rank, Seq,
};

for_every_backend! {
    a_missed_message_is_stored_once_whether_its_webhook_comes_before_or_after,
    a_key_past_its_life_is_still_known_to_who_looks_for_gaps,
    missed_messages_stand_by_time_among_what_waited_and_before_what_came_since,
    what_came_since_and_is_listed_earlier_stays_ahead_of_a_missed_message,
    a_message_that_was_tried_is_not_overtaken_by_a_missed_one,
    missed_messages_at_the_tail_keep_their_own_order,
    a_missed_message_keeps_twilios_time_and_what_arrives_after_it_is_later,
    a_redacted_message_is_counted_once_and_its_webhook_is_still_taken,
    a_gap_leaves_the_last_tenth_of_the_budget_and_is_stored_whole_or_not_at_all,
    the_mark_is_unknown_on_a_new_volume_and_then_what_was_set,
    keys_from_after_the_mark_are_not_purged,
    a_send_without_a_last_word_is_asked_about_once_a_round,
}

const LAST: Place = Place::Last;

fn key(name: &str) -> DedupKey {
    DedupKey {
        text: format!("twilio/{name}"),
        life: KEY_LIFE,
    }
}

/// A list, oldest first: names and seconds.
fn gap(listed: &[(&str, i64)], place: Place) -> Gap {
    let listed = listed.iter().map(|(name, seconds)| Listed {
        key: key(name),
        time: at(*seconds),
        is: Found::Missing(name.as_bytes().to_vec()),
    });
    Gap {
        lane: to_genesys(ANN),
        listed: listed.collect(),
        place,
        found: at(1000),
    }
}

const fn stored(stored: u64) -> Filled {
    Filled {
        stored,
        redacted: 0,
    }
}

async fn a_missed_message_is_stored_once_whether_its_webhook_comes_before_or_after(rig: &Rig) {
    rig.store(inbound(ANN, "before", at(1))).await;
    let listed = gap(&[("before", 1), ("after", 2)], LAST);
    assert_eq!(rig.outbox.fill(listed.clone()).await.unwrap(), stored(1));
    let late = rig.outbox.append(inbound(ANN, "after", at(1001))).await;
    assert_eq!(late.unwrap(), Appended::Duplicate);
    assert_eq!(rig.outbox.fill(listed).await.unwrap(), stored(0));
    let keys = ["before", "after", "never"].map(|name| key(name).text);
    assert_eq!(
        rig.outbox.lacking(keys.to_vec()).await.unwrap(),
        [key("never").text]
    );
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["before", "after"]);
}

async fn a_key_past_its_life_is_still_known_to_who_looks_for_gaps(rig: &Rig) {
    rig.store(inbound(ANN, "old", at(1))).await;
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["old"]);
    rig.wait(31 * 24 * 60 * 60);
    let mut late = gap(&[("old", 1)], LAST);
    late.found = rig.now();
    assert_eq!(rig.outbox.fill(late).await.unwrap(), stored(0));
}

async fn missed_messages_stand_by_time_among_what_waited_and_before_what_came_since(rig: &Rig) {
    for (name, arrived) in [("a", 10), ("d", 41), ("z", 90)] {
        rig.store(inbound(ANN, name, at(arrived))).await;
    }
    rig.store(inbound(BOB, "other", at(10))).await;
    let since = rig.outbox.next_seq().await.unwrap();
    rig.store(inbound(ANN, "new", at(100))).await;
    let place = Place::ByTime {
        since,
        until: at(60),
    };
    let listed = [("a", 9), ("b", 20), ("c", 30), ("d", 40), ("e", 50)];
    let filled = rig.outbox.fill(gap(&listed, place)).await.unwrap();
    assert_eq!(filled, stored(3));
    let place = Place::ByTime {
        since,
        until: at(99),
    };
    let listed = [("z", 89), ("zz", 90)];
    assert_eq!(
        rig.outbox.fill(gap(&listed, place)).await.unwrap(),
        stored(1)
    );
    assert_eq!(
        rig.drain(&to_genesys(ANN)).await,
        ["a", "b", "c", "d", "e", "z", "zz", "new"]
    );
}

async fn what_came_since_and_is_listed_earlier_stays_ahead_of_a_missed_message(rig: &Rig) {
    let since = rig.outbox.next_seq().await.unwrap();
    rig.store(inbound(ANN, "first", at(100))).await;
    rig.store(inbound(ANN, "third", at(102))).await;
    let place = Place::ByTime {
        since,
        until: at(110),
    };
    let listed = [
        ("zeroth", 99),
        ("first", 100),
        ("second", 101),
        ("third", 102),
    ];
    rig.outbox.fill(gap(&listed, place)).await.unwrap();
    assert_eq!(
        rig.drain(&to_genesys(ANN)).await,
        ["zeroth", "first", "second", "third"]
    );
}

async fn a_message_that_was_tried_is_not_overtaken_by_a_missed_one(rig: &Rig) {
    let tried = rig.store(inbound(ANN, "tried", at(50))).await;
    rig.defer(tried, at(2000)).await;
    let since = rig.outbox.next_seq().await.unwrap();
    let place = Place::ByTime {
        since,
        until: at(20),
    };
    rig.outbox
        .fill(gap(&[("missed", 10)], place))
        .await
        .unwrap();
    assert_eq!(rig.drain(&to_genesys(ANN)).await, ["tried", "missed"]);
}

async fn missed_messages_at_the_tail_keep_their_own_order(rig: &Rig) {
    rig.store(inbound(ANN, "a", at(500))).await;
    let listed = [("first", 10), ("second", 10), ("third", 11)];
    rig.outbox.fill(gap(&listed, LAST)).await.unwrap();
    rig.store(inbound(ANN, "b", at(1001))).await;
    assert_eq!(
        rig.drain(&to_genesys(ANN)).await,
        ["a", "first", "second", "third", "b"]
    );
}

async fn a_missed_message_keeps_twilios_time_and_what_arrives_after_it_is_later(rig: &Rig) {
    rig.outbox
        .fill(gap(&[("missed", 700)], LAST))
        .await
        .unwrap();
    rig.store(inbound(ANN, "next", at(650))).await;
    let head = rig.head(&to_genesys(ANN)).await.unwrap();
    assert_eq!((head.time, head.accepted), (at(700), at(1000)));
    rig.outbox.complete(head.seq).await.unwrap();
    assert!(rig.head(&to_genesys(ANN)).await.unwrap().time > at(700));
}

async fn a_redacted_message_is_counted_once_and_its_webhook_is_still_taken(rig: &Rig) {
    let mut listed = gap(&[("gone", 10)], LAST);
    listed.listed[0].is = Found::Redacted;
    let counted = rig.outbox.fill(listed.clone()).await.unwrap();
    assert_eq!((counted.stored, counted.redacted), (0, 1));
    assert_eq!(
        rig.outbox.fill(listed.clone()).await.unwrap(),
        Filled::default()
    );
    rig.store(inbound(ANN, "gone", at(1001))).await;
    assert_eq!(rig.outbox.fill(listed).await.unwrap(), Filled::default());
}

async fn a_gap_leaves_the_last_tenth_of_the_budget_and_is_stored_whole_or_not_at_all(rig: &Rig) {
    let mut listed = gap(&[("small", 10), ("large", 11)], LAST);
    listed.listed[1].is = Found::Missing(vec![7; usize::try_from(BUDGET - BUDGET / 10).unwrap()]);
    let refused = rig.outbox.fill(listed).await;
    assert!(matches!(refused, Err(OutboxError::Full { .. })));
    assert_eq!(rig.outbox.stats().await.unwrap().inbound, 0);
    rig.store(inbound(ANN, "small", at(1001))).await;
}

async fn the_mark_is_unknown_on_a_new_volume_and_then_what_was_set(rig: &Rig) {
    assert_eq!(rig.outbox.gap_mark().await.unwrap(), None);
    for seconds in [10, 5, 20] {
        rig.outbox.set_gap_mark(at(seconds)).await.unwrap();
        assert_eq!(rig.outbox.gap_mark().await.unwrap(), Some(at(seconds)));
    }
}

async fn keys_from_after_the_mark_are_not_purged(rig: &Rig) {
    const DAY: i64 = 24 * 60 * 60;
    rig.outbox.set_gap_mark(at(100)).await.unwrap();
    rig.store(inbound(ANN, "covered", at(99))).await;
    rig.store(inbound(ANN, "open", at(101))).await;
    rig.wait(40 * DAY);
    while rig.outbox.purge(rig.now()).await.unwrap() {}
    let keys = ["covered", "open"].map(|name| key(name).text);
    let lacking = || rig.outbox.lacking(keys.to_vec());
    assert_eq!(lacking().await.unwrap(), [key("covered").text]);
    rig.outbox.set_gap_mark(at(40 * DAY)).await.unwrap();
    while rig.outbox.purge(rig.now()).await.unwrap() {}
    assert_eq!(lacking().await.unwrap(), keys);
}

async fn a_send_without_a_last_word_is_asked_about_once_a_round(rig: &Rig) {
    for (name, rank) in [
        ("s1", None),
        ("s2", Some(Rank::Sent)),
        ("s3", Some(Rank::Delivered)),
        ("s4", Some(Rank::Failed)),
    ] {
        rig.send_outbound(name).await;
        if let Some(rank) = rank {
            rig.hear(name, rank).await;
        }
    }
    let unasked = rig.store_outbound("never answered").await;
    assert!(rig.mark(unasked, "never answered", "s5", (0, 1)).await);
    rig.wait(10);
    rig.send_outbound("s6").await;
    let asked = async |round, until| {
        let sends = rig.outbox.unfinished(round, (at(0), at(until)), 1);
        let send = sends.await.unwrap().pop()?;
        let up_to = AskedUpTo::Send(send.clone());
        rig.outbox.asked(round, up_to).await.unwrap();
        Some(send.send.as_str().to_owned())
    };
    assert_eq!(asked(0, 5).await.as_deref(), Some("s1"));
    assert_eq!(asked(0, 5).await.as_deref(), Some("s2"));
    assert_eq!(asked(0, 5).await, None);
    assert_eq!(asked(1, 5).await.as_deref(), Some("s1"));
    rig.outbox.asked(1, AskedUpTo::Time(at(5))).await.unwrap();
    assert_eq!(asked(1, 20).await.as_deref(), Some("s6"));
    assert_eq!(asked(0, 20).await.as_deref(), Some("s6"));
    assert_ne!(rig.outbox.next_seq().await.unwrap(), Seq(0));
}
