//! The embedded backend: one SQLite file (WAL, `synchronous=FULL`) in the data directory, one writing thread that
//! groups commits.
//!
//! Local file systems only: the lock and the WAL rest on them. Bodies are overwritten when a message completes
//! (`secure_delete`); encryption at rest is the volume's.

mod dead_letters;
mod export;
mod forget;
mod gaps;
mod group_commit;
mod import;
mod ledger;
mod messages;
mod pieces;
mod planted;
mod receipts;
mod retention;
mod schema;
mod sends;
#[cfg(test)]
mod tests;
mod volume;

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use messaging_bridge_clients::genesys::GenesysMessageId;
use messaging_bridge_clients::twilio::MessageSid;
use tokio::sync::Semaphore;

use self::export::{Exports, Stamp};
use self::group_commit::{CUT_LOG_EVERY, Writer};
use self::messages::Room;
use self::volume::{DirectoryLock, Volume};
use super::{
    Answer, Appended, AskedUpTo, Burial, DeadLetter, DeadLetterCount, DeadLetterDetail,
    DeadLetterId, DeadReason, Deferral, Direction, Expired, Filled, Forgotten, Gap, Head, Identity,
    InDoubt, LaneKey, LetterSelection, Mark, NewRow, Outbox, OutboxError, PartSent, Proved,
    Receipt, Refusal, Replayed, SendId, SendState, Seq, Standing, Stats, StatusReport, Unfinished,
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
    most_messages: u64,
    clock: Arc<dyn Clock>,
    exports: Arc<Exports>,
    _lock: DirectoryLock,
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
            most_messages: u64::MAX,
            clock,
            exports: Exports::of(directory, Stamp::Running),
            _lock: lock,
        })
    }

    /// Opens the outbox of a relay that does not run, as whom it was opened last. For inspection: no budget, nothing
    /// is buried.
    pub fn open_existing(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, OutboxError> {
        let path = directory.join(FILE);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => {
                let path = path.display();
                return Err(OutboxError::Store(format!("there is no {path}")));
            }
            Err(error) => {
                let path = path.display();
                return Err(OutboxError::Store(format!("{path}: {error}")));
            }
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
            most_messages: u64::MAX,
            clock,
            exports: Exports::of(directory, Stamp::Stopped),
            _lock: lock,
        })
    }

    /// Lets only so many messages wait, however small they are.
    #[must_use]
    pub fn with_most_messages(self, most_messages: u64) -> Self {
        Self {
            most_messages,
            ..self
        }
    }

    /// The last tenth of the budget is kept for Twilio's webhooks: Genesys retries a 503, Twilio by default does not.
    fn room_of(&self, direction: Direction) -> Room {
        let of = |budget: u64| match direction {
            Direction::Inbound => budget,
            Direction::Outbound => budget - budget / 10,
        };
        Room {
            bytes: of(self.budget),
            rows: of(self.most_messages),
            keys_end: self.clock.sure().is_some(),
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
            let room = self.room_of(row.lane.direction());
            if let Some(appended) = self.planted_split_append(&row).await {
                return appended;
            }
            self.writer
                .call(move |ledger| messages::append(ledger, &row, room))
                .await
        }
        .boxed()
    }

    fn refuse(&self, refusal: Refusal) -> Answer<'_, Appended> {
        async move {
            let _place = self.admit()?;
            let keys_end = self.clock.sure().is_some();
            self.writer
                .call(move |ledger| messages::refuse(ledger, &refusal, keys_end))
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

    fn dead_letter(&self, seq: Seq, part: u32, reason: DeadReason) -> Answer<'_, Burial> {
        self.writer
            .call(move |ledger| messages::dead_letter(ledger, seq, part, &reason))
            .boxed()
    }

    fn expire_outbound(
        &self,
        times: (Timestamp, Timestamp),
        expired: DeadReason,
        unresolved: DeadReason,
    ) -> Answer<'_, Vec<Expired>> {
        self.writer
            .call(move |ledger| messages::expire_outbound(ledger, times, &expired, &unresolved))
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

    fn not_sent(&self, seq: Seq, send: SendId) -> Answer<'_, bool> {
        self.writer
            .call(move |ledger| sends::not_sent(ledger, seq, &send))
            .boxed()
    }

    fn part_sent(&self, sent: PartSent) -> Answer<'_, Option<Proved>> {
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

    fn unproven(&self, first: &SendId) -> Answer<'_, Vec<SendId>> {
        let first = first.clone();
        self.writer
            .call(move |ledger| sends::unproven(ledger, &first))
            .boxed()
    }

    fn others_in_doubt(
        &self,
        lane: &LaneKey,
        but: Seq,
        since: Timestamp,
    ) -> Answer<'_, Vec<InDoubt>> {
        let lane = lane.clone();
        self.writer
            .call(move |ledger| sends::others_in_doubt(ledger, &lane, but, since))
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

    fn next_receipt(
        &self,
        now: Timestamp,
        under_way: Vec<GenesysMessageId>,
    ) -> Answer<'_, Option<WaitingReceipt>> {
        self.writer
            .call(move |ledger| receipts::next(ledger, now, &under_way))
            .boxed()
    }

    fn receipt_due(&self, under_way: Vec<GenesysMessageId>) -> Answer<'_, Option<Timestamp>> {
        self.writer
            .call(move |ledger| receipts::due(ledger, &under_way))
            .boxed()
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

    fn next_seq(&self) -> Answer<'_, Seq> {
        self.writer
            .call(|ledger| Ok(Seq(ledger.book.next_seq)))
            .boxed()
    }

    fn lacking(&self, keys: Vec<String>) -> Answer<'_, Vec<String>> {
        self.writer
            .call(move |ledger| gaps::lacking(ledger, &keys))
            .boxed()
    }

    fn fill(&self, gap: Gap) -> Answer<'_, Filled> {
        async move {
            let _place = self.admit()?;
            // A gap can be filled later as well: the last tenth is for webhooks.
            let room = self.room_of(Direction::Outbound);
            self.writer
                .call(move |ledger| gaps::fill(ledger, &gap, room))
                .await
        }
        .boxed()
    }

    fn gap_mark(&self) -> Answer<'_, Option<Timestamp>> {
        self.writer.call(|ledger| gaps::gap_mark(ledger)).boxed()
    }

    fn set_gap_mark(&self, mark: Timestamp) -> Answer<'_, ()> {
        self.writer
            .call(move |ledger| gaps::set_gap_mark(ledger, mark))
            .boxed()
    }

    fn unfinished(
        &self,
        round: u32,
        marked: (Timestamp, Timestamp),
        limit: u32,
    ) -> Answer<'_, Vec<Unfinished>> {
        self.writer
            .call(move |ledger| gaps::unfinished(ledger, round, marked, limit))
            .boxed()
    }

    fn asked(&self, round: u32, up_to: AskedUpTo) -> Answer<'_, ()> {
        self.writer
            .call(move |ledger| gaps::asked(ledger, round, &up_to))
            .boxed()
    }

    fn stats(&self) -> Answer<'_, Stats> {
        self.writer
            .call(|ledger| {
                Ok(Stats {
                    inbound: ledger.book.rows[Direction::Inbound as usize],
                    outbound: ledger.book.rows[Direction::Outbound as usize],
                    in_doubt: sends::in_doubt(ledger)?,
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

    fn replay(&self, selection: LetterSelection) -> Answer<'_, Replayed> {
        self.replay_in_pieces(selection).boxed()
    }

    fn purge_dead_letters(&self, selection: LetterSelection) -> Answer<'_, u64> {
        self.purge_in_pieces(selection).boxed()
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

    fn restamp(&self, arrived: (Timestamp, Timestamp), by: SignedDuration) -> Answer<'_, u64> {
        self.writer
            .call(move |ledger| messages::restamp(ledger, arrived, by))
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
