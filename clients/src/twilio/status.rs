//! A message's state at Twilio and its rank: callbacks come late, twice and out of order, so only the highest counts.

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

    /// How far the message has come; the highest rank ever seen counts. Accepted, queued and sending < sent < delivered
    /// < read < undelivered and failed. A state that says nothing of an outbound message's way ranks below all.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Unknown(_) | Self::Receiving | Self::Received => 0,
            Self::Accepted | Self::Scheduled | Self::Queued | Self::Sending => 1,
            Self::Sent | Self::PartiallyDelivered => 2,
            Self::Delivered => 3,
            Self::Read => 4,
            Self::Undelivered | Self::Failed | Self::Canceled => 5,
        }
    }

    /// Whether the message will not arrive.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Undelivered | Self::Failed | Self::Canceled)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("accepted", MessageStatus::Accepted, 1)]
    #[case("scheduled", MessageStatus::Scheduled, 1)]
    #[case("queued", MessageStatus::Queued, 1)]
    #[case("sending", MessageStatus::Sending, 1)]
    #[case("sent", MessageStatus::Sent, 2)]
    #[case("partially_delivered", MessageStatus::PartiallyDelivered, 2)]
    #[case("delivered", MessageStatus::Delivered, 3)]
    #[case("read", MessageStatus::Read, 4)]
    #[case("undelivered", MessageStatus::Undelivered, 5)]
    #[case("failed", MessageStatus::Failed, 5)]
    #[case("canceled", MessageStatus::Canceled, 5)]
    #[case("receiving", MessageStatus::Receiving, 0)]
    #[case("received", MessageStatus::Received, 0)]
    #[case("teleported", MessageStatus::Unknown("teleported".to_owned()), 0)]
    fn every_state_has_its_rank(
        #[case] word: &str,
        #[case] status: MessageStatus,
        #[case] rank: u8,
    ) {
        assert_eq!(MessageStatus::parse(word), status);
        assert_eq!(status.rank(), rank);
        assert_eq!(status.is_failure(), rank == 5);
    }
}
