//! The relay as a process: started, watched, killed, and its log scanned.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::tenant::Tenant;
use crate::{BODY_MARK, eventually};

/// A running relay.
pub struct Relay {
    child: Child,
    log: Arc<Mutex<String>>,
    step: watch::Receiver<bool>,
    unspeakable: Vec<String>,
    admin: url::Url,
}

impl Relay {
    /// Starts a relay for the tenant and waits until it is ready.
    pub async fn start(binary: &str, tenant: &Tenant) -> Self {
        Self::start_with(binary, tenant, &[]).await
    }

    /// Starts a relay with these environment variables and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub async fn start_with(binary: &str, tenant: &Tenant, environment: &[(&str, &str)]) -> Self {
        let mut relay = Self::launch(binary, tenant, environment);
        relay.until_ready().await;
        relay
    }

    /// Starts a relay with these environment variables and does not wait for it.
    ///
    /// # Panics
    ///
    /// When its binary cannot be started.
    pub fn launch(binary: &str, tenant: &Tenant, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary);
        command.arg("run");
        Self::spawn(command, tenant, environment)
    }

    /// Starts a relay whose data directory is a volume of its own with this many megabytes (a tmpfs in a mount
    /// namespace, made with `unshare`).
    ///
    /// # Panics
    ///
    /// When the machine allows no mount namespaces, or the relay does not become ready.
    pub async fn start_on_volume(binary: &str, tenant: &Tenant, megabytes: u32) -> Self {
        std::fs::create_dir_all(tenant.data_dir()).expect("a directory can be made");
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs -o size=\"$1\"m tmpfs \"$2\" && shift 2 && exec \"$@\"";
        command.args(["-rm", "sh", "-c", script, "sh", &megabytes.to_string()]);
        command.arg(tenant.data_dir()).arg(binary).arg("run");
        let mut relay = Self::spawn(command, tenant, &[]);
        relay.until_ready().await;
        relay
    }

    fn spawn(mut command: Command, tenant: &Tenant, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .args(tenant.run_flags())
            .envs(environment.iter().copied())
            .env("RUST_LOG", "debug,hyper=info,reqwest=info,hyper_util=info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the relay's binary can be started");
        let log = Arc::new(Mutex::new(String::new()));
        let (at_step, step) = watch::channel(false);
        let errors = child.stderr.take().expect("it was piped");
        tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                let mut lines = BufReader::new(errors).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.starts_with("step ") {
                        at_step.send_replace(true);
                    }
                    let mut log = log.lock().expect("no test panics while it holds this lock");
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        Self {
            child,
            log,
            step,
            unspeakable: tenant.unspeakable(),
            admin: tenant.admin(),
        }
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub async fn until_ready(&mut self) {
        let client = reqwest_client();
        let url = self.admin.join("/readyz").expect("a valid path");
        for _ in 0..1500 {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the relay ended with {status}:\n{}", self.log());
            }
            if client
                .get(url.clone())
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the relay did not become ready:\n{}", self.log());
    }

    /// Waits until the relay stands at the step that `MB_STEP` named; false when it does not within `patience`.
    pub async fn at_step(&mut self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.step.wait_for(|at| *at))
            .await
            .is_ok_and(|seen| seen.is_ok())
    }

    /// Its `/status`.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn status(&self) -> Value {
        let url = self.admin.join("/status").expect("a valid path");
        let answer = reqwest_client()
            .get(url)
            .send()
            .await
            .expect("the admin address answers");
        answer.json().await.expect("the status is JSON")
    }

    /// Its `/metrics`.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn metrics(&self) -> String {
        let text = self.admin_text("/metrics").await;
        text.expect("the admin address answers")
    }

    async fn admin_text(&self, path: &str) -> Option<String> {
        let url = self.admin.join(path).expect("a valid path");
        let answer = reqwest_client().get(url).send().await.ok()?;
        answer.text().await.ok()
    }

    /// Scans what the admin address shows, as long as it answers.
    async fn scan_admin(&self) {
        for path in ["/metrics", "/status"] {
            let text = self.admin_text(path).await.unwrap_or_default();
            let leaks = leaks(&text, &self.unspeakable);
            assert!(
                leaks.is_empty(),
                "{path} shows what it must not:\n{}",
                leaks.join("\n")
            );
        }
    }

    /// Waits until nothing waits any more: no message, no receipt.
    pub async fn until_drained(&self, patience: Duration) {
        eventually("the relay is drained", patience, || async {
            let status = self.status().await;
            let lanes = status["lanes"].as_array().cloned().unwrap_or_default();
            let idle =
                lanes.iter().all(|lane| lane["backlog"] == 0) && status["receiptsWaiting"] == 0;
            idle.then_some(())
        })
        .await;
    }

    /// Ends it with SIGKILL and scans its log, its metrics and its status.
    ///
    /// # Panics
    ///
    /// When one of them holds what must not be there.
    pub async fn kill(mut self) {
        self.scan_admin().await;
        self.child
            .kill()
            .await
            .expect("a running process can be killed");
        self.scan_log();
    }

    /// Ends it with SIGKILL. Its log is returned unscanned.
    ///
    /// # Panics
    ///
    /// When the process cannot be killed.
    pub async fn kill_unscanned(mut self) -> String {
        self.child
            .kill()
            .await
            .expect("a running process can be killed");
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.log()
    }

    /// Ends it with SIGTERM, waits for its end, and scans its log, its metrics and its status.
    ///
    /// # Panics
    ///
    /// When it does not end, or one of them holds what must not be there.
    pub async fn stop(mut self) -> ExitStatus {
        self.scan_admin().await;
        let pid = self.child.id().expect("it is running").to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .expect("kill can be started");
        assert!(sent.success(), "SIGTERM could not be sent");
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .expect("the relay ends within 30 s of SIGTERM")
            .expect("a child can be waited for");
        self.scan_log();
        status
    }

    /// Its process id.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it is running")
    }

    /// Its resident memory, in KiB.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("a running process has a status");
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .expect("the kernel says how much is resident")
    }

    /// What it has logged so far.
    ///
    /// # Panics
    ///
    /// Never, unless another test thread panicked.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .expect("no test panics while it holds this lock")
            .clone()
    }

    fn scan_log(&self) {
        let leaks = leaks(&self.log(), &self.unspeakable);
        assert!(
            leaks.is_empty(),
            "the relay logged what it must not:\n{}",
            leaks.join("\n")
        );
    }
}

/// The lines of a log that hold a number, a body or a secret.
pub fn leaks(log: &str, unspeakable: &[String]) -> Vec<String> {
    let is_leak = |line: &str| {
        line.contains(BODY_MARK)
            || unspeakable.iter().any(|secret| line.contains(secret))
            || holds_a_number(line)
    };
    log.lines()
        .filter(|line| is_leak(line))
        .map(str::to_owned)
        .collect()
}

/// Whether a line holds something like `+15551234567`, also encoded, or one of the suites' numbers without its sign.
fn holds_a_number(line: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let signed = ["+", "%2B", "%2b"].iter().any(|sign| {
        let mut signs = line.match_indices(sign);
        signs.any(|(at, _)| digits(&line[at + sign.len()..]) >= 7)
    });
    signed
        || line.match_indices("1555").any(|(at, _)| {
            let begins = !line[..at].ends_with(|before: char| before.is_ascii_alphanumeric());
            begins && digits(&line[at..]) == 11
        })
}

/// A client for the tests' own requests.
///
/// # Panics
///
/// When the machine has no TLS.
pub fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .tls_backend_preconfigured(
            rustls::ClientConfig::builder()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
        )
        .build()
        .expect("a client can be built")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_body_and_a_secret_in_a_log_are_found_and_masked_ones_are_not() {
        let leaking = [
            "from +15557654321",
            "To=%2B15557654321&Body=",
            "id 15557654321.",
            "text quokka",
            "token s3cr3t",
        ];
        let fine = "ok +1•••••••21\n2026-11-22T10:00:00+0000\nSM15557654321\nage 155576543210\n";
        let log = format!("{}\n{fine}", leaking.join("\n"));
        assert_eq!(leaks(&log, &["s3cr3t".into()]), leaking);
    }
}
