//! One thread owns the connection that writes; whoever wants something hands it a job and waits for the commit.
//!
//! While one transaction is written and synced, the jobs that arrive meanwhile gather, and all of them share the next
//! one: the more load, the larger the groups. Nobody waits for a timer.
//!
//! Guarantees: a job is answered `Ok` only after its group was committed with `synchronous=FULL`. When a group fails,
//! it is rolled back whole; a job that failed for its own reasons is then told apart by running each alone. After an
//! error of the disk the connection is opened again and nothing is retried: the callers decide.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::ledger::{Book, Ledger, LedgerError};
use super::schema;
use crate::outbox::OutboxError;

/// Jobs that share a transaction at most. Bounds how long the first of them waits for the last.
const LARGEST_GROUP: usize = 512;

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
    pub(super) fn start(path: PathBuf, connection: Connection, book: Book) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let thread = WriterThread { path, connection: Some(connection), book, inbox };
        thread::Builder::new().name("outbox-writer".into()).spawn(move || thread.run())?;
        Ok(Self { jobs })
    }

    /// Runs `work` in a transaction and waits for its commit.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnMut(&mut Ledger<'_>) -> Result<T, LedgerError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Call { work, result: None, reply };
        self.jobs.send(Message::Job(Box::new(call))).map_err(|_| OutboxError::Closed)?;
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
}

impl WriterThread {
    fn run(mut self) {
        while let Ok(message) = self.inbox.recv() {
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

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        match self.transact(&mut group) {
            Ok(()) => answer_all(group, None),
            Err(error) if group.len() > 1 && !is_of_the_disk(&error) => {
                for job in group {
                    let mut alone = vec![job];
                    let failure = self.transact(&mut alone).err();
                    answer_all(alone, failure.map(|error| self.failed(&error)));
                }
            }
            Err(error) => {
                let failure = self.failed(&error);
                answer_all(group, Some(failure));
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
        let transaction = connection.transaction()?;
        for job in group.iter_mut() {
            let mut ledger = Ledger { db: &transaction, book: &mut book };
            match job.run(&mut ledger) {
                Ok(()) | Err(LedgerError::Refused(_)) => {}
                Err(LedgerError::Sqlite(error)) => return Err(error),
            }
        }
        planted_answer_before_commit(group);
        transaction.commit()?;
        self.book = book;
        Ok(())
    }

    fn failed(&mut self, error: &rusqlite::Error) -> OutboxError {
        if is_of_the_disk(error) {
            self.connection = None;
        }
        tracing::error!(%error, "the outbox could not commit");
        OutboxError::Store(error.to_string())
    }

    fn checkpoint(&mut self) -> Result<(), OutboxError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let checkpointed = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let closed = connection.close().map_err(|(_, error)| error);
        checkpointed.and(closed).map_err(|error| OutboxError::Store(error.to_string()))
    }
}

fn answer_all(group: Vec<Box<dyn Job>>, failure: Option<OutboxError>) {
    for job in group {
        job.answer(failure.clone());
    }
}

/// After these the state of the connection is unknown: SQLite documents that it may have rolled back by itself, and a
/// failed fsync must not be trusted to work the second time.
fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseCorrupt, DiskFull, FileLockingProtocolFailed, NotADatabase, OutOfMemory, ReadOnly,
        SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseCorrupt
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
        thread::sleep(std::time::Duration::from_millis(40));
    });
    let _ = group;
}
