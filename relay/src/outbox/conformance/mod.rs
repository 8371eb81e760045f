//! The suite that every backend must pass, written against [`Outbox`] alone.
//!
//! A room of sentences per matter, and [`model`]: random sequences of calls against a reference in memory. A backend is
//! added in one place, [`for_every_backend`], by a function that opens it empty.
//!
//! What only one backend promises (files, crashes, query plans) is tested beside that backend.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop there"
)]

/// Makes each named sentence a test of each backend.
macro_rules! for_every_backend {
    ($($sentence:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $sentence() {
                    super::$sentence(&crate::outbox::conformance::rig::sqlite()).await;
                }
            )+
        }
    };
}

mod budget;
mod dead_letters;
mod forget;
mod gaps;
mod intake;
mod model;
mod model_gaps;
mod order;
mod permutations;
mod receipts;
mod reference;
mod retention;
pub(in crate::outbox) mod rig;
mod sends;
mod step;
