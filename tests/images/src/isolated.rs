//! A test in a network and a mount table of its own.

use std::process::Command;

use tokio::runtime::Runtime;

use crate::tool;

/// Set for the second run of a test, the one inside.
const INSIDE: &str = "MB_IMAGES_INSIDE";

/// Runs `body`, all of the test called `test`, where there is only a loopback network and mounts stay inside.
/// Whatever it leaves running or mounted ends with it.
///
/// The test's binary starts itself once more for this test alone, inside new namespaces.
///
/// # Panics
///
/// When the test fails, or the machine allows no namespaces.
pub fn isolated(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        tool("ip", &[&"link", &"set", &"lo", &"up"]);
        return Runtime::new()
            .expect("a runtime can be made")
            .block_on(body);
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "mounts, a network of its own and another user need root: run the tests of this package with sudo"
    );
    let own = std::env::current_exe().expect("a running test has a file");
    let passed = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--mount-proc",
            "--fork",
            "--kill-child",
        ])
        .arg(own)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (of util-linux) can be started");
    assert!(
        passed.success(),
        "{test} failed inside its namespaces: see above"
    );
}
