//! Twilio: messages out, webhooks in, and what a number is configured to do.
//!
//! Sending is not idempotent and Twilio has no idempotency key: a lost answer is [`crate::ErrorKind::Ambiguous`], and
//! nothing here repeats a POST whose effect is unknown.

mod answer;
pub mod client;
pub mod codes;
pub mod ids;
pub mod message;
pub mod number;
pub mod received;
pub mod service;
pub mod signature;
pub mod status;
pub mod webhook;

pub use client::{TwilioClient, TwilioCredentials, api_base, messaging_base};
pub use codes::{CodeEntry, CodeKind, blocking_cause, for_agent, lookup};
pub use ids::{AccountSid, E164, MessageSid, MessagingServiceSid, NotE164};
pub use message::{Message, MessageFilter, MessageList, NewMessage};
pub use number::{AccountStatus, Capabilities, IncomingPhoneNumber};
pub use received::{NextPage, RECEIVED_PAGE_SIZE, ReceivedFilter, ReceivedPage};
pub use service::{MessagingService, ServiceView};
pub use signature::SignedBody;
pub use status::MessageStatus;
pub use webhook::{FormFields, InboundSms, Media, StatusCallback, parse_inbound, parse_status};
