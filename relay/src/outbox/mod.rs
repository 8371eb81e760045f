//! The outbox: the durable queue between the webhooks and the platform calls.
//!
//! # What it guarantees
//! - A call that returned `Ok` is on disk (fsync), and survives the end of the process and of the machine.
//! - A message and its de-duplication key are stored in one transaction: the key is never without its message.
//! - Within a lane, heads come out in order; a row that was once attempted is never overtaken.
//! - Each message ends in one recorded outcome.
//!
//! # What it does not do
//! It decides nothing about delivery: when to retry, what is permanent and what a status means for the agent are
//! decided in [`crate::dispatch`] and handed in. It knows lanes, not conversations; payloads are bytes to it.
//!
//! [`Outbox`] is the narrow trait that every backend implements; `conformance` is the suite that each must pass;
//! [`sqlite`] is the embedded backend.

#[cfg(test)]
mod conformance;
mod gap;
mod progress;
pub mod sqlite;
mod types;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use messaging_bridge_clients::genesys::GenesysMessageId;
use messaging_bridge_clients::twilio::MessageSid;

use crate::message::CustomerId;

pub use gap::{AskedUpTo, Filled, Found, Gap, Listed, Place, Unfinished};
pub use progress::{
    Burial, Doubt, Expired, InDoubt, Mark, PartSent, Proved, Rank, Receipt, ReceiptLevel,
    ReceiptReason, SendState, Standing, StatusReport, WaitingReceipt,
};
pub use types::{
    Appended, DeadLetter, DeadLetterCount, DeadLetterDetail, DeadLetterId, DeadReason, DedupKey,
    Deferral, Direction, Forgotten, Head, Identity, LaneKey, LetterSelection, NewRow, Order,
    OutboxError, Refusal, Replayed, SendId, Seq, Stats, WaitingLane,
};

/// The answer of an outbox call.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, OutboxError>>;

/// The durable queue. All calls that change something return after the commit.
pub trait Outbox: Send + Sync + 'static {
    // --- intake ---

    /// Stores a message with its key; a key already taken is answered [`Appended::Duplicate`]. Never waits for room:
    /// a full queue is [`OutboxError::Full`] or [`OutboxError::TooMany`] at once. Keys end only by a clock that is sure.
    fn append(&self, row: NewRow) -> Answer<'_, Appended>;

    /// Takes the key of an agent's message that cannot be carried, with the `Failed` receipt that tells so.
    fn refuse(&self, refusal: Refusal) -> Answer<'_, Appended>;

    // --- lanes ---

    /// Every lane that has rows, in the order of their oldest row. Read once, at start.
    fn lanes(&self) -> Answer<'_, Vec<WaitingLane>>;

    /// The head of a lane, which the caller now works on. One worker a lane is the caller's duty.
    fn head(&self, lane: &LaneKey) -> Answer<'_, Option<Head>>;

    /// Puts the head back until later.
    fn defer(&self, seq: Seq, deferral: Deferral) -> Answer<'_, ()>;

    /// Ends a message as delivered and erases its body. Returns whether the lane has more rows; for a row that is gone
    /// already (a repeated call, or a callback that was faster) it is true: the lane is to be looked at.
    fn complete(&self, seq: Seq) -> Answer<'_, bool>;

    /// Ends a message without delivery, if `part` is still its next one: a callback may have proven that part, and what
    /// is proven is not given up. An outbound message also gets its `Failed` receipt, in the same transaction; a send
    /// of it that may have been done makes that failure an inferred one.
    fn dead_letter(&self, seq: Seq, part: u32, reason: DeadReason) -> Answer<'_, Burial>;

    /// Ends outbound messages that arrived before the first of two times, without waiting for their turn, a bounded number
    /// in one go. `expired` is for those that were never tried, `unresolved` for those that carry an attempt mark. One that
    /// was marked at the second time or later is left: its answer may still come. Returns what ended.
    fn expire_outbound(
        &self,
        times: (Timestamp, Timestamp),
        expired: DeadReason,
        unresolved: DeadReason,
    ) -> Answer<'_, Vec<Expired>>;

    // --- sends towards Twilio ---

    /// Commits the attempt mark of a part, before its POST: from here on a crash leaves the send ambiguous. `false`
    /// when the row is gone or at another part, and nothing may be sent.
    fn mark(&self, mark: Mark) -> Answer<'_, bool>;

    /// Removes the mark of an attempt that definitely sent nothing.
    fn unmark(&self, seq: Seq, send: SendId) -> Answer<'_, ()>;

    /// Settles an attempt as not sent: the part is tried again. Its send is remembered, since a callback or a listed
    /// message may still prove it. `false` when the row is gone or carries another mark.
    fn not_sent(&self, seq: Seq, send: SendId) -> Answer<'_, bool>;

    /// Records the SID of a part that Twilio took; the last part completes the message. A late answer for a part that
    /// a callback proved already changes nothing more (`None`); one for a dead letter takes it out of them.
    fn part_sent(&self, sent: PartSent) -> Answer<'_, Option<Proved>>;

    /// What is known of a send.
    fn send_state(&self, send: &SendId) -> Answer<'_, Option<SendState>>;

    /// Of these SIDs, those that a send of ours has taken.
    fn adopted(&self, sids: Vec<MessageSid>) -> Answer<'_, Vec<MessageSid>>;

    /// The sends of one part, named by its first, of which nothing was heard; oldest first.
    fn unproven(&self, first: &SendId) -> Answer<'_, Vec<SendId>>;

    /// The other messages of this lane (dead letters, say) that may have been sent since then without our knowing.
    fn others_in_doubt(
        &self,
        lane: &LaneKey,
        but: Seq,
        since: Timestamp,
    ) -> Answer<'_, Vec<InDoubt>>;

    // --- receipts ---

    /// Raises the rank of a send by what a status callback reported; lower and repeated ranks change nothing. A callback
    /// for a send that may have been done proves that it was, also one that was settled as not sent: its part, or with
    /// the last part its message, is complete. `None` for a send that is not known.
    fn raise(&self, report: StatusReport) -> Answer<'_, Option<Standing>>;

    /// The receipt that Genesys should get next: `Failed` first, then the longest waiting. None of the messages of which
    /// one is under way.
    fn next_receipt(
        &self,
        now: Timestamp,
        under_way: Vec<GenesysMessageId>,
    ) -> Answer<'_, Option<WaitingReceipt>>;

    /// When the next receipt may be sent, if any waits but those of the messages of which one is under way.
    fn receipt_due(&self, under_way: Vec<GenesysMessageId>) -> Answer<'_, Option<Timestamp>>;

    /// Records that Genesys has this receipt (or will never take it).
    fn receipt_done(&self, receipt: &Receipt) -> Answer<'_, ()>;

    /// Puts a receipt back until later.
    fn receipt_defer(&self, receipt: &Receipt, until: Timestamp) -> Answer<'_, ()>;

    // --- what was missed ---

    /// The number that the next row gets.
    fn next_seq(&self) -> Answer<'_, Seq>;

    /// Of these keys, those that nobody has taken, ever.
    fn lacking(&self, keys: Vec<String>) -> Answer<'_, Vec<String>>;

    /// Stores the messages of a gap that still lack, each with its key; all or none. As an append it never waits for
    /// room, and it leaves the part of the budget that is kept for webhooks.
    fn fill(&self, gap: Gap) -> Answer<'_, Filled>;

    /// Up to when nothing is missed; `None` on a new volume, and after a change of sender or organisation. Keys of
    /// messages that came later are not purged.
    fn gap_mark(&self) -> Answer<'_, Option<Timestamp>>;

    /// Records up to when nothing is missed.
    fn set_gap_mark(&self, mark: Timestamp) -> Answer<'_, ()>;

    /// Sends with a SID and without a final status that were marked within these times (both included) and that this
    /// round did not ask about yet; oldest first.
    fn unfinished(
        &self,
        round: u32,
        marked: (Timestamp, Timestamp),
        limit: u32,
    ) -> Answer<'_, Vec<Unfinished>>;

    /// Records how far a round came.
    fn asked(&self, round: u32, up_to: AskedUpTo) -> Answer<'_, ()>;

    // --- life ---

    /// Counts, without bodies.
    fn stats(&self) -> Answer<'_, Stats>;

    /// Dead letters, oldest first.
    fn dead_letters(&self, limit: u32) -> Answer<'_, Vec<DeadLetter>>;

    /// One of them, with what is known of it.
    fn dead_letter_detail(&self, id: DeadLetterId) -> Answer<'_, Option<DeadLetterDetail>>;

    /// How many are kept, by direction and reason.
    fn dead_letter_counts(&self) -> Answer<'_, Vec<DeadLetterCount>>;

    /// Appends dead letters that still have their body again, at the tail of their lanes and in their original order;
    /// never those of another sender or organisation. Only as many as the budgets have room for; in pieces, so that no
    /// append waits for all of them.
    fn replay(&self, selection: LetterSelection) -> Answer<'_, Replayed>;

    /// Removes dead letters with their bodies, whoever they belong to. Returns how many. Their keys stay taken.
    fn purge_dead_letters(&self, selection: LetterSelection) -> Answer<'_, u64>;

    /// Erases one customer: messages, dead letters, receipts, contact. What holds no number and no text (keys and ids
    /// of sends) stays for its time. An agent whose message is erased is told nothing.
    fn forget(&self, customer: &CustomerId) -> Answer<'_, Forgotten>;

    /// A consistent copy of everything, as a file that has no name any more; the outbox goes on meanwhile.
    fn export(&self) -> Answer<'_, std::fs::File>;

    /// Removes what is past its retention, a bounded piece at a time. Returns whether there is more to look through.
    fn purge(&self, now: Timestamp) -> Answer<'_, bool>;

    /// The clock was wrong while messages arrived between these times, as it told them: moves their arrival, marks and
    /// retry times `by` so much. Their order and `channel.time` stay. Returns how many were moved.
    fn restamp(&self, arrived: (Timestamp, Timestamp), by: SignedDuration) -> Answer<'_, u64>;

    /// Records the integration's id with the rows of this bridge, once it is known.
    fn learn_integration(&self, id: &str) -> Answer<'_, ()>;

    /// Writes everything back into the main file and closes. Calls after this fail with [`OutboxError::Closed`].
    fn close(&self) -> Answer<'_, ()>;
}
