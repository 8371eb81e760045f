//! Whether both platforms call this bridge: judged from what they have on record, with the exact value to set.
//!
//! Pure: whoever asks reads the records ([`crate::twilio::TwilioClient::phone_number`] and
//! [`crate::twilio::TwilioClient::service_view`], [`crate::genesys::GenesysClient::open_integrations`]) and decides
//! what a finding leads to. Nothing is judged that the records do not show: whether the address is reached, or the
//! signature secret is the same. Messages mask numbers and leave out what a foreign URL may hold secret.

mod genesys;
mod shown;
mod twilio;
mod urls;

pub use crate::twilio::ServiceView;
pub use genesys::judge_genesys_integration;
pub use twilio::judge_twilio_number;
pub use urls::{GENESYS_OUTBOUND, PublicUrlError, TWILIO_INBOUND, TWILIO_STATUS, WebhookUrls};

/// What a record says about this bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Right,
    /// It works, but could be better.
    Advice {
        /// One sentence: what is, and what would be better.
        message: String,
    },
    /// Messages do not come, or not as they should.
    Wrong {
        /// What is wrong.
        finding: Finding,
        /// One sentence: what is, and the exact value to set.
        message: String,
    },
}

impl Verdict {
    fn wrong(finding: Finding, message: String) -> Self {
        Self::Wrong { finding, message }
    }
}

/// Everything that can be wrong with the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// The number cannot send and receive texts.
    NumberWithoutSms,
    /// The Messaging Service that the bridge names does not exist.
    MessagingServiceMissing,
    /// The Messaging Service that the bridge names does not have the number in its sender pool.
    NumberNotInService,
    /// A Messaging Service takes the number's messages and sends them elsewhere, or drops them.
    MessagingServiceOverrides,
    /// An application on the number takes its messages.
    TwilioApplication,
    /// Nothing is set: Twilio posts the number's messages nowhere.
    TwilioWebhookNotSet,
    /// Twilio posts the number's messages to another address.
    TwilioWebhookElsewhere,
    /// Twilio calls by GET.
    TwilioMethod,
    /// Genesys could not create the integration.
    IntegrationFailed,
    /// Genesys is still creating the integration: nothing is to be set, only to be waited for.
    IntegrationCreating,
    /// The integration is switched off.
    IntegrationInactive,
    /// Nothing is set: Genesys posts the agents' messages nowhere.
    GenesysWebhookNotSet,
    /// Genesys posts the agents' messages to another address.
    GenesysWebhookElsewhere,
}
