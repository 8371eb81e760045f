//! What comes in through the public port, and what of it comes back out of the store.

use messaging_bridge_clients::genesys::{self, WireProfile};
use messaging_bridge_clients::twilio::{self, FormFields, MessageStatus, SignedBody};
use messaging_bridge_relay::deliver::split::{LONGEST_BODY, split};
use messaging_bridge_relay::message::{Message, without_control_characters};
use messaging_bridge_relay::server::fuzzing;
use secrecy::SecretString;

const URL: &str = "https://bridge.example.com/acme/twilio/inbound?a=b%20c";

/// A form of a customer's message: whatever it holds, its text is not empty and holds no control characters.
pub fn twilio_inbound(bytes: &[u8]) {
    let form = FormFields::parse(bytes);
    if let Some(message) = fuzzing::from_twilio(&form) {
        let Message::InboundText(text) = &message else {
            panic!("a customer's message goes to Genesys");
        };
        assert!(!text.text.trim().is_empty());
        assert_eq!(without_control_characters(&text.text), text.text);
        assert_kept(&message);
    }
}

/// A form of a status callback.
pub fn twilio_status(bytes: &[u8]) {
    let form = FormFields::parse(bytes);
    if let Ok(callback) = twilio::parse_status(&form) {
        assert!(!callback.message_sid.as_str().is_empty());
    }
    let _ = MessageStatus::parse(&String::from_utf8_lossy(bytes));
}

/// A header, a URL and a body, one a line: no signature of a stranger is believed, and ours always is.
pub fn twilio_signature(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let header = lines.next().unwrap_or_default();
    let url = lines.next().filter(|url| !url.is_empty()).unwrap_or(URL);
    let body = lines.next().unwrap_or_default();
    let token = SecretString::from("a token that no fuzzer guesses".to_owned());
    let tokens = [token.clone()];
    let form = FormFields::parse(body.as_bytes());
    for signed in [
        SignedBody::Form(&form),
        SignedBody::Json(body.as_bytes()),
        SignedBody::Empty,
    ] {
        assert!(twilio::signature::verify(&tokens, Some(header), url, &signed).is_err());
        let ours = twilio::signature::sign(&token, url, &signed);
        let believed = twilio::signature::verify(&tokens, Some(&ours), url, &signed).is_ok();
        // JSON is believed only with its hash in the URL.
        assert!(believed || matches!(signed, SignedBody::Json(_)));
    }
    let _ = twilio::signature::is_hmac_sha1(Some(header));
}

/// A header and a body, one a line: as [`twilio_signature`].
pub fn genesys_signature(bytes: &[u8]) {
    let (header, body) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    let header = String::from_utf8_lossy(header);
    let secret = SecretString::from("a secret that no fuzzer guesses".to_owned());
    let secrets = [secret.clone()];
    assert!(genesys::signature::verify(&secrets, Some(&header), body).is_err());
    let ours = genesys::signature::sign(&secret, body);
    assert!(genesys::signature::verify(&secrets, Some(&ours), body).is_ok());
}

/// An agent's message as the platform posts it.
pub fn genesys_current(bytes: &[u8]) {
    outbound(WireProfile::Current, bytes);
}

/// An agent's message as the guide has it.
pub fn genesys_guide(bytes: &[u8]) {
    outbound(WireProfile::Guide, bytes);
}

fn outbound(profile: WireProfile, bytes: &[u8]) {
    let Some((key, message)) = fuzzing::from_genesys(profile, bytes) else {
        return;
    };
    assert_eq!(
        fuzzing::from_genesys(profile, bytes).map(|(key, _)| key),
        Some(key),
        "the same bytes have the same key"
    );
    let Some(message) = message else { return };
    let Message::OutboundText(text) = &message else {
        panic!("an agent's message goes to the customer");
    };
    assert!(!text.text.trim().is_empty());
    let parts = split(&text.text, LONGEST_BODY);
    let dense = |text: &str| text.replace(char::is_whitespace, "");
    assert_eq!(dense(&parts.concat()), dense(&text.text), "a part is lost");
    assert!(
        parts
            .iter()
            .all(|part| part.encode_utf16().count() <= LONGEST_BODY)
    );
    assert_kept(&message);
}

/// A query of the handshake: what is echoed is harmless in JSON, in HTML and in a header.
pub fn handshake(bytes: &[u8]) {
    let query = String::from_utf8_lossy(bytes);
    if let Some(answer) = fuzzing::challenge(&query) {
        let token = answer
            .strip_prefix("{\"challenge\":\"")
            .and_then(|rest| rest.strip_suffix("\"}"))
            .expect("the answer is an object with one string");
        assert!((1..=256).contains(&token.len()));
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
        );
    }
}

/// Bytes where a stored message should be: an error says where, never what.
pub fn stored_message(bytes: &[u8]) {
    match Message::from_stored(bytes) {
        Ok(message) => assert_kept(&message),
        Err(error) => assert!(error.to_string().len() < 100),
    }
}

/// What is stored is read again as it was.
fn assert_kept(message: &Message) {
    let again = Message::from_stored(&message.to_stored()).expect("what was stored is read again");
    assert!(again == *message);
}
