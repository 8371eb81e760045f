//! Every answer that the public port gives, over real HTTP against the real relay.

use std::time::Duration;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault};
use messaging_bridge_suites::process::{Relay, reqwest_client};
use messaging_bridge_suites::signed::{
    genesys_signature, post_form, post_genesys, post_json, post_twilio, sms, twilio_signature,
    with, without,
};
use messaging_bridge_suites::tenant::{Spec, Tenant, fast};
use messaging_bridge_suites::{SOON, eventually};
use serde_json::{Value, json};

use crate::RELAY;
const SID: &str = "SM00000000000000000000000000000001";

async fn running() -> (Tenant, Relay) {
    messaging_bridge_suites::running(RELAY).await
}

fn outbound(tenant: &Tenant, id: &str, changes: &Value) -> Value {
    let options = tenant.sandbox.options();
    let mut body = json!({
        "id": id, "type": "Text", "text": "quokka", "direction": "Outbound",
        "channel": {"id": options.integration.id, "platform": "Open", "type": "Private",
            "to": {"id": options.customer, "idType": "Opaque"}, "from": {"id": options.integration.id},
            "time": "2026-01-02T03:06:00.427Z", "messageId": id},
    });
    for (key, value) in changes.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_is_answered_twiml_and_a_repeat_changes_nothing() {
    let (tenant, relay) = running().await;
    for _ in 0..3 {
        let answer = post_twilio(&tenant, "/twilio/inbound", &sms(&tenant, SID, "quokka")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/xml");
        assert!(
            answer
                .text()
                .await
                .is_ok_and(|body| body.ends_with("<Response/>"))
        );
    }
    relay.until_drained(SOON).await;
    assert_eq!(tenant.sandbox.log().genesys_inbound.len(), 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_twilios_or_not_ours_is_refused() {
    let (tenant, relay) = running().await;
    let fields = sms(&tenant, SID, "quokka");
    let options = tenant.sandbox.options();
    let url = "https://bridge.example.com/acme/twilio/inbound";
    let good = twilio_signature(&options.auth_token, url, &fields);
    let path = "/acme/twilio/inbound";

    assert_eq!(
        post_form(&tenant, path, &fields, None).await.status(),
        403,
        "no signature"
    );
    assert_eq!(
        post_form(&tenant, path, &fields, Some("bm90IGl0"))
            .await
            .status(),
        403,
        "a wrong signature"
    );
    let changed = with(fields.clone(), "Body", "other");
    assert_eq!(
        post_form(&tenant, path, &changed, Some(&good))
            .await
            .status(),
        403,
        "another body"
    );
    for (name, value) in [
        ("AccountSid", "AC99999999999999999999999999999999"),
        ("To", "+15559990000"),
    ] {
        let answer = post_twilio(
            &tenant,
            "/twilio/inbound",
            &with(fields.clone(), name, value),
        )
        .await;
        assert_eq!(answer.status(), 403, "another {name}");
    }
    for name in ["MessageSid", "AccountSid", "From", "To"] {
        let answer = post_twilio(&tenant, "/twilio/inbound", &without(fields.clone(), name)).await;
        assert_eq!(answer.status(), 400, "without {name}");
    }
    let status = relay.status().await;
    assert_eq!(status["twilio"]["badSignatures"], 3);
    assert_eq!(status["twilio"]["misrouted"], 2);
    assert_eq!(tenant.sandbox.log().genesys_inbound.len(), 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_body_that_is_not_a_form_is_malformed() {
    let (tenant, relay) = running().await;
    let body = "{\"MessageSid\":\"SM1\"}";
    let hash = "5b0e0e2c0a3a0c3c2a1dbdb0f6ad0f4b6b9a3c1f4e0f5d6c7b8a9f0e1d2c3b4a";
    let wrong_hash = format!("https://bridge.example.com/acme/twilio/inbound?bodySHA256={hash}");
    let token = &tenant.sandbox.options().auth_token;
    let signature = twilio_signature(token, &wrong_hash, &[]);
    let send = async |query: String, signature: String| {
        let url = tenant
            .public()
            .join(&format!("/acme/twilio/inbound?{query}"))
            .expect("a valid path");
        let request = reqwest_client()
            .post(url)
            .header("content-type", "application/json");
        let answer = request
            .header("x-twilio-signature", signature)
            .body(body)
            .send()
            .await;
        answer.expect("the relay answers").status()
    };
    assert_eq!(
        send(format!("bodySHA256={hash}"), signature).await,
        403,
        "the hash is of another body"
    );
    let hash = sha256(body);
    let url = format!("https://bridge.example.com/acme/twilio/inbound?bodySHA256={hash}");
    assert_eq!(
        send(
            format!("bodySHA256={hash}"),
            twilio_signature(token, &url, &[])
        )
        .await,
        400
    );
    relay.stop().await;
}

fn sha256(body: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(body)
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_may_be_stripped_by_the_proxy_or_not_and_the_query_is_signed_as_it_came() {
    let (tenant, relay) = running().await;
    let token = &tenant.sandbox.options().auth_token;
    for (number, path, query) in [
        (1, "/acme/twilio/inbound", ""),
        (2, "/twilio/inbound", ""),
        (3, "/twilio/inbound", "?b=%41&a=1"),
    ] {
        let fields = sms(
            &tenant,
            &format!("SM0000000000000000000000000000000{number}"),
            "quokka",
        );
        let url = format!("https://bridge.example.com/acme/twilio/inbound{query}");
        let signature = twilio_signature(token, &url, &fields);
        let answer = post_form(
            &tenant,
            &format!("{path}{query}"),
            &fields,
            Some(&signature),
        )
        .await;
        assert_eq!(answer.status(), 200, "{path}{query}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn genesys_is_answered_200_for_whatever_it_signed_and_refused_for_what_it_did_not() {
    let (tenant, relay) = running().await;
    let text = outbound(&tenant, "g1", &json!({})).to_string();
    let path = "/acme/genesys/outbound";
    assert_eq!(
        post_json(&tenant, path, &text, None).await.status(),
        403,
        "unsigned"
    );
    let wrong = genesys_signature("another-secret-0123456789", &text);
    assert_eq!(
        post_json(&tenant, path, &text, Some(&wrong)).await.status(),
        403,
        "another secret"
    );
    for body in ["", "[1]", "{\"id\":", "nonsense"] {
        assert_eq!(post_genesys(&tenant, body).await, 400, "{body:?}");
    }
    let foreign = outbound(
        &tenant,
        "g2",
        &json!({"channel": {"id": "another", "to": {"id": "+15550001111"}}}),
    );
    assert_eq!(
        post_genesys(&tenant, &foreign.to_string()).await,
        403,
        "another integration"
    );
    for ignored in [
        json!({"type": "Event", "events": [{"eventType": "Typing"}]}),
        json!({"type": "Receipt", "status": "Published"}),
        json!({"direction": "Inbound"}),
    ] {
        let body = outbound(&tenant, "g3", &ignored).to_string();
        assert_eq!(post_genesys(&tenant, &body).await, 200, "{ignored}");
    }
    for _ in 0..3 {
        assert_eq!(post_genesys(&tenant, &text).await, 200);
    }
    relay.until_drained(SOON).await;
    assert_eq!(
        tenant.sandbox.log().twilio_sends.len(),
        1,
        "repeats and ignored kinds send nothing more"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_carried_yet_is_told_to_the_agent() {
    let (tenant, relay) = running().await;
    for (id, changes) in [
        (
            "g1",
            json!({"text": null, "content": [{"contentType": "Attachment", "attachment": {"mediaType": "Image"}}]}),
        ),
        (
            "g2",
            json!({"type": "Structured", "content": [{"contentType": "Carousel"}]}),
        ),
        ("g3", json!({"type": "SomethingNew"})),
        ("g4", json!({"text": "   "})),
    ] {
        assert_eq!(
            post_genesys(&tenant, &outbound(&tenant, id, &changes).to_string()).await,
            200
        );
    }
    let receipts = eventually("four receipts", SOON, || async {
        let receipts = tenant.sandbox.log().genesys_receipts;
        (receipts.len() == 4).then_some(receipts)
    })
    .await;
    for receipt in receipts {
        assert_eq!(
            (receipt.status.as_str(), receipt.is_final),
            ("Failed", true)
        );
        assert_eq!(
            receipt.reasons[0].code.as_deref(),
            Some("UnsupportedMessage")
        );
    }
    assert!(tenant.sandbox.log().twilio_sends.is_empty());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_is_answered_only_without_signature_and_body() {
    let (tenant, relay) = running().await;
    let client = reqwest_client();
    let url = |query: &str| {
        tenant
            .public()
            .join(&format!("/acme/genesys/outbound{query}"))
            .expect("a valid path")
    };
    let get = client
        .get(url("?validationToken=abc.1"))
        .send()
        .await
        .expect("the relay answers");
    assert_eq!(get.headers()["cache-control"], "no-store");
    assert_eq!(get.headers()["x-content-type-options"], "nosniff");
    assert_eq!(
        get.text().await.ok().as_deref(),
        Some("{\"challenge\":\"abc.1\"}")
    );
    let post = client
        .post(url("?validationToken=abc.1"))
        .send()
        .await
        .expect("the relay answers");
    assert_eq!(post.status(), 200);
    for (query, signed, body, status) in [
        ("?validationToken=%3Cb%3E", false, "", 400),
        ("", false, "", 403),
        ("?validationToken=abc", true, "", 403),
        ("?validationToken=abc", false, "{}", 403),
    ] {
        let mut request = client.post(url(query)).body(body);
        if signed {
            request = request.header("x-hub-signature-256", "sha256=bm90IGl0");
        }
        let answer = request.send().await.expect("the relay answers");
        assert_eq!(
            answer.status(),
            status,
            "{query} signed: {signed} body: {body:?}"
        );
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_are_taken_for_any_customer_and_an_unknown_send_is_answered_200() {
    let (tenant, relay) = running().await;
    let account = tenant.sandbox.options().account_sid.clone();
    let fields: Vec<(String, String)> = [
        ("MessageSid", SID),
        ("AccountSid", &account),
        ("MessageStatus", "delivered"),
        ("To", "+15550009999"),
        ("From", "+15551230000"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let path = "/twilio/status/nobodyknowsthis";
    assert_eq!(post_twilio(&tenant, path, &fields).await.status(), 200);
    let other = with(
        fields.clone(),
        "AccountSid",
        "AC99999999999999999999999999999999",
    );
    assert_eq!(post_twilio(&tenant, path, &other).await.status(), 403);
    let unknown = with(fields.clone(), "MessageStatus", "teleported");
    assert_eq!(post_twilio(&tenant, path, &unknown).await.status(), 200);
    assert_eq!(
        post_form(&tenant, &format!("/acme{path}"), &fields, None)
            .await
            .status(),
        403
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_is_answered_503_and_drains_when_genesys_is_back() {
    let spec = Spec {
        max_bytes: Some(1024 * 1024),
        ..Spec::default()
    };
    let tenant = Tenant::new(fast(), spec).await;
    let relay = Relay::start(RELAY, &tenant).await;
    tenant.sandbox.set_faults(Fault::new(
        Endpoint::GenesysMessage,
        Effect::Status {
            status: 503,
            body: None,
        },
    ));
    let long = format!("quokka {}", "x".repeat(60_000));
    let mut taken = 0;
    let refused = loop {
        let sid = format!("SM{taken:032}");
        let answer = post_twilio(&tenant, "/twilio/inbound", &sms(&tenant, &sid, &long)).await;
        if answer.status() != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 30, "the budget of 1 MiB is never used up");
    };
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    let again = post_twilio(
        &tenant,
        "/twilio/inbound",
        &sms(&tenant, &format!("SM{:032}", 0), &long),
    )
    .await;
    assert_eq!(
        again.status(),
        200,
        "what is in already is accepted also when nothing new is"
    );
    tenant.sandbox.set_faults([]);
    relay.until_drained(Duration::from_mins(1)).await;
    let seen = tenant.sandbox.log().genesys_inbound;
    let delivered = seen
        .iter()
        .filter(|seen| !seen.repeat && seen.answered)
        .count();
    assert_eq!(delivered, taken);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_nearly_full_is_answered_503_at_once() {
    let tenant = Tenant::fast().await;
    let relay = Relay::start_on_volume(RELAY, &tenant, 48).await;
    let answer = post_twilio(&tenant, "/twilio/inbound", &sms(&tenant, SID, "quokka")).await;
    assert_eq!(answer.status(), 503);
    assert!(
        answer
            .text()
            .await
            .is_ok_and(|body| body.contains("disk-full"))
    );
    assert_eq!(relay.status().await["lanes"][0]["backlog"], 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_a_megabyte_and_an_unknown_path_are_refused_and_the_relay_lives_on() {
    let (tenant, relay) = running().await;
    let huge = sms(&tenant, SID, &"x".repeat(1_100_000));
    assert_eq!(
        post_twilio(&tenant, "/twilio/inbound", &huge)
            .await
            .status(),
        413
    );
    assert_eq!(
        post_json(&tenant, "/nowhere", "{}", None).await.status(),
        404
    );
    let get = reqwest_client()
        .get(
            tenant
                .public()
                .join("/twilio/inbound")
                .expect("a valid path"),
        )
        .send()
        .await;
    assert_eq!(get.expect("the relay answers").status(), 405);
    assert_eq!(
        post_twilio(&tenant, "/twilio/inbound", &sms(&tenant, SID, "quokka"))
            .await
            .status(),
        200
    );
    relay.stop().await;
}
