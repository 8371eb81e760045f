//! A message's state at Twilio. What ranks above what is decided by who records it.

/// The states of a message (`MessageStatus` of a callback, `status` of the resource).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageStatus {
    /// Taken; the Messaging Service has not picked a sender yet.
    Accepted,
    /// Waits for its time.
    Scheduled,
    /// Waits for the sender's turn.
    Queued,
    /// On its way to the carrier.
    Sending,
    /// The carrier has it.
    Sent,
    /// The carrier confirmed it, where it can the handset.
    Delivered,
    /// Some of its recipients have it (deprecated).
    PartiallyDelivered,
    /// The customer opened it (WhatsApp, RCS).
    Read,
    /// The carrier reported that it did not arrive.
    Undelivered,
    /// It never left Twilio.
    Failed,
    /// A scheduled message was withdrawn.
    Canceled,
    /// Inbound: arriving.
    Receiving,
    /// Inbound: arrived.
    Received,
    /// A state that this program does not know.
    Unknown(String),
}

impl MessageStatus {
    /// Reads Twilio's word.
    pub fn parse(status: &str) -> Self {
        match status {
            "accepted" => Self::Accepted,
            "scheduled" => Self::Scheduled,
            "queued" => Self::Queued,
            "sending" => Self::Sending,
            "sent" => Self::Sent,
            "delivered" => Self::Delivered,
            "partially_delivered" => Self::PartiallyDelivered,
            "read" => Self::Read,
            "undelivered" => Self::Undelivered,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            "receiving" => Self::Receiving,
            "received" => Self::Received,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("accepted", MessageStatus::Accepted)]
    #[case("scheduled", MessageStatus::Scheduled)]
    #[case("queued", MessageStatus::Queued)]
    #[case("sending", MessageStatus::Sending)]
    #[case("sent", MessageStatus::Sent)]
    #[case("partially_delivered", MessageStatus::PartiallyDelivered)]
    #[case("delivered", MessageStatus::Delivered)]
    #[case("read", MessageStatus::Read)]
    #[case("undelivered", MessageStatus::Undelivered)]
    #[case("failed", MessageStatus::Failed)]
    #[case("canceled", MessageStatus::Canceled)]
    #[case("receiving", MessageStatus::Receiving)]
    #[case("received", MessageStatus::Received)]
    #[case("teleported", MessageStatus::Unknown("teleported".to_owned()))]
    fn every_word_has_its_state(#[case] word: &str, #[case] status: MessageStatus) {
        assert_eq!(MessageStatus::parse(word), status);
    }
}
