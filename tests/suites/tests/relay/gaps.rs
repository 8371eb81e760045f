//! What the webhooks missed is found in Twilio's list: once, in order, marked as late.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, NumberSettings, ServiceSettings};
use messaging_bridge_suites::healing::{
    OFTEN, a_while, cut, gaps, given_up, is_late, looked, lost_text, lost_texts, mend, on_the_desk,
    start, texts_of,
};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::signed::{post_twilio, sms, with};
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually};

use crate::RELAY;
const BOB: &str = "+15557650000";

async fn tenant() -> (Tenant, String) {
    let tenant = Tenant::fast().await;
    let customer = tenant.sandbox.options().customer.clone();
    (tenant, customer)
}

fn list_fails() -> Fault {
    let effect = Effect::Status {
        status: 500,
        body: None,
    };
    Fault::new(Endpoint::TwilioList, effect)
}

fn list_takes(millis: u64) -> Fault {
    Fault::new(Endpoint::TwilioList, Effect::Latency { millis })
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_came_while_the_relay_was_down_arrive_once_in_order_and_marked_as_late() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &[]).await;
    let before = tenant.sandbox.customer_sends(&ann, "quokka 0").await;
    on_the_desk(&tenant, &[before]).await;
    relay.stop().await;
    let mut sids = Vec::new();
    for number in 1..=3 {
        for customer in [ann.as_str(), BOB] {
            let text = format!("quokka {number}");
            sids.push(tenant.sandbox.customer_sends(customer, &text).await);
        }
    }
    for sid in &sids {
        given_up(&tenant, sid).await;
    }
    let relay = Relay::start(RELAY, &tenant).await;
    sids.push(tenant.sandbox.customer_sends(&ann, "quokka 4").await);
    let seen = on_the_desk(&tenant, &sids).await;
    relay.until_drained(SOON).await;
    let order = ["quokka 0", "quokka 1", "quokka 2", "quokka 3", "quokka 4"];
    assert_eq!(texts_of(&seen, &ann), order);
    assert_eq!(texts_of(&seen, BOB), order[1..4]);
    for seen in &seen {
        let number = seen.text.trim_start_matches("quokka ");
        // Whether the last one came by its webhook or was found first is a matter of luck.
        if number != "4" {
            assert_eq!(is_late(seen), number != "0", "{}", seen.text);
        }
        if is_late(seen) {
            let time = seen.time.expect("a time").to_string();
            assert_eq!(seen.attributes["twilioReceivedTime"], time);
        }
    }
    assert!(gaps(&relay).await["healed"].as_u64() >= Some(6));
    relay.stop().await;
    assert_eq!(tenant.sandbox.log().genesys_inbound.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_volume_starts_at_now_and_fetches_nothing_older() {
    let (tenant, ann) = tenant().await;
    let old = lost_text(&tenant, &ann, "quokka old").await;
    // Dates are whole seconds: the mark is up to two before the start.
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let relay = start(RELAY, &tenant, &OFTEN).await;
    let new = tenant.sandbox.customer_sends(&ann, "quokka new").await;
    on_the_desk(&tenant, &[new]).await;
    a_while().await;
    let seen = tenant.sandbox.log().genesys_inbound;
    assert_eq!(texts_of(&seen, &ann), ["quokka new"]);
    assert!(
        seen.iter()
            .all(|seen| seen.message_id.as_deref() != Some(old.as_str()))
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_lost_while_the_relay_was_up_heals_at_the_tail() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &OFTEN).await;
    cut(&tenant);
    let lost = [
        lost_text(&tenant, &ann, "quokka lost 1").await,
        lost_text(&tenant, &ann, "quokka lost 2").await,
    ];
    mend(&tenant);
    let live = tenant.sandbox.customer_sends(&ann, "quokka live").await;
    on_the_desk(&tenant, &[live]).await;
    let seen = on_the_desk(&tenant, &lost).await;
    assert_eq!(
        texts_of(&seen, &ann),
        ["quokka live", "quokka lost 1", "quokka lost 2"]
    );
    assert_eq!(seen.iter().filter(|seen| is_late(seen)).count(), 2);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_answered_503_is_looked_for_without_waiting_for_the_next_period() {
    let spec = Spec {
        max_bytes: Some(1 << 20),
        ..Spec::default()
    };
    let tenant = Tenant::new(fast(), spec).await;
    let ann = tenant.sandbox.options().customer.clone();
    let rarely = [
        ("MB_HEAL_EVERY_MS", "3600000"),
        ("MB_HEAL_YOUNG_MS", "1000"),
    ];
    let relay = start(RELAY, &tenant, &rarely).await;
    let down = Effect::Status {
        status: 503,
        body: None,
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::GenesysMessage, down));
    // Filled to the brim: less and less has room.
    let mut stored = 0;
    for length in [28_000, 2_800, 280, 28, 1] {
        let text = "quokka ".repeat(length);
        loop {
            stored += 1;
            let sid = format!("SM{stored:032}");
            let fields = with(sms(&tenant, &sid, &text), "From", BOB);
            let answer = post_twilio(&tenant, "/twilio/inbound", &fields).await;
            if answer.status() == 503 {
                break;
            }
            assert!(stored < 100, "the budget has no end");
        }
    }
    let text = "quokka ".repeat(40);
    let refused = tenant.sandbox.customer_sends(&ann, &text).await;
    let answered_503 = || async {
        let log = tenant.sandbox.log();
        log.webhooks
            .iter()
            .any(|tried| tried.message_id == refused && tried.status == Some(503))
            .then_some(())
    };
    eventually("it is answered 503", SOON, answered_503).await;
    tenant.sandbox.set_faults([]);
    on_the_desk(&tenant, &[refused]).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_messaging_service_gaps_heal_as_well() {
    let (tenant, ann) = tenant().await;
    let number = tenant.sandbox.options().number.clone();
    let inbound = "https://bridge.example.com/acme/twilio/inbound";
    let settings = ServiceSettings {
        friendly_name: Some("Support".into()),
        inbound_request_url: Some(inbound.into()),
        numbers: Some(vec![number]),
        ..ServiceSettings::default()
    };
    tenant
        .sandbox
        .create_service(settings)
        .expect("the settings are valid");
    let relay = start(RELAY, &tenant, &OFTEN).await;
    cut(&tenant);
    let lost = lost_text(&tenant, &ann, "quokka").await;
    mend(&tenant);
    let seen = on_the_desk(&tenant, &[lost]).await;
    assert!(is_late(&seen[0]));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_numbers_and_agents_messages_in_the_list_are_left_alone() {
    let (tenant, ann) = tenant().await;
    tenant
        .sandbox
        .put_number("+15551239999", &NumberSettings::default())
        .expect("a number can be bought");
    let relay = start(RELAY, &tenant, &OFTEN).await;
    tenant
        .sandbox
        .customer_sends_to("+15551239999", &ann, "quokka other");
    tenant.sandbox.agent_sends(&ann, "quokka agent").await;
    cut(&tenant);
    let lost = lost_text(&tenant, &ann, "quokka ours").await;
    mend(&tenant);
    on_the_desk(&tenant, &[lost]).await;
    a_while().await;
    let seen = tenant.sandbox.log().genesys_inbound;
    assert_eq!(texts_of(&seen, &ann), ["quokka ours"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_of_many_pages_heals_window_by_window_and_in_order() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &[]).await;
    relay.stop().await;
    let pause = Duration::from_millis(110);
    let sids = lost_texts(&tenant, &[&ann, BOB], 45, pause).await;
    let mark = tenant.sandbox.request_mark();
    let relay = Relay::start_with(RELAY, &tenant, &[("MB_HEAL_PAGE_SIZE", "2")]).await;
    let seen = on_the_desk(&tenant, &sids).await;
    looked(&relay).await;
    for customer in [ann.as_str(), BOB] {
        let texts = texts_of(&seen, customer);
        assert!(texts.is_sorted(), "{texts:?}");
    }
    assert_eq!(seen.len(), 45);
    let lists = tenant.sandbox.requests_since(mark).into_iter();
    let lists = lists.filter(|request| request.path.ends_with("/Messages.json"));
    assert!(
        lists.count() > 22,
        "45 messages are more than 22 pages of two"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_of_more_pages_than_a_pass_reads_heals_piece_by_piece() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &[]).await;
    relay.stop().await;
    let sids = lost_texts(&tenant, &[&ann], 130, Duration::from_millis(15)).await;
    let relay = Relay::start_with(RELAY, &tenant, &[("MB_HEAL_PAGE_SIZE", "2")]).await;
    let seen = on_the_desk(&tenant, &sids).await;
    let texts = texts_of(&seen, &ann);
    assert!(texts.is_sorted(), "{texts:?}");
    assert_eq!(seen.len(), 130);
    looked(&relay).await;
    let metrics = relay.metrics().await;
    assert!(
        metrics.contains("gap_passes_total{outcome=\"piece\"}"),
        "{metrics}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_moves_no_mark_holds_no_lane_for_long_and_is_asked_again() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &[]).await;
    relay.stop().await;
    let lost = lost_text(&tenant, &ann, "quokka lost").await;
    tenant.sandbox.set_faults(list_fails());
    let hold = [OFTEN[0], OFTEN[1], ("MB_HEAL_HOLD_MS", "500")];
    let relay = Relay::start_with(RELAY, &tenant, &hold).await;
    let live = tenant.sandbox.customer_sends(&ann, "quokka live").await;
    on_the_desk(&tenant, &[live]).await;
    let status = gaps(&relay).await;
    assert!(status["lastCompletePassTime"].is_null(), "{status}");
    let message = status["lastError"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("list messages"), "{status}");
    let covered = status["coveredTime"].clone();
    assert!(covered.is_string(), "{status}");
    tenant.sandbox.set_faults([]);
    let seen = on_the_desk(&tenant, &[lost]).await;
    assert_eq!(texts_of(&seen, &ann), ["quokka live", "quokka lost"]);
    eventually("the error is over", SOON, || async {
        gaps(&relay).await["lastError"].is_null().then_some(())
    })
    .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_wait_for_the_first_look_but_not_for_ever() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &[]).await;
    relay.stop().await;
    let lost = lost_text(&tenant, &ann, "quokka lost").await;
    tenant.sandbox.set_faults(list_takes(6000));
    let relay = Relay::start_with(RELAY, &tenant, &[("MB_HEAL_HOLD_MS", "300")]).await;
    let live = tenant.sandbox.customer_sends(&ann, "quokka live").await;
    on_the_desk(&tenant, &[live]).await;
    let seen = on_the_desk(&tenant, &[lost]).await;
    assert_eq!(texts_of(&seen, &ann), ["quokka live", "quokka lost"]);
    relay.stop().await;
    // With patience, the missed one goes first.
    let lost = lost_text(&tenant, &ann, "quokka lost 2").await;
    tenant.sandbox.set_faults(list_takes(700));
    let relay = Relay::start(RELAY, &tenant).await;
    let live = tenant.sandbox.customer_sends(&ann, "quokka live 2").await;
    let seen = on_the_desk(&tenant, &[lost, live]).await;
    assert_eq!(
        texts_of(&seen, &ann),
        [
            "quokka live",
            "quokka lost",
            "quokka lost 2",
            "quokka live 2"
        ]
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_before_the_end_stands_in_its_place_among_what_was_missed() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &[]).await;
    let down = Effect::Status {
        status: 503,
        body: None,
    };
    tenant
        .sandbox
        .set_faults(Fault::new(Endpoint::GenesysMessage, down));
    let waits = tenant.sandbox.customer_sends(&ann, "quokka 1").await;
    eventually("it is stored", SOON, || async {
        (relay.status().await["lanes"][0]["backlog"] == 1).then_some(())
    })
    .await;
    cut(&tenant);
    let lost = lost_text(&tenant, &ann, "quokka 2").await;
    mend(&tenant);
    let later = tenant.sandbox.customer_sends(&ann, "quokka 3").await;
    eventually("it is stored", SOON, || async {
        (relay.status().await["lanes"][0]["backlog"] == 2).then_some(())
    })
    .await;
    relay.kill().await;
    tenant.sandbox.set_faults([]);
    let relay = Relay::start(RELAY, &tenant).await;
    let seen = on_the_desk(&tenant, &[waits, lost, later]).await;
    assert_eq!(texts_of(&seen, &ann), ["quokka 1", "quokka 2", "quokka 3"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_text_is_reported_once_and_not_delivered() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &OFTEN).await;
    cut(&tenant);
    let gone = tenant.sandbox.customer_sends(&ann, "quokka gone").await;
    tenant.sandbox.redact(&gone);
    given_up(&tenant, &gone).await;
    mend(&tenant);
    eventually("it is reported", SOON, || async {
        (gaps(&relay).await["redacted"] == 1).then_some(())
    })
    .await;
    a_while().await;
    let status = gaps(&relay).await;
    assert_eq!(
        (&status["redacted"], &status["healed"]),
        (&1.into(), &0.into())
    );
    assert!(tenant.sandbox.log().genesys_inbound.is_empty());
    assert!(relay.log().contains(&gone), "the log names it by its SID");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_heals_as_its_webhook_would_have_brought_it() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &OFTEN).await;
    cut(&tenant);
    let media = [
        ("NumMedia", "2"),
        ("MediaUrl0", "https://api.twilio.com/0"),
        ("MediaContentType0", "image/jpeg"),
        ("MediaUrl1", "https://api.twilio.com/1"),
        ("MediaContentType1", "audio/ogg"),
    ];
    let photo = tenant
        .sandbox
        .customer_sends_fields(&ann, "quokka", &media)
        .await;
    given_up(&tenant, &photo).await;
    mend(&tenant);
    let seen = on_the_desk(&tenant, &[photo]).await;
    assert_eq!(texts_of(&seen, &ann), ["quokka\n[photo]\n[audio]"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_in_the_middle_of_a_pass_loses_nothing_and_repeats_nothing() {
    let (tenant, ann) = tenant().await;
    let relay = start(RELAY, &tenant, &[]).await;
    relay.stop().await;
    let customers = [ann.as_str(), BOB, "+15557650001", "+15557650002"];
    let mut sids = Vec::new();
    for customer in customers {
        for number in 0..2 {
            let text = format!("quokka {number}");
            sids.push(tenant.sandbox.customer_sends(customer, &text).await);
        }
    }
    for sid in &sids {
        given_up(&tenant, sid).await;
    }
    for skip in 0..3 {
        let step = format!("heal:{skip}");
        let mut relay = Relay::start_with(RELAY, &tenant, &[("MB_STEP", &step)]).await;
        let stood = relay.at_step(Duration::from_secs(2)).await;
        assert!(stood || skip > 0, "no pass was under way");
        relay.kill().await;
    }
    let relay = start(RELAY, &tenant, &[]).await;
    on_the_desk(&tenant, &sids).await;
    relay.until_drained(SOON).await;
    let seen = tenant.sandbox.log().genesys_inbound;
    for customer in customers {
        let mut texts = texts_of(&seen, customer);
        // The process may have ended between Genesys' answer and its record: then the same is sent again.
        texts.dedup();
        assert_eq!(texts, ["quokka 0", "quokka 1"]);
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_comes_while_or_after_the_list_was_read_makes_no_second_message() {
    let (tenant, ann) = tenant().await;
    let eager = [("MB_HEAL_EVERY_MS", "150"), ("MB_HEAL_YOUNG_MS", "0")];
    let relay = start(RELAY, &tenant, &eager).await;
    let held = Fault::new(Endpoint::TwilioWebhook, Effect::Held);
    tenant.sandbox.set_faults(held);
    let found = tenant.sandbox.customer_sends(&ann, "quokka found").await;
    on_the_desk(&tenant, std::slice::from_ref(&found)).await;
    tenant.sandbox.set_faults([]);
    eventually("its webhook is answered as accepted", SOON, || async {
        let log = tenant.sandbox.log();
        log.webhooks
            .iter()
            .any(|tried| tried.message_id == found && tried.status == Some(200))
            .then_some(())
    })
    .await;
    // Both at once, many times.
    let mut sids = Vec::new();
    for number in 0..60 {
        let text = format!("quokka {number:02}");
        sids.push(tenant.sandbox.customer_sends(&ann, &text).await);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    on_the_desk(&tenant, &sids).await;
    relay.until_drained(SOON).await;
    let seen = tenant.sandbox.log().genesys_inbound;
    assert_eq!(seen.len(), 61);
    relay.stop().await;
}
