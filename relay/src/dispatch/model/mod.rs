//! Random stories of the whole dispatch against a reference that only remembers what was accepted: messages both ways,
//! answers of every kind, callbacks, crashes and restarts, hours of waiting. A story that breaks a promise is shortened
//! to its shortest form.
//!
//! Real: outbox, loops, workers, decisions, clients. Faked: both platforms (in this process, over loopback HTTP) and
//! time, which stands still but for the steps of a story.
//!
//! What must hold at the end of each story: every accepted message has one outcome; Twilio took each reply at most once;
//! Genesys got each text, again only after a lost answer or a crash; each conversation in the order of its arrival.
//!
//! Not part of the stories: receipts, texts of several parts, sent-off requests that reach a platform late.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop there"
)]

mod platforms;
mod relay;
mod story;

use proptest::prelude::*;

use self::story::{Story, step};

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_story_ends_with_every_promise_kept(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let broken = runtime.block_on(async { Story::begin().await.play(&steps).await });
        prop_assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}

/// `MB_STORIES` asks for more.
fn cases() -> u32 {
    std::env::var("MB_STORIES").map_or(12, |text| text.parse().unwrap())
}
