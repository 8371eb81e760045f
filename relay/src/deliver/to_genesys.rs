//! Canonical message to Genesys call: an inbound text, and the receipt of an outbound one. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{Customer, InboundMessage, Receipt, ReceiptStatus};

use crate::message::{CustomerId, FailureNotice, InboundText};
use crate::outbox::{ReceiptLevel, WaitingReceipt};

/// The Genesys message of a customer's text. `time` was fixed when the text was stored.
pub fn inbound_text(text: InboundText, time: Timestamp) -> InboundMessage {
    InboundMessage {
        message_id: text.sid.as_str().to_owned(),
        time,
        customer: customer(&text.customer, true),
        our_number: text.our_number,
        text: text.text,
        custom_attributes: text.attributes,
    }
}

/// The Genesys message that tells a failure: from the customer, since there is no other kind, and marked as not theirs.
pub fn failure_notice(notice: &FailureNotice, time: Timestamp) -> InboundMessage {
    let how = if notice.is_final {
        "failed"
    } else {
        "inferred"
    };
    let id = notice.failed.as_str();
    InboundMessage {
        message_id: format!("notice-{how}-{id}"),
        time,
        customer: customer(&notice.customer, true),
        // Only the guide's shape has a place for it, and that one has no notices.
        our_number: String::new(),
        text: format!("[Message not delivered] {}", notice.sentence),
        custom_attributes: BTreeMap::from([
            ("messagingBridgeNotice".to_owned(), how.to_owned()),
            ("messagingBridgeFailedMessage".to_owned(), id.to_owned()),
        ]),
    }
}

/// The Genesys receipt of an outbound message; `None` when there is nothing to tell.
pub fn receipt(waiting: &WaitingReceipt, now: Timestamp) -> Option<Receipt> {
    let (status, is_final) = match waiting.receipt.level {
        ReceiptLevel::None => return None,
        ReceiptLevel::FailedInferred => (ReceiptStatus::Failed, false),
        ReceiptLevel::Sent => (ReceiptStatus::Sent, false),
        ReceiptLevel::Delivered => (ReceiptStatus::Delivered, true),
        ReceiptLevel::Failed => (ReceiptStatus::Failed, true),
    };
    Some(Receipt {
        message_id: waiting.receipt.genesys_id.clone(),
        customer: customer(&waiting.customer, false),
        time: now,
        status,
        reason: waiting
            .reason
            .as_ref()
            .map(|reason| (reason.code, reason.sentence.clone())),
        is_final,
    })
}

fn customer(id: &CustomerId, named: bool) -> Customer {
    Customer {
        id: id.expose().to_owned(),
        id_type: id.id_type(),
        nickname: named.then(|| nickname(id.expose())),
    }
}

/// What the agent sees as the customer's name: the number, grouped where its grouping is certain (+1), so that it
/// can be read out.
pub fn nickname(id: &str) -> String {
    let digits = id.strip_prefix("+1").unwrap_or_default();
    if digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit()) {
        format!("+1 {}-{}-{}", &digits[..3], &digits[3..6], &digits[6..])
    } else {
        id.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{Receipt as ReceiptKey, ReceiptReason};
    use messaging_bridge_clients::genesys::{GenesysMessageId, IdType, ReasonCode};
    use rstest::rstest;

    #[rstest]
    #[case("+15551230000", "+1 555-123-0000")]
    #[case("+4915112345678", "+4915112345678")]
    #[case("72345", "72345")]
    fn a_number_is_named_so_that_it_can_be_read_out(#[case] id: &str, #[case] expected: &str) {
        assert_eq!(nickname(id), expected);
    }

    fn waiting(level: ReceiptLevel) -> WaitingReceipt {
        WaitingReceipt {
            receipt: ReceiptKey {
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
    #[case(ReceiptLevel::FailedInferred, Some((ReceiptStatus::Failed, false)))]
    #[case(ReceiptLevel::Sent, Some((ReceiptStatus::Sent, false)))]
    #[case(ReceiptLevel::Delivered, Some((ReceiptStatus::Delivered, true)))]
    #[case(ReceiptLevel::Failed, Some((ReceiptStatus::Failed, true)))]
    fn a_level_becomes_a_status_that_is_final_only_when_it_is_certain(
        #[case] level: ReceiptLevel,
        #[case] expected: Option<(ReceiptStatus, bool)>,
    ) {
        let built = receipt(&waiting(level), Timestamp::UNIX_EPOCH);
        assert_eq!(
            built.map(|receipt| (receipt.status, receipt.is_final)),
            expected
        );
    }

    #[test]
    fn a_failure_notice_is_marked_for_people_and_for_flows() {
        let notice = FailureNotice {
            failed: GenesysMessageId::new("g1"),
            is_final: false,
            customer: CustomerId::new("+15557654321"),
            sentence: "It is not known.".into(),
        };
        let built = failure_notice(&notice, Timestamp::UNIX_EPOCH);
        assert_eq!(built.text, "[Message not delivered] It is not known.");
        assert_eq!(built.message_id, "notice-inferred-g1");
        assert_eq!(built.custom_attributes["messagingBridgeNotice"], "inferred");
        assert_eq!(
            built.custom_attributes["messagingBridgeFailedMessage"],
            "g1"
        );
        assert_eq!(built.customer.id, "+15557654321");
    }

    #[test]
    fn a_short_code_goes_to_genesys_unchanged_as_opaque() {
        let customer = customer(&CustomerId::new("72345"), true);
        assert_eq!(
            (customer.id.as_str(), customer.id_type),
            ("72345", IdType::Opaque)
        );
    }
}
