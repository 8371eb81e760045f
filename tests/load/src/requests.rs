//! The requests, built and signed before any clock starts: a generator that signs while it measures, measures itself.

use messaging_bridge_clients::genesys;
use messaging_bridge_clients::twilio::{self, FormFields, SignedBody};
use secrecy::SecretString;
use serde_json::json;

use crate::fixture::{
    ACCOUNT, AUTH_TOKEN, GENESYS_PATH, INTEGRATION, NUMBER, PUBLIC_URL, TWILIO_PATH,
    WEBHOOK_SECRET, customer, message_id, message_sid, text,
};

/// When the agents' messages were written: a millisecond after each other from here, as milliseconds since the epoch.
const FIRST_WRITTEN_MS: i64 = 1_767_323_160_000;

/// Many requests in one piece of memory.
pub(crate) struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Requests {
    /// `count` texts of customers, as Twilio posts them.
    pub(crate) fn of_customers(count: usize) -> Self {
        Self::build(count, customers_text)
    }

    /// `count` texts of agents, as Genesys posts them.
    pub(crate) fn of_agents(count: usize) -> Self {
        Self::build(count, agents_text)
    }

    fn build(count: usize, one: impl Fn(usize) -> String) -> Self {
        let mut requests = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(count),
        };
        for index in 0..count {
            requests.bytes.extend_from_slice(one(index).as_bytes());
            requests.ends.push(requests.bytes.len());
        }
        requests
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The request of a message.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

/// The fields of a text from North America, all that Twilio sends.
fn customers_fields(index: usize) -> Vec<(&'static str, String)> {
    let fixed = [
        ("ToCountry", "US"),
        ("ToState", "CA"),
        ("NumMedia", "0"),
        ("ToCity", "SAN FRANCISCO"),
        ("FromZip", "94103"),
        ("FromState", "CA"),
        ("SmsStatus", "received"),
        ("FromCity", "SAN FRANCISCO"),
        ("FromCountry", "US"),
        ("To", NUMBER),
        ("ToZip", "94105"),
        ("NumSegments", "1"),
        ("AccountSid", ACCOUNT),
        ("ApiVersion", "2010-04-01"),
    ];
    let own = [
        ("SmsMessageSid", message_sid(index)),
        ("SmsSid", message_sid(index)),
        ("Body", text(index)),
        ("MessageSid", message_sid(index)),
        ("From", customer(index)),
    ];
    let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
    fixed.into_iter().chain(own).collect()
}

fn customers_text(index: usize) -> String {
    let fields = customers_fields(index);
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&fields)
        .finish();
    let signature = twilio::signature::sign(
        &SecretString::from(AUTH_TOKEN),
        &format!("{PUBLIC_URL}{TWILIO_PATH}"),
        &SignedBody::Form(&FormFields::from_iter(fields)),
    );
    let header = format!("X-Twilio-Signature: {signature}");
    post(
        TWILIO_PATH,
        &header,
        "application/x-www-form-urlencoded",
        &body,
    )
}

fn agents_text(index: usize) -> String {
    let offset =
        i64::try_from(index).expect("far fewer messages than milliseconds since the epoch");
    let written = jiff::Timestamp::from_millisecond(FIRST_WRITTEN_MS + offset)
        .expect("a time of this century");
    let id = message_id(index);
    let body = json!({
        "id": id,
        "channel": {
            "id": INTEGRATION, "platform": "Open", "type": "Private", "messageId": id,
            "to": { "id": customer(index), "idType": "Phone" },
            "from": { "nickname": "load-sms", "id": INTEGRATION, "idType": "Opaque" },
            "time": format!("{written:.3}"),
        },
        "type": "Text",
        "text": text(index),
        "originatingEntity": "Human",
        "direction": "Outbound",
        "conversationId": "5d0d331e-0000-0000-0000-000000000000",
    });
    let body = body.to_string();
    let signature = genesys::signature::sign(&SecretString::from(WEBHOOK_SECRET), body.as_bytes());
    let header = format!("X-Hub-Signature-256: {signature}");
    post(GENESYS_PATH, &header, "application/json", &body)
}

fn post(path: &str, signature: &str, content_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bridge.example.com\r\nUser-Agent: load\r\nAccept: */*\r\n{signature}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use messaging_bridge_clients::genesys::{WireProfile, parse_outbound};
    use messaging_bridge_clients::twilio::parse_inbound;

    use super::*;
    use crate::fixture::{index_of_sid, index_of_text};

    fn body(request: &[u8]) -> &str {
        std::str::from_utf8(request)
            .unwrap()
            .split_once("\r\n\r\n")
            .unwrap()
            .1
    }

    #[test]
    fn each_request_is_its_messages_own() {
        let requests = Requests::of_customers(3);
        assert_eq!(requests.len(), 3);
        for index in 0..3 {
            let sms =
                parse_inbound(&FormFields::parse(body(requests.get(index)).as_bytes())).unwrap();
            assert_eq!(index_of_sid(sms.message_sid.as_str()), Some(index));
            assert_eq!((sms.from, sms.to.as_str()), (customer(index), NUMBER));
        }
        let agents = Requests::of_agents(2);
        let message = parse_outbound(WireProfile::Current, body(agents.get(1)).as_bytes()).unwrap();
        assert_eq!(index_of_text(&message.text.unwrap()), Some(1));
        assert_eq!(message.customer, Some(customer(1)));
        assert!(message.time.is_some(), "the time is in Genesys' form");
    }
}
