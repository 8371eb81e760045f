//! The images as they are shipped, and an empty machine to run them on.
//!
//! An image's archive is unpacked, its root made read-only, and its program started in it as its user, in a network of
//! its own with a name server and platforms behind TLS. There is no shell, no library and no file but those that
//! kubelet mounts, so that nothing of the build machine can help. Needs root, and Linux.

mod archive;
mod isolated;
mod names;
mod root;
mod tls;

pub use archive::Image;
pub use isolated::isolated;
pub use names::NameServer;
pub use root::{Mount, Root};
pub use tls::{Authority, forward};

use std::path::Path;
use std::process::Command;

/// Runs a tool of the system and returns what it says.
///
/// # Panics
///
/// When it is missing or fails.
pub(crate) fn tool(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    let output = Command::new(program)
        .args(arguments.iter().map(AsRef::as_ref))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; install util-linux and iproute2"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} failed: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Reads a file of an image or of the test.
///
/// # Panics
///
/// When it cannot be read.
pub(crate) fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
