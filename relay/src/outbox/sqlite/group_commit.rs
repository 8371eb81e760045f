//! One thread owns the connection that writes; whoever wants something hands it a job and waits for the commit.
//!
//! While one transaction is written and synced, the jobs that arrive meanwhile gather, and all of them share the next
//! one, with what arrives while it is written: the more load, the larger the groups. Nobody waits for a timer.
//!
//! Guarantees: a job is answered `Ok` only after its group was committed with `synchronous=FULL`. When a group fails,
//! it is rolled back whole; a job that failed for its own reasons is then told apart by running each alone. After an
//! error of the disk the connection is opened again and nothing is retried: the callers decide.
//!
//! The log is written back and cut once in a while: until then it still holds the bodies that `secure_delete` has
//! erased in the main file.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::ledger::{Book, Ledger, LedgerError};
use super::schema;
use crate::outbox::OutboxError;

/// Jobs that share a transaction at most. Bounds how long the first of them waits for the last.
const LARGEST_GROUP: usize = 512;

/// The log is cut this long after its first change, at the latest.
pub(super) const CUT_LOG_EVERY: Duration = Duration::from_mins(1);

/// Something to do inside a transaction.
trait Job: Send {
    /// Does it. May be called again after a rollback.
    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError>;
    /// Tells the caller how it ended: with `failure`, or with what `run` left.
    fn answer(self: Box<Self>, failure: Option<OutboxError>);
}

struct Call<T, F> {
    work: F,
    result: Option<Result<T, OutboxError>>,
    reply: oneshot::Sender<Result<T, OutboxError>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Ledger<'_>) -> Result<T, LedgerError> + Send,
{
    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        self.result = Some(match (self.work)(ledger) {
            Ok(value) => Ok(value),
            Err(LedgerError::Refused(refusal)) => Err(refusal),
            Err(error @ LedgerError::Sqlite(_)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<OutboxError>) {
        let outcome = match failure {
            Some(failure) => Err(failure),
            None => self.result.unwrap_or(Err(OutboxError::Closed)),
        };
        // A caller that stopped waiting learns by de-duplication that its message is in.
        let _ = self.reply.send(outcome);
    }
}

/// The way to the writing thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Message>,
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<Result<(), OutboxError>>),
}

impl Writer {
    /// Starts the thread on an opened database.
    pub(super) fn start(
        path: PathBuf,
        connection: Connection,
        book: Book,
        cut_log_every: Duration,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let thread = WriterThread {
            path,
            connection: Some(connection),
            book,
            queue: Queue {
                inbox,
                closing: None,
            },
            cut_log_every,
            cut_log_at: None,
        };
        thread::Builder::new()
            .name("outbox-writer".into())
            .spawn(move || thread.run())?;
        Ok(Self { jobs })
    }

    /// Runs `work` in a transaction and waits for its commit.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnMut(&mut Ledger<'_>) -> Result<T, LedgerError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Call {
            work,
            result: None,
            reply,
        };
        self.jobs
            .send(Message::Job(Box::new(call)))
            .map_err(|_| OutboxError::Closed)?;
        answer.await.map_err(|_| OutboxError::Closed)?
    }

    /// Checkpoints and ends the thread after the jobs that were handed in before.
    pub(super) async fn close(&self) -> Result<(), OutboxError> {
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Message::Close(reply)).is_err() {
            return Ok(());
        }
        answer.await.map_err(|_| OutboxError::Closed)?
    }
}

/// What waits to be done.
struct Queue {
    inbox: mpsc::Receiver<Message>,
    /// Who waits for the end, once somebody asked for it. Nothing is taken behind that.
    closing: Option<oneshot::Sender<Result<(), OutboxError>>>,
}

impl Queue {
    /// Adds what waits, up to `largest` jobs in all, without waiting for more.
    fn gather(&mut self, group: &mut Vec<Box<dyn Job>>, largest: usize) {
        while group.len() < largest && self.closing.is_none() {
            match self.inbox.try_recv() {
                Ok(Message::Job(job)) => group.push(job),
                Ok(Message::Close(reply)) => self.closing = Some(reply),
                Err(_) => return,
            }
        }
    }
}

struct WriterThread {
    path: PathBuf,
    connection: Option<Connection>,
    book: Book,
    queue: Queue,
    cut_log_every: Duration,
    /// When the log is cut, while it holds something.
    cut_log_at: Option<Instant>,
}

impl WriterThread {
    fn run(mut self) {
        while let Some(message) = self.next() {
            match message {
                Message::Job(job) => self.commit(vec![job]),
                Message::Close(reply) => self.queue.closing = Some(reply),
            }
            if let Some(reply) = self.queue.closing.take() {
                let _ = reply.send(self.checkpoint());
                return;
            }
        }
    }

    /// The next thing to do; meanwhile the log is cut when its time has come. `None`: nobody can ask any more.
    fn next(&mut self) -> Option<Message> {
        loop {
            let wait = self
                .cut_log_at
                .map(|at| at.saturating_duration_since(Instant::now()));
            match wait {
                None => return self.queue.inbox.recv().ok(),
                Some(Duration::ZERO) => self.cut_log(),
                Some(wait) => match self.queue.inbox.recv_timeout(wait) {
                    Ok(message) => return Some(message),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            }
        }
    }

    fn cut_log(&mut self) {
        self.cut_log_at = None;
        let Some(connection) = &self.connection else {
            return;
        };
        fail::fail_point!("write-back");
        match cut_log_without_waiting(connection) {
            Ok(false) => {}
            // Somebody reads an older state: an export.
            Ok(true) => self.cut_log_at = Some(Instant::now() + self.cut_log_every),
            Err(error) => tracing::warn!(%error, "the log of the outbox could not be written back"),
        }
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        match self.transact(&mut group, LARGEST_GROUP) {
            Ok(()) => answer_all(group, None),
            Err(error) if group.len() > 1 && !is_of_the_store(&error) => {
                for job in group {
                    let mut alone = vec![job];
                    let failure = self.transact(&mut alone, 1).err();
                    answer_all(alone, failure.map(|error| self.failed(&error)).as_ref());
                }
            }
            Err(error) => {
                let failure = self.failed(&error);
                answer_all(group, Some(&failure));
            }
        }
    }

    /// Runs a group in one transaction, and with it what arrives meanwhile, up to `largest` jobs. On an error nothing of
    /// it remains, in the file or in the book.
    fn transact(
        &mut self,
        group: &mut Vec<Box<dyn Job>>,
        largest: usize,
    ) -> Result<(), rusqlite::Error> {
        // First of all, so that an error of the store is met once by everybody who waits, not by each in turn.
        self.queue.gather(group, largest);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            missing => {
                let connection = schema::connect(&self.path)?;
                // A commit that was reported as failed may yet have reached the file: the file is believed.
                let found = schema::read_book(&connection, self.book.identity)?;
                self.book = Book {
                    next_seq: found.next_seq.max(self.book.next_seq),
                    ..found
                };
                missing.insert(connection)
            }
        };
        let mut book = self.book.clone();
        let before = connection.total_changes();
        let transaction = connection.transaction()?;
        let mut done = 0;
        while let Some(job) = group.get_mut(done) {
            let mut ledger = Ledger {
                db: &transaction,
                book: &mut book,
            };
            match job.run(&mut ledger) {
                Ok(()) | Err(LedgerError::Refused(_)) => {}
                Err(LedgerError::Sqlite(error)) => return Err(error),
            }
            done += 1;
            if done == group.len() {
                self.queue.gather(group, largest);
            }
        }
        planted_answer_before_commit(group);
        let changed = transaction.total_changes() != before;
        if changed {
            fail::fail_point!("commit");
        }
        planted_disk_error()?;
        transaction.commit()?;
        self.book = book;
        if changed {
            fail::fail_point!("committed");
        }
        if std::mem::take(&mut self.book.cut_log_now) {
            self.cut_log_at = Some(Instant::now());
        } else if changed {
            let at = Instant::now() + hurried(self.cut_log_every);
            self.cut_log_at.get_or_insert(at);
        }
        Ok(())
    }

    fn failed(&mut self, error: &rusqlite::Error) -> OutboxError {
        if is_of_the_store(error) {
            self.connection = None;
        }
        tracing::error!(%error, "the outbox could not commit");
        OutboxError::Store(error.to_string())
    }

    fn checkpoint(&mut self) -> Result<(), OutboxError> {
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        let checkpointed = connection.query_row(CUT_LOG, [], |_| Ok(()));
        let closed = connection.close().map_err(|(_, error)| error);
        checkpointed
            .and(closed)
            .map_err(|error| OutboxError::Store(error.to_string()))
    }
}

const CUT_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Cuts the log, unless somebody reads an older state: then it says true at once, since the appends behind it must not
/// wait for a reader.
fn cut_log_without_waiting(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.busy_timeout(Duration::ZERO)?;
    let is_prevented = connection.query_row(CUT_LOG, [], |row| row.get(0));
    connection.busy_timeout(schema::BUSY_PATIENCE)?;
    is_prevented
}

fn answer_all(group: Vec<Box<dyn Job>>, failure: Option<&OutboxError>) {
    for job in group {
        job.answer(failure.cloned());
    }
}

/// Errors that no single job has caused: running each alone would meet them again. After those of the disk the state of
/// the connection is unknown too: SQLite documents that it may have rolled back by itself, and a failed fsync must not
/// be trusted to work the second time.
fn is_of_the_store(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull,
        FileLockingProtocolFailed, NotADatabase, OutOfMemory, ReadOnly, SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseBusy
                | DatabaseCorrupt
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | NotADatabase
                | OutOfMemory
                | ReadOnly
                | SystemIoFailure
        )
    )
}

/// A test that wants to end the process while the log is cut has it cut all the time.
fn hurried(every: Duration) -> Duration {
    fail::fail_point!("hurry-write-back", |_| Duration::from_millis(100));
    every
}

/// A planted fault: the disk refuses a commit, with a result code of SQLite.
fn planted_disk_error() -> Result<(), rusqlite::Error> {
    fail::fail_point!("fault-disk", |code| {
        let code = code.and_then(|code| code.parse().ok());
        let error = rusqlite::ffi::Error::new(code.unwrap_or(rusqlite::ffi::SQLITE_IOERR));
        Err(rusqlite::Error::SqliteFailure(error, None))
    });
    Ok(())
}

/// A planted fault: the suite must notice a relay that answers before the commit.
fn planted_answer_before_commit(group: &mut Vec<Box<dyn Job>>) {
    fail::fail_point!("fault-answer-before-commit", |_| {
        answer_all(std::mem::take(group), None);
        thread::sleep(Duration::from_millis(40));
    });
    let _ = group;
}
