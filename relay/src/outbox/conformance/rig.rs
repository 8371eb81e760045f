//! An opened backend, and short names for what the sentences say.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{GenesysMessageId, ReasonCode};
use messaging_bridge_clients::twilio::MessageSid;

use crate::clock::{Clock as _, ManualClock, from_millis};
use crate::message::CustomerId;
use crate::outbox::sqlite::SqliteOutbox;
use crate::outbox::{
    Appended, Burial, DeadReason, DedupKey, Deferral, Direction, Head, Identity, LaneKey, Mark,
    NewRow, Order, Outbox, PartSent, Rank, Receipt, ReceiptLevel, ReceiptReason, Refusal, SendId,
    Seq, Standing, StatusReport, WaitingReceipt,
};

/// Bytes of waiting messages that a backend is opened with. Payloads of the sentences are far smaller, except where
/// the budget is the matter.
pub(in crate::outbox) const BUDGET: u64 = 100_000;
/// Keys of the builders live this long.
pub(in crate::outbox) const KEY_LIFE: Duration = Duration::from_hours(30 * 24);
/// In this time Genesys has had our answer to a webhook.
pub(in crate::outbox) const A_MOMENT: Duration = Duration::from_secs(1);
pub(in crate::outbox) const ANN: &str = "+15557654321";
pub(in crate::outbox) const BOB: &str = "+15557654322";

/// A backend, empty, with a clock that stands at [`at`]`(0)` until it is moved.
pub(in crate::outbox) struct Rig {
    pub(in crate::outbox) outbox: Arc<dyn Outbox>,
    pub(in crate::outbox) clock: ManualClock,
    /// What must live as long as the backend.
    _home: Box<dyn Any>,
}

pub(in crate::outbox) fn identity() -> Identity {
    Identity {
        sender: "+15551230000".into(),
        genesys_host: "api.mypurecloud.com".into(),
        integration_name: "sms".into(),
        integration_id: None,
    }
}

/// The embedded backend.
pub(in crate::outbox) fn sqlite() -> Rig {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(at(0));
    let outbox =
        SqliteOutbox::open(home.path(), &identity(), BUDGET, Arc::new(clock.clone())).unwrap();
    Rig {
        outbox: Arc::new(outbox),
        clock,
        _home: Box::new(home),
    }
}

/// A time: so many seconds after the start of the story.
pub(in crate::outbox) fn at(seconds: i64) -> Timestamp {
    from_millis(1_767_225_600_000 + seconds * 1000)
}

pub(in crate::outbox) fn to_genesys(customer: &str) -> LaneKey {
    LaneKey::new(Direction::Inbound, &CustomerId::new(customer))
}

pub(in crate::outbox) fn to_twilio(customer: &str) -> LaneKey {
    LaneKey::new(Direction::Outbound, &CustomerId::new(customer))
}

/// A customer's text, whose key and payload are its name.
pub(in crate::outbox) fn inbound(customer: &str, name: &str, accepted: Timestamp) -> NewRow {
    NewRow {
        lane: to_genesys(customer),
        key: DedupKey {
            text: format!("twilio/{name}"),
            life: KEY_LIFE,
        },
        order: Order::Arrival,
        accepted,
        payload: name.as_bytes().to_vec(),
        genesys_id: None,
    }
}

/// An agent's text, whose id and payload are its name.
pub(in crate::outbox) fn outbound(customer: &str, name: &str, accepted: Timestamp) -> NewRow {
    NewRow {
        lane: to_twilio(customer),
        key: DedupKey {
            text: format!("genesys/{name}"),
            life: KEY_LIFE,
        },
        order: Order::Claimed(Some(accepted)),
        accepted,
        payload: name.as_bytes().to_vec(),
        genesys_id: Some(GenesysMessageId::new(name)),
    }
}

pub(in crate::outbox) fn refusal(name: &str, accepted: Timestamp) -> Refusal {
    Refusal {
        key: DedupKey {
            text: format!("genesys/{name}"),
            life: KEY_LIFE,
        },
        genesys_id: GenesysMessageId::new(name),
        customer: CustomerId::new(ANN),
        reason: reason(ReasonCode::UnsupportedMessage),
        accepted,
    }
}

pub(in crate::outbox) fn reason(code: ReasonCode) -> ReceiptReason {
    ReceiptReason {
        code,
        sentence: format!("Because of {}.", code.as_str()),
    }
}

/// The ending of a message that a platform refused, told as failed for certain.
pub(in crate::outbox) fn refused(when: Timestamp) -> DeadReason {
    ending("refused", ReceiptLevel::Failed, when)
}

/// The ending of a message of which nobody knows whether it was sent.
pub(in crate::outbox) fn unresolved(when: Timestamp) -> DeadReason {
    ending("unresolved", ReceiptLevel::FailedInferred, when)
}

pub(in crate::outbox) fn expired(when: Timestamp) -> DeadReason {
    ending("expired", ReceiptLevel::Failed, when)
}

fn ending(word: &'static str, level: ReceiptLevel, when: Timestamp) -> DeadReason {
    DeadReason {
        word,
        sentence: format!("It was {word}."),
        receipt: Some((level, reason(ReasonCode::GeneralError))),
        at: when,
    }
}

pub(in crate::outbox) fn sid(send: &str) -> MessageSid {
    MessageSid::new(format!("SM-{send}"))
}

impl Rig {
    pub(in crate::outbox) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock forward.
    pub(in crate::outbox) fn wait(&self, seconds: i64) {
        self.clock.advance_millis(seconds * 1000);
    }

    /// Stores a row that must be new.
    pub(in crate::outbox) async fn store(&self, row: NewRow) -> Seq {
        match self.outbox.append(row).await.unwrap() {
            Appended::Stored(seq) => seq,
            Appended::Duplicate => panic!("the key was taken already"),
        }
    }

    /// An agent's text to Ann, stored now.
    pub(in crate::outbox) async fn store_outbound(&self, name: &str) -> Seq {
        self.store(outbound(ANN, name, self.now())).await
    }

    pub(in crate::outbox) async fn head(&self, lane: &LaneKey) -> Option<Head> {
        self.outbox.head(lane).await.unwrap()
    }

    /// The name of the lane's head.
    pub(in crate::outbox) async fn head_name(&self, lane: &LaneKey) -> Option<String> {
        self.head(lane)
            .await
            .map(|head| String::from_utf8(head.payload).unwrap())
    }

    /// Completes head after head; their names, in the order in which they came out.
    pub(in crate::outbox) async fn drain(&self, lane: &LaneKey) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(head) = self.head(lane).await {
            names.push(String::from_utf8(head.payload).unwrap());
            let more = self.outbox.complete(head.seq).await.unwrap();
            assert_eq!(
                more,
                self.head(lane).await.is_some(),
                "whether there is more"
            );
        }
        names
    }

    /// Ends a message of one or two parts without delivery, whichever is next. Whether its lane is to be looked at.
    pub(in crate::outbox) async fn bury(&self, seq: Seq, reason: DeadReason) -> bool {
        for part in 0..2 {
            let burial = self.outbox.dead_letter(seq, part, reason.clone()).await;
            if let Burial::Buried { more } = burial.unwrap() {
                return more;
            }
        }
        true
    }

    pub(in crate::outbox) async fn defer(&self, seq: Seq, until: Timestamp) {
        self.outbox
            .defer(
                seq,
                Deferral {
                    until,
                    tried: true,
                    strike: false,
                },
            )
            .await
            .unwrap();
    }

    /// Marks one part of a message to Ann.
    pub(in crate::outbox) async fn mark(
        &self,
        seq: Seq,
        name: &str,
        send: &str,
        (part, parts): (u32, u32),
    ) -> bool {
        let mark = Mark {
            seq,
            send: SendId::new(send),
            part,
            parts,
            genesys_id: Some(GenesysMessageId::new(name)),
            customer: CustomerId::new(ANN),
            at: self.now(),
        };
        self.outbox.mark(mark).await.unwrap()
    }

    /// Twilio answered a send. Whether its lane is to be looked at.
    pub(in crate::outbox) async fn sent(&self, seq: Seq, send: &str, last: bool) -> bool {
        let answered = PartSent {
            seq,
            send: SendId::new(send),
            sid: sid(send),
            last,
        };
        let proved = self.outbox.part_sent(answered).await.unwrap();
        proved.is_none_or(|proved| proved.more)
    }

    /// An agent's text to Ann in one part, which Twilio took as send `name`.
    pub(in crate::outbox) async fn send_outbound(&self, name: &str) {
        let seq = self.store_outbound(name).await;
        assert!(self.mark(seq, name, name, (0, 1)).await);
        self.sent(seq, name, true).await;
    }

    /// A status callback.
    pub(in crate::outbox) async fn hear(&self, send: &str, rank: Rank) -> Option<Standing> {
        self.hear_why(send, rank, None).await
    }

    pub(in crate::outbox) async fn hear_why(
        &self,
        send: &str,
        rank: Rank,
        why: Option<ReasonCode>,
    ) -> Option<Standing> {
        let report = StatusReport {
            send: SendId::new(send),
            sid: sid(send),
            rank,
            reason: why.map(reason),
        };
        self.outbox.raise(report).await.unwrap()
    }

    /// The receipt that Genesys should get once it has had our answers to its webhooks: a moment from now.
    pub(in crate::outbox) async fn next_receipt(&self) -> Option<WaitingReceipt> {
        let soon = self.now() + A_MOMENT;
        self.outbox.next_receipt(soon, Vec::new()).await.unwrap()
    }

    /// Its message and level.
    pub(in crate::outbox) async fn next_told(&self) -> Option<(String, ReceiptLevel)> {
        self.next_receipt()
            .await
            .map(|waiting| told(&waiting.receipt))
    }

    /// Tells Genesys what waits; in the order in which it went.
    pub(in crate::outbox) async fn tell_all(&self) -> Vec<(String, ReceiptLevel)> {
        let mut order = Vec::new();
        while let Some(waiting) = self.next_receipt().await {
            order.push(told(&waiting.receipt));
            self.outbox.receipt_done(&waiting.receipt).await.unwrap();
        }
        order
    }
}

pub(in crate::outbox) fn told(receipt: &Receipt) -> (String, ReceiptLevel) {
    (receipt.genesys_id.as_str().to_owned(), receipt.level)
}
