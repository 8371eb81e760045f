//! The page in headless Chromium, with a bridge that is a few lines long.
//!
//! Needs Debian's `chromium` and `chromium-driver`; without them the tests fail and say how to install them.
//! Screenshots go to `$CI_OUTPUT_DIR`, or to `target/ci-output`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "page/relay.rs"]
mod relay;
#[path = "page/scene.rs"]
mod scene;

use fantoccini::key::Key;
use scene::Scene;
use serde_json::json;

/// Some traffic, so that the picture is worth looking at.
async fn converse(scene: &Scene) {
    let other = "+15557654322";
    scene
        .sandbox
        .customer_sends(other, "Is the shop in the station open on Sundays?")
        .await;
    scene
        .until(
            "the other customer's message",
            "return document.querySelectorAll('#conversations li').length === 1",
        )
        .await;
    let customer = scene.sandbox.options().customer.clone();
    scene
        .sandbox
        .customer_sends(
            &customer,
            "Hello, my parcel 7731 says delivered, but nothing is here.",
        )
        .await;
    scene
        .until(
            "the customer's message",
            "return document.querySelectorAll('#conversations li').length === 2",
        )
        .await;
    scene
        .script("document.querySelector('#conversations button').click()")
        .await;
    let reply =
        "Sorry about that! The driver left it at the kiosk next door. Could you look there?";
    scene.sandbox.agent_sends(&customer, reply).await;
    scene.until_shown("desk-thread", reply, "delivered").await;
    scene.until_shown("phone-thread", reply, "received").await;
    scene
        .sandbox
        .customer_sends(&customer, "Found it. Thank you!")
        .await;
    scene
        .until_shown("desk-thread", "Found it. Thank you!", "received")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_from_the_phone_reaches_the_desk_and_the_reply_gets_its_ticks() {
    let scene = Scene::open(1440, 1040, false).await;
    let hostile = "<img src=x onerror=\"document.title='owned'\"> & friends";
    scene
        .element("phone-input")
        .await
        .send_keys(hostile)
        .await
        .unwrap();
    scene.element("phone-send").await.click().await.unwrap();
    scene.until_shown("phone-thread", hostile, "taken").await;
    scene.until_shown("desk-thread", hostile, "received").await;
    assert_eq!(
        scene.page.title().await.unwrap(),
        "Messaging Bridge sandbox"
    );
    assert_eq!(
        scene
            .script("return document.querySelectorAll('.thread img').length")
            .await,
        json!(0)
    );

    scene
        .element("desk-input")
        .await
        .send_keys("On its way")
        .await
        .unwrap();
    scene.element("desk-send").await.click().await.unwrap();
    scene
        .until_shown("desk-thread", "On its way", "delivered")
        .await;
    scene
        .until_shown("phone-thread", "On its way", "received")
        .await;
    scene
        .until(
            "traffic",
            "return document.querySelectorAll('#traffic li').length >= 8",
        )
        .await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_says_why_and_the_switch_that_caused_it_is_on() {
    let scene = Scene::open(1440, 1040, false).await;
    converse(&scene).await;
    let switch = scene.element("fault-phone-off").await;
    switch.click().await.unwrap();
    scene
        .until(
            "the switch is on",
            "return document.querySelector('[data-testid=fault-phone-off]').ariaChecked === 'true'",
        )
        .await;
    scene
        .element("desk-input")
        .await
        .send_keys("You’re welcome!")
        .await
        .unwrap();
    scene.element("desk-send").await.click().await.unwrap();
    scene
        .until_shown("desk-thread", "You’re welcome!", "failed")
        .await;
    let reason = scene
        .script(
            "return document.querySelector('#desk-thread [data-state=failed] .state').textContent",
        )
        .await;
    assert!(
        reason.as_str().unwrap().contains("switched off"),
        "{reason}"
    );
    scene.screenshot("page-desktop").await;
    scene.page.set_window_size(1000, 1000).await.unwrap();
    scene.screenshot("page-tablet").await;
    scene.page.set_window_size(1440, 1040).await.unwrap();
    scene
        .element("fault-phone-off")
        .await
        .click()
        .await
        .unwrap();
    scene.until("the switch is off", "return document.querySelector('[data-testid=fault-phone-off]').ariaChecked === 'false'").await;
    assert!(scene.sandbox.faults().rules.is_empty());
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_done_with_the_keyboard_alone() {
    let scene = Scene::open(1440, 1040, true).await;
    converse(&scene).await;
    scene.press(Key::Tab).await;
    scene.press(Key::Enter).await;
    scene
        .until(
            "the skip link leads to the phone",
            "return document.activeElement.id === 'phone-text'",
        )
        .await;
    scene.type_here("typed without a mouse").await;
    scene.press(Key::Enter).await;
    scene
        .until_shown("desk-thread", "typed without a mouse", "received")
        .await;
    scene
        .until(
            "the field is empty again",
            "return document.querySelector('#phone-text').value === ''",
        )
        .await;
    scene.tab_to("desk-input").await;
    scene.type_here("answered without a mouse").await;
    scene.press(Key::Enter).await;
    scene
        .until_shown("phone-thread", "answered without a mouse", "received")
        .await;
    scene.tab_to("fault-genesys-slow").await;
    let outline = scene
        .script("return getComputedStyle(document.activeElement).outlineStyle")
        .await;
    assert_eq!(outline, json!("solid"), "the focus is seen");
    scene.type_here(" ").await;
    scene
        .until(
            "the switch is on",
            "return document.activeElement.ariaChecked === 'true'",
        )
        .await;
    scene.screenshot("page-dark").await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_of_360_pixels_nothing_is_wider_than_the_screen() {
    let scene = Scene::open(360, 760, false).await;
    converse(&scene).await;
    let widths = scene
        .script("return [document.documentElement.scrollWidth, window.innerWidth]")
        .await;
    assert_eq!(widths, json!([360, 360]));
    let small = scene.script(
        "return [...document.querySelectorAll('button, select, textarea')].filter((one) => one.offsetParent)
           .filter((one) => one.getBoundingClientRect().height < 24).map((one) => one.outerHTML)",
    );
    assert_eq!(small.await, json!([]), "everything can be hit with a thumb");
    scene.screenshot("page-mobile").await;
    scene
        .script("document.querySelector('.desk').scrollIntoView()")
        .await;
    scene.screenshot("page-mobile-desk").await;
    scene
        .script("document.querySelector('.faults').scrollIntoView()")
        .await;
    scene.screenshot("page-mobile-faults").await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_has_a_name_and_new_messages_are_announced() {
    let scene = Scene::open(1440, 1040, false).await;
    let nameless = scene.script(
        "return [...document.querySelectorAll('button, select, textarea')].filter((one) =>
           !(one.ariaLabel || one.labels?.length || one.textContent.trim() || one.getAttribute('aria-labelledby')))
           .map((one) => one.outerHTML)",
    );
    assert_eq!(nameless.await, json!([]));
    scene.screenshot("page-empty").await;
    for thread in ["phone-thread", "desk-thread"] {
        // The role `log` is a polite live region.
        assert_eq!(
            scene
                .element(thread)
                .await
                .attr("role")
                .await
                .unwrap()
                .as_deref(),
            Some("log")
        );
    }
    let switches = scene
        .script("return document.querySelectorAll('[data-testid^=fault-][role=switch]').length")
        .await;
    assert_eq!(switches, json!(12));
    scene.close().await;
}
