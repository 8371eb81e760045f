//! The embedded backend: one SQLite file (WAL, `synchronous=FULL`) in the data directory, one writing thread that
//! groups commits.
//!
//! Local file systems only: the lock and the WAL rest on them. Bodies are overwritten when a message completes
//! (`secure_delete`); encryption at rest is the volume's.

mod dead_letters;
mod export;
mod forget;
mod group_commit;
mod import;
mod ledger;
mod messages;
mod receipts;
mod retention;
mod schema;
mod sends;
#[cfg(test)]
mod tests;
mod volume;

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use messaging_bridge_clients::twilio::MessageSid;
use tokio::sync::Semaphore;

use self::export::Stamp;
use self::group_commit::{CUT_LOG_EVERY, Writer};
use self::volume::{DirectoryLock, Volume};
use super::{
    Answer, Appended, DeadLetter, DeadLetterCount, DeadLetterDetail, DeadLetterId, DeadReason,
    Deferral, Direction, Forgotten, Head, Identity, LaneKey, LetterSelection, Mark, NewRow, Outbox,
    OutboxError, PartSent, Receipt, Refusal, SendId, SendState, Seq, Standing, Stats, StatusReport,
    WaitingLane, WaitingReceipt,
};
use crate::clock::Clock;
use crate::message::CustomerId;

pub use self::import::{ImportError, Imported, import};

/// The file's name in the data directory.
const FILE: &str = "outbox.sqlite3";

/// Appends that wait for the disk at most. Beyond it the intake answers 503 at once.
const APPEND_QUEUE: usize = 4096;

/// The embedded outbox.
pub struct SqliteOutbox {
    writer: Writer,
    appends: Arc<Semaphore>,
    volume: Volume,
    budget: u64,
    clock: Arc<dyn Clock>,
    exports: Arc<Exports>,
    _lock: DirectoryLock,
}

/// What copies are made from. One at a time: each takes room on the volume.
struct Exports {
    directory: PathBuf,
    stamp: Stamp,
    under_way: Mutex<()>,
}

impl Exports {
    fn of(directory: &Path, stamp: Stamp) -> Arc<Self> {
        Arc::new(Self {
            directory: directory.into(),
            stamp,
            under_way: Mutex::new(()),
        })
    }

    fn copy(&self) -> Result<File, OutboxError> {
        let Ok(_alone) = self.under_way.try_lock() else {
            return Err(OutboxError::Busy);
        };
        export::copy(
            &self.directory,
            &Volume::new(self.directory.clone()),
            self.stamp,
        )
    }
}

impl SqliteOutbox {
    /// Opens the outbox in `directory` (made when missing), within a budget of `max_bytes` for waiting messages.
    ///
    /// Rows of another sender or Genesys host are buried as `foreign`.
    pub fn open(
        directory: &Path,
        identity: &Identity,
        max_bytes: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OutboxError> {
        let store =
            |error: std::io::Error| OutboxError::Store(format!("{}: {error}", directory.display()));
        // Messages wait in it: it is for nobody else to read.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(store)?;
        let lock = DirectoryLock::take(directory)?;
        let path = directory.join(FILE);
        let (mut connection, mut book) = schema::open(&path, identity)?;
        let foreign = dead_letters::bury_foreign(&mut connection, &mut book, identity, clock.now())
            .map_err(|error| OutboxError::Store(format!("{}: {error}", path.display())))?;
        if foreign > 0 {
            tracing::warn!(
                messages = foreign,
                "messages of another sender or organisation became dead letters"
            );
        }
        let writer = Writer::start(path, connection, book, CUT_LOG_EVERY).map_err(store)?;
        let appends = Arc::new(Semaphore::new(APPEND_QUEUE));
        Ok(Self {
            writer,
            appends,
            volume: Volume::new(directory.into()),
            budget: max_bytes,
            clock,
            exports: Exports::of(directory, Stamp::Running),
            _lock: lock,
        })
    }

    /// Opens the outbox of a relay that does not run, as whom it was opened last. For inspection: no budget, nothing
    /// is buried.
    pub fn open_existing(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, OutboxError> {
        let path = directory.join(FILE);
        if !path.is_file() {
            return Err(OutboxError::Store(format!(
                "there is no {}",
                path.display()
            )));
        }
        let lock = DirectoryLock::take(directory)?;
        let (connection, book) = schema::open_as_before(&path)?;
        let writer = Writer::start(path, connection, book, CUT_LOG_EVERY)
            .map_err(|error| OutboxError::Store(format!("{}: {error}", directory.display())))?;
        let appends = Arc::new(Semaphore::new(APPEND_QUEUE));
        Ok(Self {
            writer,
            appends,
            volume: Volume::new(directory.into()),
            budget: u64::MAX,
            clock,
            exports: Exports::of(directory, Stamp::Stopped),
            _lock: lock,
        })
    }

    /// The last tenth of the budget is kept for Twilio's webhooks: Genesys retries a 503, Twilio by default does not.
    fn budget_of(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Inbound => self.budget,
            Direction::Outbound => self.budget - self.budget / 10,
        }
    }

    /// A place in the append queue, or a refusal at once.
    fn admit(&self) -> Result<tokio::sync::OwnedSemaphorePermit, OutboxError> {
        self.volume.has_room()?;
        self.place()
    }

    fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, OutboxError> {
        Arc::clone(&self.appends)
            .try_acquire_owned()
            .map_err(|_| OutboxError::Busy)
    }
}

impl Outbox for SqliteOutbox {
    fn append(&self, row: NewRow) -> Answer<'_, Appended> {
        async move {
            let _place = self.admit()?;
            let budget = self.budget_of(row.lane.direction());
            if let Some(appended) = self.planted_split_append(&row).await {
                return appended;
            }
            self.writer
                .call(move |ledger| messages::append(ledger, &row, budget))
                .await
        }
        .boxed()
    }

    fn refuse(&self, refusal: Refusal) -> Answer<'_, Appended> {
        async move {
            let _place = self.admit()?;
            self.writer
                .call(move |ledger| messages::refuse(ledger, &refusal))
                .await
        }
        .boxed()
    }

    fn lanes(&self) -> Answer<'_, Vec<WaitingLane>> {
        self.writer.call(|ledger| messages::lanes(ledger)).boxed()
    }

    fn head(&self, lane: &LaneKey) -> Answer<'_, Option<Head>> {
        let lane = lane.clone();
        self.writer
            .call(move |ledger| messages::head(ledger, &lane))
            .boxed()
    }

    fn defer(&self, seq: Seq, deferral: Deferral) -> Answer<'_, ()> {
        self.writer
            .call(move |ledger| messages::defer(ledger, seq, deferral))
            .boxed()
    }

    fn complete(&self, seq: Seq) -> Answer<'_, bool> {
        self.writer
            .call(move |ledger| messages::complete(ledger, seq))
            .boxed()
    }

    fn dead_letter(&self, seq: Seq, reason: DeadReason) -> Answer<'_, bool> {
        self.writer
            .call(move |ledger| messages::dead_letter(ledger, seq, &reason))
            .boxed()
    }

    fn expire_outbound(
        &self,
        before: Timestamp,
        expired: DeadReason,
        unresolved: DeadReason,
    ) -> Answer<'_, u64> {
        self.writer
            .call(move |ledger| messages::expire_outbound(ledger, before, &expired, &unresolved))
            .boxed()
    }

    fn mark(&self, mark: Mark) -> Answer<'_, bool> {
        self.writer
            .call(move |ledger| sends::mark(ledger, &mark))
            .boxed()
    }

    fn unmark(&self, seq: Seq, send: SendId) -> Answer<'_, ()> {
        self.writer
            .call(move |ledger| sends::unmark(ledger, seq, &send))
            .boxed()
    }

    fn part_sent(&self, sent: PartSent) -> Answer<'_, bool> {
        self.writer
            .call(move |ledger| sends::part_sent(ledger, &sent))
            .boxed()
    }

    fn send_state(&self, send: &SendId) -> Answer<'_, Option<SendState>> {
        let send = send.clone();
        self.writer
            .call(move |ledger| sends::state(ledger, &send))
            .boxed()
    }

    fn adopted(&self, sids: Vec<MessageSid>) -> Answer<'_, Vec<MessageSid>> {
        self.writer
            .call(move |ledger| sends::adopted(ledger, &sids))
            .boxed()
    }

    fn raise(&self, report: StatusReport) -> Answer<'_, Option<Standing>> {
        async move {
            // No room on the volume is asked for: callbacks end what was accepted.
            let _place = self.place()?;
            self.writer
                .call(move |ledger| sends::raise(ledger, &report))
                .await
        }
        .boxed()
    }

    fn next_receipt(&self, now: Timestamp) -> Answer<'_, Option<WaitingReceipt>> {
        self.writer
            .call(move |ledger| receipts::next(ledger, now))
            .boxed()
    }

    fn receipt_due(&self) -> Answer<'_, Option<Timestamp>> {
        self.writer.call(|ledger| receipts::due(ledger)).boxed()
    }

    fn receipt_done(&self, receipt: &Receipt) -> Answer<'_, ()> {
        let receipt = receipt.clone();
        self.writer
            .call(move |ledger| receipts::done(ledger, &receipt))
            .boxed()
    }

    fn receipt_defer(&self, receipt: &Receipt, until: Timestamp) -> Answer<'_, ()> {
        let receipt = receipt.clone();
        self.writer
            .call(move |ledger| receipts::defer(ledger, &receipt, until))
            .boxed()
    }

    fn stats(&self) -> Answer<'_, Stats> {
        self.writer
            .call(|ledger| {
                Ok(Stats {
                    inbound: ledger.book.rows[Direction::Inbound as usize],
                    outbound: ledger.book.rows[Direction::Outbound as usize],
                    receipts: receipts::waiting(ledger)?,
                    dead_letters: ledger.book.dead_letters,
                    bytes: ledger.book.bytes,
                    oldest_inbound: messages::oldest(ledger, Direction::Inbound)?,
                    oldest_outbound: messages::oldest(ledger, Direction::Outbound)?,
                })
            })
            .boxed()
    }

    fn dead_letters(&self, limit: u32) -> Answer<'_, Vec<DeadLetter>> {
        self.writer
            .call(move |ledger| dead_letters::list(ledger, limit))
            .boxed()
    }

    fn dead_letter_detail(&self, id: DeadLetterId) -> Answer<'_, Option<DeadLetterDetail>> {
        self.writer
            .call(move |ledger| dead_letters::detail(ledger, id))
            .boxed()
    }

    fn dead_letter_counts(&self) -> Answer<'_, Vec<DeadLetterCount>> {
        self.writer
            .call(|ledger| dead_letters::counts(ledger))
            .boxed()
    }

    fn replay(&self, selection: LetterSelection) -> Answer<'_, Vec<LaneKey>> {
        let now = self.clock.now();
        self.writer
            .call(move |ledger| dead_letters::replay(ledger, selection, now))
            .boxed()
    }

    fn purge_dead_letters(&self, selection: LetterSelection) -> Answer<'_, u64> {
        self.writer
            .call(move |ledger| dead_letters::purge(ledger, selection))
            .boxed()
    }

    fn forget(&self, customer: &CustomerId) -> Answer<'_, Forgotten> {
        let customer = customer.clone();
        self.writer
            .call(move |ledger| forget::forget(ledger, &customer))
            .boxed()
    }

    fn export(&self) -> Answer<'_, File> {
        let exports = Arc::clone(&self.exports);
        async move {
            tokio::task::spawn_blocking(move || exports.copy())
                .await
                .map_err(|error| OutboxError::Store(error.to_string()))?
        }
        .boxed()
    }

    fn purge(&self, now: Timestamp) -> Answer<'_, bool> {
        self.writer
            .call(move |ledger| retention::purge(ledger, now))
            .boxed()
    }

    fn learn_integration(&self, id: &str) -> Answer<'_, ()> {
        let id = id.to_owned();
        self.writer
            .call(move |ledger| schema::learn_integration(ledger, &id))
            .boxed()
    }

    fn close(&self) -> Answer<'_, ()> {
        self.writer.close().boxed()
    }
}

impl SqliteOutbox {
    /// A planted fault: the suite must notice a relay that stores the message first and its key in a transaction of
    /// its own.
    async fn planted_split_append(&self, row: &NewRow) -> Option<Result<Appended, OutboxError>> {
        fn planted() -> bool {
            fail::fail_point!("fault-key-in-another-transaction", |_| true);
            false
        }
        if !planted() {
            return None;
        }
        let (key, accepted, row) = (row.key.clone(), row.accepted, row.clone());
        let stored = self
            .writer
            .call(move |ledger| messages::store(ledger, &row))
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        let claimed = self
            .writer
            .call(move |ledger| messages::claim(ledger, &key, accepted))
            .await;
        Some(stored.and_then(|seq| claimed.map(|_| Appended::Stored(seq))))
    }
}
