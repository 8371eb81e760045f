//! The node's first process, held by the end of a pipe: when this process ends, however it ends, so does the node.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ClusterError;

const PROGRAM: &str = "messaging-bridge-cluster";
const PATIENCE: Duration = Duration::from_secs(5);

/// The `unshare` that the node's first process is the child of.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Never written to; its end is what counts.
    held: Option<ChildStdin>,
}

impl Process {
    /// Starts it; what it says goes to `inside.log` in the folder.
    pub(crate) fn start(folder: &Path) -> Result<Self, ClusterError> {
        let log = folder.join("inside.log");
        let log = File::create(&log).map_err(ClusterError::file(&log))?;
        let mut child = Command::new("unshare")
            .args(["--net", "--pid", "--mount", "--fork", "--kill-child", "--"])
            .arg(program()?)
            .arg("inside")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(ClusterError::io("inside.log"))?)
            .stderr(log)
            // Ctrl-C at a terminal is meant for us; the node ends with us, in order.
            .process_group(0)
            .spawn()
            .map_err(ClusterError::io("unshare"))?;
        let held = child.stdin.take();
        Ok(Self { child, held })
    }

    /// Its id on this machine.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, and with it every process of the node; blocks until they are gone.
    pub(crate) fn end(&mut self) {
        drop(self.held.take());
        let end = Instant::now() + PATIENCE;
        while !self.ended() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This package's binary: the program that runs, or what Cargo built beside the test that runs.
fn program() -> Result<PathBuf, ClusterError> {
    let own = std::env::current_exe().map_err(ClusterError::io("this program's path"))?;
    if own.file_name() == Some(OsStr::new(PROGRAM)) {
        return Ok(own);
    }
    let beside = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(PROGRAM))
        .find(|path| path.is_file());
    beside.ok_or_else(|| ClusterError::Missing {
        what: format!("{PROGRAM} beside {}", own.display()),
        fix: format!("cargo build -p {PROGRAM}"),
    })
}
