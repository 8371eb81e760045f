//! The tables of the embedded outbox, and how a database file is opened.
//!
//! Every change of the tables is a further entry of [`migrations`]; entries that were released are never edited. A
//! file that a newer relay wrote is refused by name.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use rusqlite_migration::{M, Migrations};

use super::ledger::{Book, Done, Ledger};
use crate::outbox::{Identity, OutboxError};

/// SQLite below this can lose the last transactions of a WAL (fixed in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;

/// Pages in the WAL before it is written back: 32 MB. Measured best on two cores.
const AUTOCHECKPOINT_PAGES: u32 = 8000;

/// A lock that another connection holds is waited for this long.
pub(super) const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection; more than the outbox has.
const STATEMENTS: usize = 64;

/// A part may be tried by several sends, of which any may turn out to have been done. `doubt` is the first of them that
/// may; `again_of` is the same in the later ones.
const SENDS_OF_ONE_PART: &str = "
    ALTER TABLE send ADD COLUMN again_of TEXT;
    ALTER TABLE message ADD COLUMN doubt TEXT;
    ALTER TABLE dead_letter ADD COLUMN doubt TEXT;
    UPDATE message SET doubt = mark WHERE mark IS NOT NULL;
    UPDATE dead_letter SET doubt = mark WHERE mark IS NOT NULL;
    DROP INDEX message_mark;
    DROP INDEX dead_letter_mark;
    CREATE INDEX send_again ON send (again_of) WHERE again_of IS NOT NULL;
    CREATE INDEX message_doubt ON message (doubt) WHERE doubt IS NOT NULL;
    CREATE INDEX dead_letter_doubt ON dead_letter (doubt) WHERE doubt IS NOT NULL;
    ";

pub(super) fn migrations() -> Migrations<'static> {
    Migrations::new(vec![M::up(
        "
        CREATE TABLE identity (
            id INTEGER PRIMARY KEY, sender TEXT NOT NULL, genesys_host TEXT NOT NULL,
            integration_name TEXT NOT NULL, integration_id TEXT, last_use INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE message (
            seq INTEGER PRIMARY KEY,
            lane TEXT NOT NULL,
            direction INTEGER NOT NULL,
            attempted INTEGER NOT NULL DEFAULT 0,
            position INTEGER NOT NULL,
            time_ms INTEGER NOT NULL,
            accepted_ms INTEGER NOT NULL,
            not_before_ms INTEGER NOT NULL DEFAULT 0,
            tries INTEGER NOT NULL DEFAULT 0,
            strikes INTEGER NOT NULL DEFAULT 0,
            next_part INTEGER NOT NULL DEFAULT 0,
            mark TEXT, mark_ms INTEGER,
            key TEXT NOT NULL,
            genesys_id TEXT,
            identity INTEGER NOT NULL,
            payload BLOB NOT NULL
        ) STRICT;
        CREATE INDEX message_lane ON message (lane, attempted DESC, position);
        CREATE INDEX message_outbound ON message (accepted_ms) WHERE direction = 1;
        CREATE INDEX message_mark ON message (mark) WHERE mark IS NOT NULL;
        CREATE TABLE dedup (
            key TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL, outcome TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE contact (
            customer TEXT PRIMARY KEY, last_time_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE send (
            id TEXT PRIMARY KEY, genesys_id TEXT, part INTEGER NOT NULL, parts INTEGER NOT NULL, sid TEXT,
            rank INTEGER NOT NULL DEFAULT 0, code TEXT, sentence TEXT, created_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX send_message ON send (genesys_id);
        CREATE INDEX send_sid ON send (sid) WHERE sid IS NOT NULL;
        CREATE INDEX send_created ON send (created_ms);
        CREATE TABLE receipt (
            genesys_id TEXT PRIMARY KEY, customer TEXT NOT NULL, parts INTEGER NOT NULL,
            wanted INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0,
            code TEXT, sentence TEXT, tries INTEGER NOT NULL DEFAULT 0,
            not_before_ms INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL, identity INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX receipt_waiting ON receipt (not_before_ms, created_ms) WHERE wanted > told;
        CREATE INDEX receipt_failed ON receipt (not_before_ms, created_ms) WHERE wanted > told AND wanted IN (1, 4);
        CREATE INDEX receipt_created ON receipt (created_ms);
        CREATE TABLE dead_letter (
            id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, direction INTEGER NOT NULL, accepted_ms INTEGER NOT NULL,
            died_ms INTEGER NOT NULL, reason TEXT NOT NULL, sentence TEXT NOT NULL, key TEXT NOT NULL,
            genesys_id TEXT, next_part INTEGER NOT NULL, mark TEXT, mark_ms INTEGER, identity INTEGER NOT NULL,
            payload BLOB
        ) STRICT;
        CREATE INDEX dead_letter_died ON dead_letter (died_ms);
        CREATE INDEX dead_letter_body ON dead_letter (died_ms) WHERE payload IS NOT NULL;
        CREATE INDEX dead_letter_mark ON dead_letter (mark) WHERE mark IS NOT NULL;
        ",
    ), M::up(DEAD_LETTERS_BY_LANE_AND_REASON), M::up(SENDS_OF_ONE_PART), M::up(MARKS), M::up(INBOUND)])
}

/// Dead letters are chosen by lane and counted by reason.
const DEAD_LETTERS_BY_LANE_AND_REASON: &str = "
    CREATE INDEX dead_letter_lane ON dead_letter (lane);
    CREATE INDEX dead_letter_reason ON dead_letter (direction, reason);
";

/// The oldest waiting text of a customer is found without a walk through the agents' messages before it.
const INBOUND: &str = "
    CREATE INDEX message_inbound ON message (seq) WHERE direction = 0;
";

/// How far gaps were looked for, and how far each round of asking for statuses came.
const MARKS: &str = "
    CREATE TABLE mark (
        name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, send TEXT NOT NULL, identity INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Opens (or makes) the database file and brings its tables up to date.
pub(super) fn open(path: &Path, identity: &Identity) -> Result<(Connection, Book), OutboxError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OutboxError::Store(format!(
            "SQLite {} is too old",
            rusqlite::version()
        )));
    }
    let mut connection = connect(path).map_err(|error| store_error(path, &error))?;
    migrate(&mut connection, path)?;
    let identity =
        adopt_identity(&connection, identity).map_err(|error| store_error(path, &error))?;
    let book = read_book(&connection, identity).map_err(|error| store_error(path, &error))?;
    Ok((connection, book))
}

/// Opens an existing database under the identity that was used last.
pub(super) fn open_as_before(path: &Path) -> Result<(Connection, Book), OutboxError> {
    let mut connection = connect(path).map_err(|error| store_error(path, &error))?;
    migrate(&mut connection, path)?;
    let identity = connection
        .query_row(
            "SELECT id FROM identity ORDER BY last_use DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()
        .map_err(|error| store_error(path, &error))?
        .unwrap_or(0);
    let book = read_book(&connection, identity).map_err(|error| store_error(path, &error))?;
    Ok((connection, book))
}

/// A connection with the pragmas that durability rests on.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_PATIENCE)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous())?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -2000)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// A planted fault: the power-cut suite must notice a relay that does not wait for the disk.
fn synchronous() -> &'static str {
    fail::fail_point!("fault-synchronous-off", |_| "OFF");
    "FULL"
}

/// Refuses a file of a newer relay, naming both versions. Changes nothing.
pub(super) fn refuse_newer(connection: &Connection, path: &Path) -> Result<(), OutboxError> {
    let ahead = migrations()
        .pending_migrations(connection)
        .map_err(|error| OutboxError::Store(format!("{}: {error}", path.display())))?;
    if ahead >= 0 {
        return Ok(());
    }
    let found: i32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| store_error(path, &error))?;
    Err(OutboxError::Newer {
        path: path.into(),
        found,
        known: found + ahead,
    })
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OutboxError> {
    refuse_newer(connection, path)?;
    migrations()
        .to_latest(connection)
        .map_err(|error| OutboxError::Store(format!("{}: {error}", path.display())))
}

/// The row of this relay's identity, made when it is new. A row without an integration id learns it.
fn adopt_identity(db: &Connection, identity: &Identity) -> Result<i64, rusqlite::Error> {
    let Identity {
        sender,
        genesys_host,
        integration_name,
        integration_id,
    } = identity;
    let known = db
        .query_row(
            "SELECT id FROM identity WHERE sender = ?1 AND genesys_host = ?2 AND integration_name = ?3
             AND (integration_id IS ?4 OR integration_id IS NULL OR ?4 IS NULL) ORDER BY id DESC",
            params![sender, genesys_host, integration_name, integration_id],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(id) = known {
        db.execute(
            "UPDATE identity SET integration_id = COALESCE(?2, integration_id),
               last_use = (SELECT max(last_use) + 1 FROM identity) WHERE id = ?1",
            params![id, integration_id],
        )?;
        return Ok(id);
    }
    db.execute(
        "INSERT INTO identity (sender, genesys_host, integration_name, integration_id, last_use)
         VALUES (?1, ?2, ?3, ?4, (SELECT COALESCE(max(last_use), 0) + 1 FROM identity))",
        params![sender, genesys_host, integration_name, integration_id],
    )?;
    Ok(db.last_insert_rowid())
}

pub(super) fn read_book(db: &Connection, identity: i64) -> Result<Book, rusqlite::Error> {
    let count = |direction: i64| {
        db.query_row(
            "SELECT count(*) FROM message WHERE direction = ?1",
            [direction],
            |row| row.get::<_, u64>(0),
        )
    };
    Ok(Book {
        next_seq: db.query_row("SELECT COALESCE(max(seq), 0) + 1 FROM message", [], |row| {
            row.get(0)
        })?,
        rows: [count(0)?, count(1)?],
        bytes: db.query_row(
            "SELECT COALESCE(sum(length(payload)), 0) FROM message",
            [],
            |row| row.get(0),
        )?,
        dead_letters: db.query_row("SELECT count(*) FROM dead_letter", [], |row| row.get(0))?,
        identity,
        purge_cursor: String::new(),
        cut_log_now: false,
        contact_cursor: String::new(),
    })
}

fn store_error(path: &Path, error: &rusqlite::Error) -> OutboxError {
    OutboxError::Store(format!("{}: {error}", path.display()))
}

/// Records the integration's id with this bridge's identity, once it is known.
pub(super) fn learn_integration(ledger: &Ledger<'_>, id: &str) -> Done<()> {
    ledger
        .sql("UPDATE identity SET integration_id = ?2 WHERE id = ?1")?
        .execute(params![ledger.book.identity, id])?;
    Ok(())
}
