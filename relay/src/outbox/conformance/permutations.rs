//! Callbacks come in any order, and more than once: whatever the order, the agent ends up knowing the same.
//!
//! Each order is a message of its own; all of them run at once, so that they share commits.

use std::collections::HashMap;

use futures_util::future::join_all;
use messaging_bridge_clients::genesys::ReasonCode;

use super::rig::{Rig, outbound, told};
use crate::outbox::{LaneKey, LetterSelection, Rank, ReceiptLevel};
use Rank::{Accepted, Delivered, Failed, Read, Sent};

for_every_backend! {
    one_part_ends_in_the_same_receipt_in_every_order,
    two_parts_end_in_the_same_receipt_in_every_order,
    what_is_told_on_the_way_only_rises,
    a_message_whose_sends_were_settled_in_any_way_ends_in_the_same_receipt_in_every_order,
}

/// A callback: which part, and what it says.
type Callback = (usize, Rank);

/// What Twilio may say of one part, repeats included, and what the agent should know in the end.
const ONE_PART: &[(&[Rank], ReceiptLevel)] = &[
    (&[Accepted, Accepted], ReceiptLevel::None),
    (&[Accepted, Sent, Sent], ReceiptLevel::Sent),
    (&[Accepted, Sent, Delivered, Sent], ReceiptLevel::Delivered),
    (
        &[Accepted, Sent, Delivered, Read, Delivered],
        ReceiptLevel::Delivered,
    ),
    (&[Accepted, Sent, Failed, Failed], ReceiptLevel::Failed),
    (
        &[Accepted, Sent, Delivered, Read, Failed],
        ReceiptLevel::Failed,
    ),
];

const TWO_PARTS: &[(&[Callback], ReceiptLevel)] = &[
    (
        &[(0, Accepted), (0, Sent), (1, Accepted)],
        ReceiptLevel::None,
    ),
    (
        &[(0, Sent), (0, Delivered), (1, Accepted), (1, Sent)],
        ReceiptLevel::Sent,
    ),
    (
        &[
            (0, Sent),
            (0, Delivered),
            (1, Sent),
            (1, Delivered),
            (1, Sent),
        ],
        ReceiptLevel::Delivered,
    ),
    (
        &[(0, Read), (0, Sent), (1, Delivered), (1, Read)],
        ReceiptLevel::Delivered,
    ),
    (
        &[
            (0, Sent),
            (0, Delivered),
            (1, Sent),
            (1, Failed),
            (0, Delivered),
        ],
        ReceiptLevel::Failed,
    ),
    (
        &[(0, Failed), (0, Sent), (1, Sent), (1, Delivered)],
        ReceiptLevel::Failed,
    ),
];

/// Every order of what is given; equal ones once.
fn orders<T: Clone + PartialEq>(given: &[T]) -> Vec<Vec<T>> {
    if given.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in given.iter().enumerate() {
        if given[..index].contains(first) {
            continue;
        }
        let mut others = given.to_vec();
        others.remove(index);
        all.extend(
            orders(&others)
                .into_iter()
                .map(|rest| [vec![first.clone()], rest].concat()),
        );
    }
    all
}

/// A message to a customer of its own, of which all parts were sent; the send of a part is `name/part`.
async fn send_parts(rig: &Rig, name: &str, parts: u32) {
    let seq = rig
        .store(outbound(&format!("+1555{name}"), name, rig.now()))
        .await;
    for part in 0..parts {
        let send = format!("{name}/{part}");
        assert!(rig.mark(seq, name, &send, (part, parts)).await);
        rig.sent(seq, &send, part + 1 == parts).await;
    }
}

async fn hear_all(rig: &Rig, name: &str, callbacks: &[Callback]) {
    for (part, rank) in callbacks {
        let why = (*rank == Failed).then_some(ReasonCode::RecipientOptedOut);
        rig.hear_why(&format!("{name}/{part}"), *rank, why)
            .await
            .unwrap();
    }
}

/// Has every order of `callbacks` happen to a message of its own, and looks at what is told of each.
async fn assert_all_orders_end_in(
    rig: &Rig,
    case: usize,
    parts: u32,
    callbacks: &[Callback],
    expected: ReceiptLevel,
) {
    let named: Vec<(String, Vec<Callback>)> = orders(callbacks)
        .into_iter()
        .enumerate()
        .map(|(n, order)| (format!("{parts}-{case}-{n}"), order))
        .collect();
    join_all(named.iter().map(|(name, order)| async move {
        send_parts(rig, name, parts).await;
        hear_all(rig, name, order).await;
    }))
    .await;
    let mut last = HashMap::new();
    while let Some(waiting) = rig.next_receipt().await {
        let reason = waiting.reason.as_ref().map(|reason| reason.code);
        assert_eq!(reason.is_some(), expected == ReceiptLevel::Failed);
        assert!(reason.is_none_or(|reason| reason == ReasonCode::RecipientOptedOut));
        let (name, level) = told(&waiting.receipt);
        last.insert(name, level);
        rig.outbox.receipt_done(&waiting.receipt).await.unwrap();
    }
    for (name, order) in named {
        assert_eq!(
            last.remove(&name).unwrap_or(ReceiptLevel::None),
            expected,
            "{order:?}"
        );
    }
}

async fn one_part_ends_in_the_same_receipt_in_every_order(rig: &Rig) {
    for (case, (ranks, expected)) in ONE_PART.iter().enumerate() {
        let callbacks: Vec<Callback> = ranks.iter().map(|rank| (0, *rank)).collect();
        assert_all_orders_end_in(rig, case, 1, &callbacks, *expected).await;
    }
}

async fn two_parts_end_in_the_same_receipt_in_every_order(rig: &Rig) {
    for (case, (callbacks, expected)) in TWO_PARTS.iter().enumerate() {
        assert_all_orders_end_in(rig, case, 2, callbacks, *expected).await;
    }
}

async fn what_is_told_on_the_way_only_rises(rig: &Rig) {
    for (n, order) in orders(&[Accepted, Sent, Delivered, Failed])
        .into_iter()
        .enumerate()
    {
        let name = format!("r{n}");
        send_parts(rig, &name, 1).await;
        let mut levels = vec![ReceiptLevel::None];
        for rank in &order {
            hear_all(rig, &name, &[(0, *rank)]).await;
            levels.extend(rig.tell_all().await.into_iter().map(|(_, level)| level));
        }
        assert!(
            levels.is_sorted_by(|earlier, later| earlier < later),
            "{order:?} told {levels:?}"
        );
        assert_eq!(levels.last(), Some(&ReceiptLevel::Failed), "{order:?}");
    }
}

/// What happens to a message of two parts whose first answers are lost: callbacks, and what the relay makes of silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// A callback of the first part's send.
    First(Rank),
    /// The relay looks at its head: a part that was not tried is tried; one in doubt is settled as not sent and tried
    /// again.
    Turn,
    /// The message is given up as unresolved.
    GivenUp,
}

/// Whatever comes in which order, the parts are all sent in the end and delivered, and the receipt says so.
async fn a_message_whose_sends_were_settled_in_any_way_ends_in_the_same_receipt_in_every_order(
    rig: &Rig,
) {
    use Event::{First, GivenUp, Turn};
    let events = [
        First(Sent),
        First(Delivered),
        First(Sent),
        Turn,
        Turn,
        GivenUp,
    ];
    for (number, order) in orders(&events).into_iter().enumerate() {
        let name = format!("e{number}");
        let customer = format!("+1556{number:07}");
        let lane = super::rig::to_twilio(&customer);
        rig.store(outbound(&customer, &name, rig.now())).await;
        let mut sends = Vec::new();
        take_turn(rig, &lane, &name, &mut sends).await;
        let first = sends[0].clone();
        for event in &order {
            match event {
                First(rank) => drop(rig.hear(&first, *rank).await.unwrap()),
                Turn => take_turn(rig, &lane, &name, &mut sends).await,
                GivenUp => {
                    if let Some(head) = rig.head(&lane).await {
                        let reason = super::rig::unresolved(rig.now());
                        let given_up = rig.outbox.dead_letter(head.seq, head.next_part, reason);
                        given_up.await.unwrap();
                    }
                }
            }
        }
        finish(rig, &lane, &name, &mut sends).await;
        let told = rig.tell_all().await;
        assert_eq!(
            told.last(),
            Some(&(name, ReceiptLevel::Delivered)),
            "{order:?}: {sends:?}"
        );
    }
}

/// One turn of the relay, whose answers are all lost.
async fn take_turn(rig: &Rig, lane: &LaneKey, name: &str, sends: &mut Vec<String>) {
    let Some(head) = rig.head(lane).await else {
        return;
    };
    if let Some(doubt) = head.doubt {
        assert!(rig.outbox.not_sent(head.seq, doubt.send).await.unwrap());
    }
    let send = format!("{name}/{}", sends.len());
    let part = head.next_part;
    assert!(rig.mark(head.seq, name, &send, (part, 2)).await);
    sends.push(send);
}

/// Replays what was given up, sends what is left, and hears of every send that it was delivered.
async fn finish(rig: &Rig, lane: &LaneKey, name: &str, sends: &mut Vec<String>) {
    rig.outbox.replay(LetterSelection::All).await.unwrap();
    for _ in 0..3 {
        take_turn(rig, lane, name, sends).await;
        if let Some(last) = sends.last() {
            rig.hear(last, Delivered).await.unwrap();
        }
    }
    assert!(rig.head(lane).await.is_none(), "{sends:?}");
    assert!(rig.outbox.dead_letters(9).await.unwrap().is_empty());
}
