//! What a customer sent, as the canonical message: the same whether its webhook brought it or it was found in Twilio's
//! list. Pure.

use std::collections::BTreeMap;

use messaging_bridge_clients::twilio::MessageSid;

use crate::message::{CustomerId, InboundText, without_control_characters};
use crate::outbox::DedupKey;
use crate::server::KEY_LIFE;

/// What Twilio says of a customer's SMS or MMS on either way.
pub(crate) struct Received<'a> {
    /// Twilio's id.
    pub(crate) sid: MessageSid,
    /// The customer.
    pub(crate) from: String,
    /// Our number.
    pub(crate) to: String,
    /// The text; may be empty.
    pub(crate) body: &'a str,
    /// The MIME types of the attachments, as far as they are known.
    pub(crate) attachments: Vec<Option<&'a str>>,
}

/// What a customer's message is recognised by.
pub(crate) fn key(sid: &MessageSid) -> DedupKey {
    DedupKey {
        text: format!("twilio/{sid}"),
        life: KEY_LIFE,
    }
}

/// The canonical message. What cannot be carried yet is named in the text.
pub(crate) fn inbound_text(received: Received<'_>) -> InboundText {
    let attributes = BTreeMap::from([
        ("twilioTo".to_owned(), received.to.clone()),
        ("twilioChannel".to_owned(), "sms".to_owned()),
        (
            "twilioMessageSid".to_owned(),
            received.sid.as_str().to_owned(),
        ),
    ]);
    InboundText {
        text: text_of(&received),
        sid: received.sid,
        customer: CustomerId::new(received.from),
        our_number: received.to,
        attributes,
    }
}

/// The text, with a word for each attachment; never empty.
fn text_of(received: &Received<'_>) -> String {
    let body = without_control_characters(received.body);
    let attachments = received
        .attachments
        .iter()
        .map(|kind| placeholder(*kind).to_owned());
    let lines: Vec<String> = Some(body)
        .filter(|body| !body.trim().is_empty())
        .into_iter()
        .chain(attachments)
        .collect();
    if lines.is_empty() {
        "[empty message]".into()
    } else {
        lines.join("\n")
    }
}

fn placeholder(content_type: Option<&str>) -> &'static str {
    match content_type.and_then(|kind| kind.split('/').next()) {
        Some("image") => "[photo]",
        Some("video") => "[video]",
        Some("audio") => "[audio]",
        _ => "[attachment]",
    }
}
