//! Why there are no figures. Any of these ends the run: a wrong count is never averaged away.

use std::io;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// A system call failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A file failed.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The data directory keeps its files in memory.
    #[error("{} is on {kind}, where fsync costs nothing; give a directory on a disk with --data-dir", path.display())]
    NotADisk {
        /// The directory.
        path: PathBuf,
        /// Its file system.
        kind: String,
    },
    /// The relay's binary is not there.
    #[error(
        "there is no {}; build it with `cargo build --release -p messaging-bridge-relay`, or name it with --relay",
        .0.display()
    )]
    NoRelay(PathBuf),
    /// A process did not begin to serve.
    #[error("{what} did not answer within {seconds} s; its last words:\n{log}")]
    NotReady {
        /// Which process.
        what: &'static str,
        /// How long it was given.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// An answer that was not asked for.
    #[error("request {index} was answered {answer:?}")]
    Refused {
        /// The number of the request.
        index: usize,
        /// The status line.
        answer: String,
    },
    /// What was read is no HTTP/1.1 that is spoken here.
    #[error("not HTTP/1.1 as it is spoken here: {0}")]
    Protocol(&'static str),
    /// What was counted is not what was sent.
    #[error("wrong count: {0}")]
    Count(String),
    /// It took too long.
    #[error("{what} took longer than {seconds} s ({state})")]
    TooSlow {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// What there was by then.
        state: String,
    },
    /// The document has no place for the figures.
    #[error("{} lacks the markers {begin} and {end}", path.display())]
    NoMarkers {
        /// The document.
        path: PathBuf,
        /// The line before the figures.
        begin: &'static str,
        /// The line after them.
        end: &'static str,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl LoadError {
    /// Says what was being done when a system call failed.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
