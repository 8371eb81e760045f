//! One thread owns the connection that writes; whoever wants something hands it a job and waits for the commit.
//!
//! While one transaction is written and synced, the jobs that arrive meanwhile gather, and all of them share the next
//! one: the more load, the larger the groups. Nobody waits for a timer.
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
            inbox,
            cut_log_every,
            uncut_since: None,
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

struct WriterThread {
    path: PathBuf,
    connection: Option<Connection>,
    book: Book,
    inbox: mpsc::Receiver<Message>,
    cut_log_every: Duration,
    /// Since when the log holds something.
    uncut_since: Option<Instant>,
}

impl WriterThread {
    fn run(mut self) {
        while let Some(message) = self.next() {
            let mut group = Vec::new();
            let mut closing = None;
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    Message::Job(job) => group.push(job),
                    Message::Close(reply) => closing = Some(reply),
                }
                if closing.is_none() && group.len() < LARGEST_GROUP {
                    next = self.inbox.try_recv().ok();
                }
            }
            self.commit(group);
            if let Some(reply) = closing {
                let _ = reply.send(self.checkpoint());
                return;
            }
        }
    }

    /// The next thing to do; meanwhile the log is cut when its time has come. `None`: nobody can ask any more.
    fn next(&mut self) -> Option<Message> {
        loop {
            let wait = self
                .uncut_since
                .map(|since| self.cut_log_every.saturating_sub(since.elapsed()));
            match wait {
                None => return self.inbox.recv().ok(),
                Some(Duration::ZERO) => self.cut_log(),
                Some(wait) => match self.inbox.recv_timeout(wait) {
                    Ok(message) => return Some(message),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            }
        }
    }

    fn cut_log(&mut self) {
        self.uncut_since = None;
        let Some(connection) = &self.connection else {
            return;
        };
        if let Err(error) = connection.query_row(CUT_LOG, [], |_| Ok(())) {
            tracing::warn!(%error, "the log of the outbox could not be written back");
        }
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        match self.transact(&mut group) {
            Ok(()) => answer_all(group, None),
            Err(error) if group.len() > 1 && !is_of_the_store(&error) => {
                for job in group {
                    let mut alone = vec![job];
                    let failure = self.transact(&mut alone).err();
                    answer_all(alone, failure.map(|error| self.failed(&error)).as_ref());
                }
            }
            Err(error) => {
                let failure = self.failed(&error);
                answer_all(group, Some(&failure));
            }
        }
    }

    /// Runs a group in one transaction. On an error nothing of it remains, in the file or in the book.
    fn transact(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), rusqlite::Error> {
        if group.is_empty() {
            return Ok(());
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            missing => missing.insert(schema::connect(&self.path)?),
        };
        let mut book = self.book.clone();
        let changes = connection.total_changes();
        let transaction = connection.transaction()?;
        for job in group.iter_mut() {
            let mut ledger = Ledger {
                db: &transaction,
                book: &mut book,
            };
            match job.run(&mut ledger) {
                Ok(()) | Err(LedgerError::Refused(_)) => {}
                Err(LedgerError::Sqlite(error)) => return Err(error),
            }
        }
        planted_answer_before_commit(group);
        transaction.commit()?;
        self.book = book;
        if connection.total_changes() != changes {
            self.uncut_since.get_or_insert_with(Instant::now);
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

/// A planted fault: the suite must notice a relay that answers before the commit.
fn planted_answer_before_commit(group: &mut Vec<Box<dyn Job>>) {
    fail::fail_point!("fault-answer-before-commit", |_| {
        answer_all(std::mem::take(group), None);
        thread::sleep(Duration::from_millis(40));
    });
    let _ = group;
}
