//! The message in the conversation that tells why a reply failed: Genesys shows agents the mark, not the reason. Pure.
//!
//! It comes as a customer's message, the only kind that can be posted, and is marked twice: by its text for people, by an
//! attribute for flows. A failure is told once; one that was only inferred and is then certain, once each.

use std::time::Duration;

use jiff::Timestamp;

use crate::message::{FailureNotice, Message};
use crate::outbox::{DedupKey, Direction, LaneKey, NewRow, Order, ReceiptLevel, WaitingReceipt};

/// As long as receipts are kept.
const KEY_LIFE: Duration = Duration::from_hours(30 * 24);

/// The row to append beside a receipt; `None` if the receipt tells no failure.
pub fn row(waiting: &WaitingReceipt, now: Timestamp) -> Option<NewRow> {
    let how = match waiting.receipt.level {
        ReceiptLevel::Failed => "failed",
        ReceiptLevel::FailedInferred => "inferred",
        ReceiptLevel::None | ReceiptLevel::Sent | ReceiptLevel::Delivered => return None,
    };
    let reason = waiting.reason.as_ref()?;
    let id = &waiting.receipt.genesys_id;
    let notice = FailureNotice {
        failed: id.clone(),
        is_final: waiting.receipt.level == ReceiptLevel::Failed,
        customer: waiting.customer.clone(),
        sentence: reason.sentence.clone(),
    };
    Some(NewRow {
        lane: LaneKey::new(Direction::Inbound, &waiting.customer),
        key: DedupKey {
            text: format!("notice/{how}/{}", id.as_str()),
            life: KEY_LIFE,
        },
        order: Order::Arrival,
        accepted: now,
        payload: Message::FailureNotice(notice).to_stored(),
        genesys_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CustomerId;
    use crate::outbox::{Receipt, ReceiptReason};
    use messaging_bridge_clients::genesys::{GenesysMessageId, ReasonCode};
    use rstest::rstest;

    fn waiting(level: ReceiptLevel) -> WaitingReceipt {
        WaitingReceipt {
            receipt: Receipt {
                genesys_id: GenesysMessageId::new("g1"),
                level,
            },
            customer: CustomerId::new("+15557654321"),
            reason: Some(ReceiptReason {
                code: ReasonCode::RecipientOptedOut,
                sentence: "Opted out.".into(),
            }),
            tries: 0,
            created: Timestamp::UNIX_EPOCH,
        }
    }

    #[rstest]
    #[case(ReceiptLevel::None, None)]
    #[case(ReceiptLevel::Sent, None)]
    #[case(ReceiptLevel::Delivered, None)]
    #[case(ReceiptLevel::FailedInferred, Some("notice/inferred/g1"))]
    #[case(ReceiptLevel::Failed, Some("notice/failed/g1"))]
    fn a_failure_is_told_once_and_nothing_else_is(
        #[case] level: ReceiptLevel,
        #[case] key: Option<&str>,
    ) {
        let row = row(&waiting(level), Timestamp::UNIX_EPOCH);
        assert_eq!(row.as_ref().map(|row| row.key.text.as_str()), key);
        let Some(row) = row else { return };
        assert_eq!(row.lane.direction(), Direction::Inbound);
        let thirty_days = Duration::from_hours(720);
        assert_eq!(row.key.life, thirty_days, "as long as a repeat may come");
        let Ok(Message::FailureNotice(notice)) = Message::from_stored(&row.payload) else {
            panic!("it is a notice of a failure");
        };
        assert_eq!(notice.is_final, level == ReceiptLevel::Failed);
        assert_eq!(notice.sentence, "Opted out.");
    }
}
