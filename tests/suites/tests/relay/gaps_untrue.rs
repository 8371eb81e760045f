//! Missed messages in a list that is not true: late, redacted for a while, or in any order.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault, Untruth};
use messaging_bridge_suites::healing::{OFTEN, cut, lost_text, mend, on_the_desk, start, texts_of};
use messaging_bridge_suites::process::Relay;
use messaging_bridge_suites::tenant::Tenant;
use rstest::rstest;

use crate::RELAY;

fn untrue(how: Untruth, younger_than: Option<u64>) -> Fault {
    Fault::new(Endpoint::TwilioList, Effect::Untrue { how, younger_than })
}

#[rstest]
#[case(Untruth::Missing)]
#[case(Untruth::Redacted)]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_list_shows_late_is_found_by_a_later_look(#[case] at_first: Untruth) {
    let tenant = Tenant::fast().await;
    let ann = tenant.sandbox.options().customer.clone();
    let relay = start(RELAY, &tenant, &OFTEN).await;
    tenant.sandbox.set_faults(untrue(at_first, Some(3000)));
    cut(&tenant);
    let lost = lost_text(&tenant, &ann, "quokka").await;
    mend(&tenant);
    let seen = on_the_desk(&tenant, &[lost]).await;
    assert_eq!(texts_of(&seen, &ann), ["quokka"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_any_order_is_put_in_order_by_its_dates() {
    let tenant = Tenant::fast().await;
    let ann = tenant.sandbox.options().customer.clone();
    let relay = start(RELAY, &tenant, &[]).await;
    relay.stop().await;
    let mut lost = Vec::new();
    for number in 0..5 {
        let text = format!("quokka {number}");
        lost.push(lost_text(&tenant, &ann, &text).await);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    tenant.sandbox.set_faults(untrue(Untruth::Unordered, None));
    let small_pages = [("MB_HEAL_PAGE_SIZE", "2")];
    let relay = Relay::start_with(RELAY, &tenant, &small_pages).await;
    let seen = on_the_desk(&tenant, &lost).await;
    let texts = texts_of(&seen, &ann);
    assert!(texts.is_sorted(), "{texts:?}");
    relay.stop().await;
}
