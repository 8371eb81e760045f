//! What the pure steps cost: reading a webhook, storing and reading the canonical message, splitting a long text, and
//! building the platform call.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use messaging_bridge_clients::genesys::{WireProfile, parse_outbound, wire};
use messaging_bridge_clients::twilio::{FormFields, parse_inbound};
use messaging_bridge_relay::deliver::split::{LONGEST_BODY, split};
use messaging_bridge_relay::deliver::to_genesys;
use messaging_bridge_relay::message::{
    CustomerId, InboundText, Message, without_control_characters,
};

/// Twilio's webhook of a usual text, with the fields that Twilio sends.
const FORM: &[u8] = b"ToCountry=US&ToState=CA&SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0\
    &ToCity=SAN+FRANCISCO&FromZip=94105&SmsSid=SM00000000000000000000000000000001&FromState=CA&SmsStatus=received\
    &FromCity=SAN+FRANCISCO&Body=Hello%2C+my+order+has+not+arrived+yet.+Could+somebody+have+a+look%2C+please%3F\
    &FromCountry=US&To=%2B15551230000&ToZip=94105&NumSegments=1\
    &MessageSid=SM00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001\
    &From=%2B15557654321&ApiVersion=2010-04-01";

/// Genesys' webhook of an agent's text.
const NOTIFICATION: &[u8] = br#"{"id":"6bd5e3a1-6d2e-4a5c-9a51-6d9b3f0a1c11","channel":{"id":
    "0b9d7a34-8a52-4b0e-8c3f-2f6d8d3f5b10","platform":"Open","type":"Private","to":{"id":"+15557654321","idType":
    "Phone"},"from":{"nickname":"Acme"},"time":"2026-01-01T00:00:00.000Z","messageId":"6bd5e3a1"},"type":"Text",
    "text":"Thank you. It is on its way and will arrive tomorrow.","originatingEntity":"Human",
    "direction":"Outbound"}"#;

fn canonical(form: &FormFields) -> InboundText {
    let sms = parse_inbound(form).expect("the form is complete");
    InboundText {
        customer: CustomerId::new(sms.from),
        text: without_control_characters(&sms.body),
        sid: sms.message_sid,
        our_number: sms.to.clone(),
        attributes: BTreeMap::from([("twilioTo".to_owned(), sms.to)]),
    }
}

fn inbound(criterion: &mut Criterion) {
    criterion.bench_function("inbound/webhook to stored", |bencher| {
        bencher.iter(|| {
            Message::InboundText(canonical(&FormFields::parse(black_box(FORM)))).to_stored()
        });
    });
    let stored = Message::InboundText(canonical(&FormFields::parse(FORM))).to_stored();
    criterion.bench_function("inbound/stored to Genesys call", |bencher| {
        bencher.iter(|| match Message::from_stored(black_box(&stored)) {
            Ok(Message::InboundText(text)) => {
                wire::current::message(&to_genesys::inbound_text(text, Timestamp::UNIX_EPOCH))
                    .to_string()
            }
            _ => unreachable!("an inbound text was stored"),
        });
    });
}

fn outbound(criterion: &mut Criterion) {
    criterion.bench_function("outbound/webhook to notification", |bencher| {
        bencher.iter(|| {
            parse_outbound(WireProfile::Current, black_box(NOTIFICATION)).expect("it is JSON")
        });
    });
    let words: String = "A long answer of an agent, with all that the customer asked for. "
        .chars()
        .cycle()
        .take(4000)
        .collect();
    criterion.bench_function("outbound/split 4,000 characters", |bencher| {
        bencher.iter(|| split(black_box(&words), LONGEST_BODY).len());
    });
    let no_spaces: String = "\u{5ba2}\u{6237}\u{670d}\u{52a1}"
        .chars()
        .cycle()
        .take(4000)
        .collect();
    criterion.bench_function(
        "outbound/split 4,000 characters without spaces",
        |bencher| {
            bencher.iter(|| split(black_box(&no_spaces), LONGEST_BODY).len());
        },
    );
}

criterion_group!(benches, inbound, outbound);
criterion_main!(benches);
