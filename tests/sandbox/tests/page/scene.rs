//! A browser that shows the page of a sandbox, driven over WebDriver.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

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

use crate::relay::Relay;

const DRIVER: &str = "/usr/bin/chromedriver";
const INSTALL: &str = "apt-get install -y chromium chromium-driver";

/// Long enough for a busy machine; a test that passes never waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sandbox with a bridge, and a browser that shows the page.
pub(crate) struct Scene {
    pub(crate) page: Client,
    pub(crate) sandbox: Sandbox,
    // Killed, and removed, when dropped.
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn open(width: u32, height: u32, dark: bool) -> Self {
        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options {
            time_scale: 0.1,
            ..Options::default()
        };
        let to = Url::parse(&format!("http://{}", relay.local_addr().unwrap())).unwrap();
        options.connect.insert("bridge.example.com".into(), to);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(options.clone(), listener).await.unwrap();
        Relay::start(relay, sandbox.url(), options);
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

    pub(crate) async fn element(&self, id: &str) -> Element {
        self.page
            .find(Locator::Css(&format!("[data-testid={id}]")))
            .await
            .unwrap()
    }

    pub(crate) async fn script(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.unwrap()
    }

    /// Waits until the script returns true.
    pub(crate) async fn until(&self, what: &str, script: &str) {
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
    pub(crate) async fn until_shown(&self, thread: &str, text: &str, state: &str) {
        let script = format!(
            "return [...document.querySelectorAll('[data-testid={thread}] li[data-state={state}]')]
               .some((line) => line.querySelector('.text').textContent === {})",
            json!(text)
        );
        self.until(&format!("{text:?} is {state} in {thread}"), &script)
            .await;
    }

    pub(crate) async fn press(&self, key: Key) {
        let focused = self.page.active_element().await.unwrap();
        focused.send_keys(&key).await.unwrap();
    }

    /// Presses the tabulator until this element has the focus, as somebody without a mouse does.
    pub(crate) async fn tab_to(&self, id: &str) {
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

    pub(crate) async fn type_here(&self, text: &str) {
        self.page
            .active_element()
            .await
            .unwrap()
            .send_keys(text)
            .await
            .unwrap();
    }

    pub(crate) async fn screenshot(&self, name: &str) {
        // What just arrived moves for a moment.
        tokio::time::sleep(Duration::from_millis(350)).await;
        let picture = self.page.screenshot().await.unwrap();
        let folder = output_folder();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    pub(crate) async fn close(self) {
        self.page.close().await.unwrap();
        self.sandbox.shutdown();
    }
}

fn output_folder() -> PathBuf {
    match std::env::var_os("CI_OUTPUT_DIR") {
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
