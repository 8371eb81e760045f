//! Makes a data directory from a copy that [`super::export`] made.
//!
//! Guarantees: only an empty directory is filled, all or nothing; a copy that is damaged, incomplete or of a newer relay
//! is refused. What waits in a copy that was made beside a running relay becomes dead letters `copied`: that relay goes
//! on to deliver it, and nothing is texted twice by itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::export::Stamp;
use super::ledger::millis;
use super::volume::DirectoryLock;
use super::{FILE, schema};
use crate::outbox::OutboxError;

/// The file's name until it is known to be whole.
const PART: &str = "import.sqlite3";

/// Why a copy is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something is in the directory already.
    #[error("{} is not empty: it holds {found:?}; give --data-dir an empty directory", directory.display())]
    NotEmpty {
        /// Where.
        directory: PathBuf,
        /// What is there.
        found: String,
    },
    /// Not a file that `export` wrote.
    #[error("this is no export of an outbox")]
    NotACopy,
    /// Bytes are missing or wrong.
    #[error("the copy is damaged or incomplete: {0}; export it again")]
    Damaged(String),
    /// The copy is of a newer relay.
    #[error(
        "the copy was written by a newer relay (its schema is version {found}, this relay knows up to {known}); import \
         it with that relay's version"
    )]
    Newer {
        /// The version found.
        found: i32,
        /// The newest that is known here.
        known: i32,
    },
    /// The directory is in use, or cannot be used.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The disk, or where the copy comes from.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// What was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Messages that wait.
    pub waiting: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Of these, messages that waited in a copy of a running relay's outbox.
    pub copied: u64,
}

/// Fills an empty `directory` (made when missing) with the copy that `source` gives.
pub fn import(
    directory: &Path,
    source: &mut dyn Read,
    now: Timestamp,
) -> Result<Imported, ImportError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| io_error(directory, error))?;
    refuse_what_is_not_empty(directory)?;
    let _lock = DirectoryLock::take(directory)?;
    let part = directory.join(PART);
    let imported = write(&part, source).and_then(|()| adopt(&part, now));
    let imported = match imported {
        Ok(imported) => imported,
        Err(error) => {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let _ = std::fs::remove_file(directory.join(format!("{PART}{suffix}")));
            }
            return Err(error);
        }
    };
    let path = directory.join(FILE);
    std::fs::rename(&part, &path).map_err(|error| io_error(&path, error))?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error(directory, error))?;
    Ok(imported)
}

/// A lock without its relay, and what a file system puts there by itself, are nothing.
fn refuse_what_is_not_empty(directory: &Path) -> Result<(), ImportError> {
    let entries = std::fs::read_dir(directory).map_err(|error| io_error(directory, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| io_error(directory, error))?;
        let found = entry.file_name().to_string_lossy().into_owned();
        if !matches!(found.as_str(), "lock" | "lost+found") {
            return Err(ImportError::NotEmpty {
                directory: directory.into(),
                found,
            });
        }
    }
    Ok(())
}

fn write(part: &Path, source: &mut dyn Read) -> Result<(), ImportError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(part)
        .map_err(|error| io_error(part, error))?;
    io::copy(source, &mut file)
        .and_then(|_| file.sync_all())
        .map_err(|error| io_error(part, error))
}

/// Looks the copy through, brings it up to date and takes its stamp off.
fn adopt(part: &Path, now: Timestamp) -> Result<Imported, ImportError> {
    let damaged = |error: rusqlite::Error| ImportError::Damaged(error.to_string());
    let looked_at = Connection::open(part).map_err(damaged)?;
    let stamp = match Stamp::of(&looked_at) {
        Ok(Some(stamp)) => stamp,
        Ok(None) => return Err(ImportError::NotACopy),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Err(ImportError::NotACopy);
        }
        Err(error) => return Err(damaged(error)),
    };
    schema::refuse_newer(&looked_at, part).map_err(|error| match error {
        OutboxError::Newer { found, known, .. } => ImportError::Newer { found, known },
        error => ImportError::Outbox(error),
    })?;
    let verdict: String = looked_at
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(damaged)?;
    if verdict != "ok" {
        return Err(ImportError::Damaged(verdict));
    }
    drop(looked_at);
    let (mut connection, _) = schema::open_as_before(part)?;
    let imported = settle(&mut connection, stamp, now).map_err(damaged)?;
    connection.close().map_err(|(_, error)| damaged(error))?;
    Ok(imported)
}

fn settle(
    connection: &mut Connection,
    stamp: Stamp,
    now: Timestamp,
) -> Result<Imported, rusqlite::Error> {
    let transaction = connection.transaction()?;
    let copied = match stamp {
        Stamp::Stopped => 0,
        Stamp::Running => bury_copied(&transaction, now)?,
    };
    transaction.pragma_update(None, "application_id", 0)?;
    let count = |sql| transaction.query_row(sql, [], |row| row.get::<_, u64>(0));
    let imported = Imported {
        waiting: count("SELECT count(*) FROM message")?,
        dead_letters: count("SELECT count(*) FROM dead_letter")?,
        copied,
    };
    transaction.commit()?;
    Ok(imported)
}

/// The relay that was at work delivers what waits, and tells its agents.
fn bury_copied(db: &Connection, now: Timestamp) -> Result<u64, rusqlite::Error> {
    db.execute(
        "UPDATE dedup SET outcome = 'copied' WHERE key IN (SELECT key FROM message)",
        [],
    )?;
    let buried = db.execute(
        "INSERT INTO dead_letter (lane, direction, accepted_ms, died_ms, reason, sentence, key, genesys_id,
           next_part, mark, mark_ms, doubt, identity, payload)
         SELECT lane, direction, accepted_ms, ?1, 'copied',
           'It waited when the outbox of a running relay was copied, which may have delivered it.',
           key, genesys_id, next_part, mark, mark_ms, doubt, identity, payload FROM message ORDER BY seq",
        params![millis(now)],
    )?;
    db.execute("DELETE FROM message", [])?;
    db.execute("UPDATE receipt SET told = wanted WHERE wanted > told", [])?;
    Ok(buried as u64)
}

fn io_error(path: &Path, source: io::Error) -> ImportError {
    ImportError::Io {
        path: path.into(),
        source,
    }
}
