//! The volume under the outbox: one process at a time, and room kept for finishing what was accepted.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, statvfs};

use crate::outbox::OutboxError;

/// The volume is asked at most this often: a `statvfs` for every webhook would buy nothing.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Kept free at least, in bytes.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// Kept free at least, as a share of the volume: one twentieth.
const KEPT_SHARE: u64 = 20;

/// The lock of a data directory, held as long as this lives.
pub(super) struct DirectoryLock(
    #[expect(dead_code, reason = "the lock lives as long as the open file")] File,
);

impl DirectoryLock {
    /// Takes the lock, or says who is in the way.
    pub(super) fn take(directory: &Path) -> Result<Self, OutboxError> {
        let path = directory.join("lock");
        let file = File::create(&path)
            .map_err(|error| OutboxError::Store(format!("{}: {error}", path.display())))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            OutboxError::Store(format!(
                "{} is in use by another relay; stop that one, or give this one a --data-dir of its own",
                directory.display()
            ))
        })?;
        Ok(Self(file))
    }
}

/// Free room on the volume, asked now and then.
pub(super) struct Volume {
    directory: PathBuf,
    last: Mutex<Option<(Instant, Result<(), OutboxError>)>>,
}

impl Volume {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            last: Mutex::new(None),
        }
    }

    /// Refuses when too little is free for the intake.
    pub(super) fn has_room(&self) -> Result<(), OutboxError> {
        let mut last = self
            .last
            .lock()
            .expect("no code panics while it holds this lock");
        match &*last {
            Some((asked, verdict)) if asked.elapsed() < ASK_EVERY => verdict.clone(),
            _ => {
                let verdict = self.ask(0);
                *last = Some((Instant::now(), verdict.clone()));
                verdict
            }
        }
    }

    /// Refuses when so many bytes more would take the room that is kept free.
    pub(super) fn has_room_for(&self, bytes: u64) -> Result<(), OutboxError> {
        self.ask(bytes)
    }

    fn ask(&self, bytes: u64) -> Result<(), OutboxError> {
        let volume =
            statvfs(&self.directory).map_err(|error| OutboxError::Store(error.to_string()))?;
        let free = volume.f_bavail * volume.f_frsize;
        let needed = needed(volume.f_blocks * volume.f_frsize).saturating_add(bytes);
        if free < needed {
            Err(OutboxError::DiskFull { free, needed })
        } else {
            Ok(())
        }
    }
}

/// Bytes that the intake leaves free on a volume of this size.
fn needed(size: u64) -> u64 {
    KEPT_BYTES.max(size / KEPT_SHARE)
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot set itself up should stop there"
    )]

    use super::*;

    #[test]
    fn a_small_volume_keeps_64_mib_and_a_large_one_a_twentieth() {
        assert_eq!(needed(100 * 1024 * 1024), KEPT_BYTES);
        assert_eq!(needed(100 * 1024 * 1024 * 1024), 5 * 1024 * 1024 * 1024);
    }

    #[test]
    fn a_second_process_is_refused_with_the_fix() {
        let directory = tempfile::tempdir().unwrap();
        let _first = DirectoryLock::take(directory.path()).unwrap();
        let error = DirectoryLock::take(directory.path()).err().unwrap();
        assert!(
            error.to_string().contains("--data-dir of its own"),
            "{error}"
        );
    }
}
