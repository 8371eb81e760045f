//! How many bridges may wait for a platform at the same time.

use super::*;

/// The same bridge under another name.
fn named(request: &FactsRequest, bridge: &str) -> FactsRequest {
    FactsRequest {
        bridge: bridge.to_owned(),
        version: request.version.clone(),
        force: None,
        hosts: request.hosts.clone(),
        profile: request.profile,
        integration_name: request.integration_name.clone(),
        relay_clients: request.relay_clients.clone(),
        lookup_clients: request.lookup_clients.clone(),
        twilio: request.twilio.clone(),
        twilio_api: request.twilio_api.clone(),
        number: request.number.clone(),
        messaging_service: None,
    }
}

/// So many bridges wait for an answer that never comes.
async fn wait_in_vain(
    stand: &Stand,
    platforms: &Arc<Platforms>,
    requests: impl Iterator<Item = FactsRequest>,
) {
    stand.asked();
    let mut waiting = 0;
    for request in requests {
        let platforms = Arc::clone(platforms);
        tokio::spawn(async move { platforms.facts(&request, now()).await });
        waiting += 1;
    }
    while stand.count("IncomingPhoneNumbers") < waiting {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn bridges_that_wait_for_a_platform_leave_room_for_the_others() {
    // Each look is due at once.
    let (stand, platforms, request) = setting(Duration::ZERO).await;
    let platforms = Arc::new(platforms);
    let (known, _) = platforms.facts(&request, now()).await;
    stand.answer("IncomingPhoneNumbers", NEVER);
    let others = (0..CHECKS).map(|index| named(&request, &format!("tenant/{index}")));
    wait_in_vain(&stand, &platforms, others).await;
    let (facts, wait) = platforms.facts(&request, now()).await;
    assert!(facts.deferred && wait == DEFERRED);
    let expected = PlatformFacts {
        deferred: true,
        ..known
    };
    assert_eq!(facts, expected, "what is known stands");
    // A changed Secret is another question, and its answer is not known.
    let mut changed = named(&request, &request.bridge);
    changed.twilio = Some(twilio_secret("another"));
    let (facts, _) = platforms.facts(&changed, now()).await;
    assert_eq!(
        [word(&facts.token), word(&facts.number)],
        ["said", "nothing"]
    );
}

#[tokio::test]
async fn bridges_that_were_not_answered_wait_apart_from_the_others() {
    let (stand, platforms, request) = setting(Duration::ZERO).await;
    let platforms = Arc::new(platforms);
    let failed = |index: usize| named(&request, &format!("tenant/{index}"));
    stand.answer("IncomingPhoneNumbers", 503);
    for index in 0..=CHECKS_AGAIN {
        platforms.facts(&failed(index), now()).await;
    }
    for remembering in platforms.lock().values_mut() {
        remembering.due = Instant::now();
    }
    stand.answer("IncomingPhoneNumbers", NEVER);
    wait_in_vain(&stand, &platforms, (0..CHECKS_AGAIN).map(failed)).await;
    let (facts, _) = platforms.facts(&failed(CHECKS_AGAIN), now()).await;
    assert!(facts.deferred);
    stand.mend();
    let (facts, _) = platforms.facts(&request, now()).await;
    assert!(!facts.deferred);
    assert_eq!(word(&facts.number), "said");
}
