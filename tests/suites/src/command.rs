//! The relay's commands as processes: run to their end, and all that they say scanned.

use std::io::Write as _;
use std::process::{Command, Stdio};

use messaging_bridge_sandbox::Options;

use crate::process::leaks;
use crate::tenant::Tenant;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, as bytes: an export is no text.
    pub bytes: Vec<u8>,
    /// Standard output and then standard error.
    pub text: String,
}

impl Said {
    /// Whether it did what it was asked for.
    pub fn is_well(&self) -> bool {
        self.code == Some(0)
    }
}

/// Runs a command of the relay to its end.
///
/// # Panics
///
/// When it cannot be started, or said what must not be said.
pub fn command(binary: &str, arguments: &[&str], more: &[String]) -> Said {
    command_with(binary, arguments, more, &[])
}

/// As [`command`], with something on its standard input.
///
/// # Panics
///
/// When it cannot be started, or said what must not be said.
pub fn command_with(binary: &str, arguments: &[&str], more: &[String], input: &[u8]) -> Said {
    let said = revealing(binary, arguments, more, input);
    // A sentence about the form of numbers shows an example.
    let lines = said.text.lines().filter(|line| !line.contains("E.164"));
    let leaks = leaks(&lines.collect::<Vec<_>>().join("\n"), &secrets());
    assert!(
        leaks.is_empty(),
        "{arguments:?} said what it must not:\n{}",
        leaks.join("\n")
    );
    said
}

/// A command that was asked to show texts and numbers.
///
/// # Panics
///
/// When it cannot be started.
pub fn revealing(binary: &str, arguments: &[&str], more: &[String], input: &[u8]) -> Said {
    let mut child = Command::new(binary)
        .args(arguments)
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the relay's binary can be started");
    let mut stdin = child.stdin.take().expect("it was piped");
    // A command that does not read its input may have ended already.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Said {
        code: output.status.code(),
        bytes: output.stdout,
        text,
    }
}

/// The secrets that every tenant has whose test does not choose its own.
fn secrets() -> Vec<String> {
    let options = Options::default();
    let key = options.api_key.map(|(_, secret)| secret);
    [
        options.auth_token,
        options.client_secret,
        options.integration.webhook_secret,
    ]
    .into_iter()
    .chain(key)
    .collect()
}

/// The flags that say where the outbox of a tenant is.
pub fn place(control: &str, tenant: &Tenant) -> [String; 4] {
    let data_dir = tenant.data_dir().display().to_string();
    [
        "--control".into(),
        control.into(),
        "--data-dir".into(),
        data_dir,
    ]
}

/// An address at which nobody listens.
pub const NOBODY: &str = "127.0.0.1:1";
