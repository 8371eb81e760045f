//! The page in headless Chromium, driven over WebDriver, with a bridge that is a few lines long.
//!
//! Needs Debian's `chromium` and `chromium-driver`; without them the tests fail and say how to install them.
//! Screenshots go to `$MB_CI_OUT`, or to `target/ci-output`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use messaging_bridge_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use url::Url;

const DRIVER: &str = "/usr/bin/chromedriver";
const INSTALL: &str = "apt-get install -y chromium chromium-driver";
const PATIENCE: Duration = Duration::from_secs(20);

// --- a bridge ------------------------------------------------------------------------------------------------------

/// What a bridge does, without any of what makes one worth having.
#[derive(Clone)]
struct Relay {
    http: reqwest::Client,
    platforms: Url,
    options: Arc<Options>,
}

impl Relay {
    async fn start(listener: TcpListener, platforms: Url, options: Options) {
        let relay = Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_backend_preconfigured(no_tls())
                .build()
                .unwrap(),
            platforms,
            options: Arc::new(options),
        };
        let router = Router::new()
            .route("/acme/twilio/inbound", post(inbound))
            .route("/acme/twilio/status/{id}", post(status))
            .route("/acme/genesys/outbound", post(outbound))
            .with_state(relay);
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    async fn genesys(&self, kind: &str, body: &Value) {
        let (id, secret) = (&self.options.client_id, Some(&self.options.client_secret));
        let grant = [("grant_type", "client_credentials")];
        let token = self
            .http
            .post(self.url("/oauth/token"))
            .basic_auth(id, secret)
            .form(&grant)
            .send();
        let token: Value = token.await.unwrap().json().await.unwrap();
        let path = format!(
            "/api/v2/conversations/messages/{}/inbound/open/{kind}",
            self.options.integration.id
        );
        let request = self
            .http
            .post(self.url(&path))
            .bearer_auth(token["access_token"].as_str().unwrap())
            .json(body);
        assert!(request.send().await.unwrap().status().is_success());
    }

    fn url(&self, path: &str) -> Url {
        self.platforms.join(path).unwrap()
    }
}

/// The sandbox speaks plain HTTP.
fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn twiml() -> Response {
    ([("content-type", "text/xml")], "<Response/>").into_response()
}

fn form(body: &[u8]) -> impl Fn(&str) -> String {
    let fields: std::collections::BTreeMap<String, String> =
        form_urlencoded::parse(body).into_owned().collect();
    move |name| fields.get(name).cloned().unwrap_or_default()
}

async fn inbound(State(relay): State<Relay>, body: Bytes) -> Response {
    let field = form(&body);
    let message = json!({
        "channel": {
            "messageId": field("MessageSid"),
            "time": jiff::Timestamp::now().to_string(),
            "from": {"id": field("From"), "idType": "Phone", "nickname": field("From")},
        },
        "text": field("Body"),
    });
    relay.genesys("message", &message).await;
    twiml()
}

async fn outbound(State(relay): State<Relay>, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let options = &relay.options;
    let path = format!("/2010-04-01/Accounts/{}/Messages.json", options.account_sid);
    let callback =
        options.public_url.to_string() + "/twilio/status/" + message["id"].as_str().unwrap();
    let fields = [
        ("To", message["channel"]["to"]["id"].as_str().unwrap()),
        ("From", &options.number),
        ("Body", message["text"].as_str().unwrap()),
        ("StatusCallback", &callback),
    ];
    let send = relay
        .http
        .post(relay.url(&path))
        .basic_auth(&options.account_sid, Some(&options.auth_token));
    send.form(&fields).send().await.unwrap();
    twiml()
}

async fn status(
    State(relay): State<Relay>,
    path: axum::extract::Path<String>,
    body: Bytes,
) -> Response {
    let field = form(&body);
    let (status, reasons) = match field("MessageStatus").as_str() {
        "sent" => ("Sent", json!([])),
        "delivered" => ("Delivered", json!([])),
        _ => (
            "Failed",
            json!([{"code": "InvalidDestination", "message": "The phone is switched off or out of reach."}]),
        ),
    };
    let channel = json!({"to": {"id": field("To"), "idType": "Phone"}, "time": jiff::Timestamp::now().to_string()});
    let receipt = json!({"id": path.0, "status": status, "channel": channel, "reasons": reasons, "isFinalReceipt": status != "Sent"});
    relay.genesys("receipt", &receipt).await;
    twiml()
}

// --- a browser -----------------------------------------------------------------------------------------------------

/// A sandbox with a bridge, and a browser that shows the page.
struct Scene {
    page: Client,
    sandbox: Sandbox,
    // Killed, and removed, when dropped.
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Scene {
    async fn open(width: u32, height: u32, dark: bool) -> Self {
        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options {
            time_scale: 0.1,
            ..Options::default()
        };
        let to = Url::parse(&format!("http://{}", relay.local_addr().unwrap())).unwrap();
        options.connect.insert("bridge.example.com".into(), to);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(options.clone(), listener).await.unwrap();
        Relay::start(relay, sandbox.url(), options).await;
        let (driver, driver_url) = driver().await;
        let profile = tempfile::tempdir().unwrap();
        let capabilities = capabilities(profile.path(), width, height, dark);
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver_url)
            .await
            .unwrap();
        page.goto(sandbox.url().as_str()).await.unwrap();
        let scene = Self {
            page,
            sandbox,
            _driver: driver,
            _profile: profile,
        };
        scene
            .until(
                "the page is live",
                "return document.querySelector('.live.on') !== null",
            )
            .await;
        scene
    }

    async fn element(&self, id: &str) -> Element {
        self.page
            .find(Locator::Css(&format!("[data-testid={id}]")))
            .await
            .unwrap()
    }

    async fn script(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.unwrap()
    }

    /// Waits until the script returns true.
    async fn until(&self, what: &str, script: &str) {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        while self.script(script).await != json!(true) {
            if tokio::time::Instant::now() > give_up {
                self.screenshot("page-failed").await;
                panic!("never happened: {what}");
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until a thread shows a message with this text in this state.
    async fn until_shown(&self, thread: &str, text: &str, state: &str) {
        let script = format!(
            "return [...document.querySelectorAll('[data-testid={thread}] li[data-state={state}]')]
               .some((line) => line.querySelector('.text').textContent === {})",
            json!(text)
        );
        self.until(&format!("{text:?} is {state} in {thread}"), &script)
            .await;
    }

    async fn press(&self, key: Key) {
        let focused = self.page.active_element().await.unwrap();
        focused.send_keys(&key).await.unwrap();
    }

    /// Presses the tabulator until this element has the focus, as somebody without a mouse does.
    async fn tab_to(&self, id: &str) {
        for _ in 0..40 {
            if self
                .script("return document.activeElement.dataset.testid ?? ''")
                .await
                == json!(id)
            {
                return;
            }
            self.press(Key::Tab).await;
        }
        panic!("{id} can't be reached with the tabulator");
    }

    async fn type_here(&self, text: &str) {
        self.page
            .active_element()
            .await
            .unwrap()
            .send_keys(text)
            .await
            .unwrap();
    }

    async fn screenshot(&self, name: &str) {
        // What just arrived moves for a moment.
        tokio::time::sleep(Duration::from_millis(350)).await;
        let picture = self.page.screenshot().await.unwrap();
        let folder = output_folder();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    async fn close(self) {
        self.page.close().await.unwrap();
        self.sandbox.shutdown();
    }
}

fn output_folder() -> PathBuf {
    match std::env::var_os("MB_CI_OUT") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .unwrap()
            .join("ci-output"),
    }
}

/// Starts chromedriver on a port of its own choice.
async fn driver() -> (Child, String) {
    assert!(Path::new(DRIVER).exists(), "{DRIVER} is missing: {INSTALL}");
    let mut driver = Command::new(DRIVER)
        .arg("--port=0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (driver, url);
        }
    }
    panic!("chromedriver ended before it said its port: {INSTALL}");
}

fn capabilities(
    profile: &Path,
    width: u32,
    height: u32,
    dark: bool,
) -> serde_json::Map<String, Value> {
    let mut arguments: Vec<String> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    arguments.push(format!("--window-size={width},{height}"));
    if dark {
        arguments.push("--blink-settings=preferredColorScheme=0".into());
    }
    let mut options = json!({"args": arguments});
    if width < 500 {
        // A window is never that narrow; an emulated phone is.
        let metrics = json!({"width": width, "height": height, "pixelRatio": 2.0, "mobile": true});
        options["mobileEmulation"] = json!({"deviceMetrics": metrics});
    }
    let capabilities = json!({"browserName": "chrome", "goog:chromeOptions": options});
    capabilities.as_object().unwrap().clone()
}

// --- the tests -----------------------------------------------------------------------------------------------------

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
        .customer_sends(&customer, "Found it. Thank you! 🎉")
        .await;
    scene
        .until_shown("desk-thread", "Found it. Thank you! 🎉", "received")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_from_the_phone_reaches_the_desk_and_the_reply_gets_its_ticks() {
    let scene = Scene::open(1440, 900, false).await;
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
    let scene = Scene::open(1440, 900, false).await;
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
    let scene = Scene::open(1440, 900, true).await;
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
    let scene = Scene::open(1440, 900, false).await;
    let nameless = scene.script(
        "return [...document.querySelectorAll('button, select, textarea')].filter((one) =>
           !(one.ariaLabel || one.labels?.length || one.textContent.trim() || one.getAttribute('aria-labelledby')))
           .map((one) => one.outerHTML)",
    );
    assert_eq!(nameless.await, json!([]));
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
