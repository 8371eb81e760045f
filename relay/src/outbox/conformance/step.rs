//! The calls of a random story, and how likely each is.

use proptest::prelude::*;
use proptest::sample::Index;

use super::rig::{ANN, BOB};
use crate::outbox::Rank;

pub(super) const CUSTOMERS: [&str; 2] = [ANN, BOB];

/// One call, on what is there: lanes, sends and dead letters are chosen among those that exist.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Receive {
        customer: usize,
        key: u8,
    },
    Answer {
        customer: usize,
        key: u8,
        claimed: Option<i64>,
    },
    Refuse {
        key: u8,
    },
    Defer {
        lane: Index,
        wait: i64,
        tried: bool,
        strike: bool,
    },
    Complete {
        lane: Index,
    },
    Bury {
        lane: Index,
        inferred: bool,
    },
    Mark {
        customer: usize,
    },
    Unmark {
        customer: usize,
    },
    NotSent {
        customer: usize,
    },
    Sent {
        customer: usize,
    },
    SentLate,
    Hear {
        send: Index,
        rank: Rank,
    },
    Expire {
        age: i64,
    },
    Replay {
        one: Option<Index>,
    },
    Purge {
        one: Index,
    },
    Forget {
        customer: usize,
    },
    Tell,
    PutBack {
        wait: i64,
    },
    Wait {
        seconds: i64,
    },
    Fill {
        customer: usize,
        listed: Vec<u8>,
        redacted: u8,
        /// So many rows were appended since the start; none: the gap goes to the tail.
        since: Option<u8>,
        until: i64,
    },
    Ask {
        round: u32,
        age: i64,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let customer = 0..CUSTOMERS.len();
    let ranks = [
        Rank::Accepted,
        Rank::Sent,
        Rank::Delivered,
        Rank::Read,
        Rank::Failed,
    ];
    let lane = any::<Index>;
    prop_oneof![
        3 => (customer.clone(), 0u8..6).prop_map(|(customer, key)| Step::Receive { customer, key }),
        5 => (customer.clone(), 0u8..8, prop::option::of(0i64..60))
            .prop_map(|(customer, key, claimed)| Step::Answer { customer, key, claimed }),
        1 => (8u8..10).prop_map(|key| Step::Refuse { key }),
        2 => (lane(), 0i64..40, any::<bool>(), any::<bool>())
            .prop_map(|(lane, wait, tried, strike)| Step::Defer { lane, wait, tried, strike }),
        1 => lane().prop_map(|lane| Step::Complete { lane }),
        2 => (lane(), any::<bool>()).prop_map(|(lane, inferred)| Step::Bury { lane, inferred }),
        5 => customer.clone().prop_map(|customer| Step::Mark { customer }),
        1 => customer.clone().prop_map(|customer| Step::Unmark { customer }),
        3 => customer.clone().prop_map(|customer| Step::NotSent { customer }),
        3 => customer.clone().prop_map(|customer| Step::Sent { customer }),
        1 => Just(Step::SentLate),
        5 => (any::<Index>(), prop::sample::select(ranks.to_vec())).prop_map(|(send, rank)| Step::Hear { send, rank }),
        1 => (0i64..60).prop_map(|age| Step::Expire { age }),
        2 => prop::option::of(any::<Index>()).prop_map(|one| Step::Replay { one }),
        1 => any::<Index>().prop_map(|one| Step::Purge { one }),
        1 => customer.prop_map(|customer| Step::Forget { customer }),
        2 => Just(Step::Tell),
        1 => (0i64..40).prop_map(|wait| Step::PutBack { wait }),
        2 => (0i64..30).prop_map(|seconds| Step::Wait { seconds }),
        2 => (0..CUSTOMERS.len(), prop::collection::vec(0u8..12, 1..5), 0u8..12, prop::option::of(0u8..6), -30i64..30)
            .prop_map(|(customer, listed, redacted, since, until)| Step::Fill { customer, listed, redacted, since, until }),
        1 => (0u32..2, 0i64..60).prop_map(|(round, age)| Step::Ask { round, age }),
    ]
}
