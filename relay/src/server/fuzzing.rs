//! What this room makes of a stranger's bytes, for the fuzz targets: the pure part of each webhook, without a signature
//! and without an outbox.

use messaging_bridge_clients::genesys::{WireProfile, parse_outbound};
use messaging_bridge_clients::twilio::{FormFields, parse_inbound};

use super::genesys_outbound::{self, Intent};
use super::{handshake, twilio_inbound};
use crate::message::Message;

/// The answer to a handshake.
pub fn challenge(query: &str) -> Option<String> {
    handshake::challenge(query)
}

/// The message of a Twilio form, if it is one.
pub fn from_twilio(form: &FormFields) -> Option<Message> {
    let sms = parse_inbound(form).ok()?;
    let text = twilio_inbound::canonical(form, sms);
    Some(Message::InboundText(text))
}

/// The key of a Genesys webhook and the message to send, if it is one that is sent.
pub fn from_genesys(profile: WireProfile, body: &[u8]) -> Option<(String, Option<Message>)> {
    let notification = parse_outbound(profile, body).ok()?;
    let key = genesys_outbound::key(&notification, body);
    let message = match genesys_outbound::intent(profile, notification) {
        Intent::Send(text, _) => Some(Message::OutboundText(text)),
        Intent::Ignore | Intent::Drop(_) | Intent::Refuse(..) => None,
    };
    Some((key.text, message))
}
