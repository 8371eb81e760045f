//! What a job sees inside its transaction: the database and the book of what is kept in memory.
//!
//! The book is copied before a group and put back when the group fails, so that counts and numbers never tell of what
//! was rolled back.

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection};

use crate::outbox::{Direction, OutboxError};

/// Why a job did not do its work.
#[derive(Debug)]
pub(super) enum LedgerError {
    /// It was refused before it changed anything; its group goes on.
    Refused(OutboxError),
    /// The database failed; its group is rolled back.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The result of a job.
pub(super) type Done<T> = Result<T, LedgerError>;

/// What the writing thread keeps in memory.
#[derive(Debug, Clone)]
pub(super) struct Book {
    /// The number of the next row. Numbers are not used again while the process lives.
    pub(super) next_seq: i64,
    /// Waiting messages, by direction.
    pub(super) rows: [u64; 2],
    /// Bytes of waiting messages.
    pub(super) bytes: u64,
    /// Dead letters kept.
    pub(super) dead_letters: u64,
    /// The identity that new rows get.
    pub(super) identity: i64,
    /// Where the purge goes on.
    pub(super) purge_cursor: String,
    /// Somebody asked for something to be erased: the log, which still holds it, is cut as soon as it is committed.
    pub(super) cut_log_now: bool,
    /// The same for the customers' last times.
    pub(super) contact_cursor: String,
}

impl Book {
    /// Counts a row in.
    pub(super) fn add(&mut self, direction: Direction, bytes: u64) {
        self.rows[direction as usize] += 1;
        self.bytes += bytes;
    }

    /// Counts a row out.
    pub(super) fn remove(&mut self, direction: Direction, bytes: u64) {
        let rows = &mut self.rows[direction as usize];
        *rows = rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// The inside of a transaction.
pub(super) struct Ledger<'a> {
    pub(super) db: &'a Connection,
    pub(super) book: &'a mut Book,
}

impl Ledger<'_> {
    /// A statement, prepared once per connection.
    pub(super) fn sql(&self, text: &str) -> Result<CachedStatement<'_>, rusqlite::Error> {
        self.db.prepare_cached(text)
    }
}

/// A time as it is stored: milliseconds since the epoch.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}
