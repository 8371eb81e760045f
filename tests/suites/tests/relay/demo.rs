//! What `make demo` runs: the demo tells a message each way through the real relay.

use std::path::PathBuf;

use messaging_bridge_sandbox::demo::{Demo, DemoError};

use crate::RELAY;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_a_message_each_way_and_serves_the_page() {
    let demo = Demo {
        relay: RELAY.into(),
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let mut transcript = Vec::new();
    let running = demo
        .run(&mut transcript)
        .await
        .expect("the demo comes to its end");
    let transcript = String::from_utf8(transcript).expect("the transcript is text");
    let places = [
        "texts +15551230000",
        "on the agent's desk (acme-sms)",
        "the agent replies",
        "on the phone of",
        "delivered",
    ]
    .map(|words| {
        transcript
            .find(words)
            .unwrap_or_else(|| panic!("{words:?} is missing:\n{transcript}"))
    });
    assert!(places.is_sorted(), "{transcript}");
    let page = messaging_bridge_suites::process::reqwest_client()
        .get(running.page())
        .send()
        .await;
    assert!(
        page.expect("the page is served")
            .text()
            .await
            .is_ok_and(|page| page.contains("phone"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_relay_is_named() {
    let demo = Demo {
        relay: PathBuf::from("/nowhere/relay"),
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let Err(error) = demo.run(&mut Vec::new()).await else {
        panic!("a demo without a relay cannot run")
    };
    assert!(matches!(error, DemoError::Io { .. }));
    assert!(
        error.to_string().contains("--relay /nowhere/relay"),
        "{error}"
    );
}
