//! Asking the node's first process: one request a connection to its socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::ClusterError;

/// The socket's name in the run's folder.
pub(crate) const SOCKET: &str = "control.sock";

/// What the node's first process can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    /// Start a component that does not run.
    Start(&'a str),
    /// Kill a component, and leave it.
    Stop(&'a str),
    /// Kill what is neither a component nor the first process: every pod.
    KillPods,
}

impl Ask<'_> {
    fn line(self) -> String {
        match self {
            Self::Start(name) => format!("start {name}"),
            Self::Stop(name) => format!("stop {name}"),
            Self::KillPods => "kill-pods".to_owned(),
        }
    }
}

/// The way to the node's first process.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    socket: PathBuf,
}

impl Control {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            socket: folder.join(SOCKET),
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks, and waits until it is done; blocks for milliseconds.
    pub(crate) fn ask(&self, ask: Ask<'_>) -> Result<(), ClusterError> {
        let request = ask.line();
        let failed = || ClusterError::io(format!("asking the node to {request}"));
        let mut stream = UnixStream::connect(&self.socket).map_err(failed())?;
        let mut answer = String::new();
        writeln!(stream, "{request}")
            .and_then(|()| stream.read_to_string(&mut answer))
            .map_err(failed())?;
        if answer == "ok\n" {
            Ok(())
        } else {
            Err(ClusterError::Node { request, answer })
        }
    }
}
