//! A copy of the outbox in one file, to keep or to move a bridge with.
//!
//! The copy is of one moment (`VACUUM INTO`, over a connection of its own): the writing thread goes on meanwhile. It holds
//! everything, bodies and numbers too. It is stamped, so that [`super::import`] knows it, and knows whether a relay was
//! at work: such a relay goes on to deliver what waits in the copy.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags};

use super::FILE;
use super::volume::Volume;
use crate::outbox::OutboxError;

/// The copy's name while it is written; it is removed before anybody reads it.
const COPY: &str = "export.sqlite3";

/// `PRAGMA application_id` of a copy: who was at work on the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Stamp {
    /// Nobody: what waits in the copy waits nowhere else. (`MBxs`)
    Stopped = 0x4d42_7873,
    /// A relay, which delivers what waits in the copy. (`MBxr`)
    Running = 0x4d42_7872,
}

impl Stamp {
    /// Reads the stamp of a file; `None` for what is no copy.
    pub(super) fn of(connection: &Connection) -> Result<Option<Self>, rusqlite::Error> {
        let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        Ok([Self::Stopped, Self::Running]
            .into_iter()
            .find(|stamp| *stamp as i32 == id))
    }
}

/// What copies are made from. One at a time: each takes room on the volume.
pub(super) struct Exports {
    directory: PathBuf,
    stamp: Stamp,
    under_way: Mutex<()>,
}

impl Exports {
    pub(super) fn of(directory: &Path, stamp: Stamp) -> Arc<Self> {
        Arc::new(Self {
            directory: directory.into(),
            stamp,
            under_way: Mutex::new(()),
        })
    }

    /// A copy of the outbox as it is now.
    pub(super) fn copy(&self) -> Result<File, OutboxError> {
        let Ok(_alone) = self.under_way.try_lock() else {
            return Err(OutboxError::Busy);
        };
        let volume = Volume::new(self.directory.clone());
        copy(&self.directory, &volume, self.stamp)
    }
}

fn copy(directory: &Path, volume: &Volume, stamp: Stamp) -> Result<File, OutboxError> {
    let source = Connection::open_with_flags(
        directory.join(FILE),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| store(&error))?;
    volume.has_room_for(content(&source).map_err(|error| store(&error))?)?;
    let path = directory.join(COPY);
    // What a copy that was interrupted has left.
    let _ = std::fs::remove_file(&path);
    let written = write(&source, &path, stamp);
    // An open file lives on without its name, and what nobody can name nobody forgets on the volume.
    let removed = std::fs::remove_file(&path).map_err(|error| store(&error));
    let file = written?;
    removed.map(|()| file)
}

fn write(source: &Connection, path: &Path, stamp: Stamp) -> Result<File, OutboxError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| store(&error))?;
    source
        .execute("VACUUM INTO ?1", [path.to_string_lossy()])
        .map_err(|error| store(&error))?;
    stamp_copy(path, stamp).map_err(|error| store(&error))?;
    Ok(file)
}

fn stamp_copy(path: &Path, stamp: Stamp) -> Result<(), rusqlite::Error> {
    let copy = Connection::open(path)?;
    copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    copy.pragma_update(None, "application_id", stamp as i32)?;
    copy.close().map_err(|(_, error)| error)
}

/// Bytes that the outbox holds: its pages without the free ones.
fn content(source: &Connection) -> Result<u64, rusqlite::Error> {
    let ask = |pragma| source.pragma_query_value(None, pragma, |row| row.get::<_, u64>(0));
    let used = ask("page_count")?.saturating_sub(ask("freelist_count")?);
    Ok(used * ask("page_size")?)
}

fn store(error: &impl std::fmt::Display) -> OutboxError {
    OutboxError::Store(format!("the outbox could not be copied: {error}"))
}
