//! What it costs to believe a webhook: both platforms' signatures, with one and with several secrets.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use messaging_bridge_clients::{genesys, twilio};
use secrecy::SecretString;
use twilio::{FormFields, SignedBody};

const URL: &str = "https://bridge.example.com/acme/twilio/inbound";
const FORM: &[u8] = include_bytes!("inbound_sms.form");
const JSON: &[u8] = include_bytes!("outbound_text.json");

fn secrets() -> Vec<SecretString> {
    [
        "00000000000000000000000000000001",
        "00000000000000000000000000000002",
    ]
    .map(SecretString::from)
    .to_vec()
}

fn twilio_signature(criterion: &mut Criterion) {
    let tokens = secrets();
    let form = FormFields::parse(FORM);
    let body = SignedBody::Form(&form);
    let first = twilio::signature::sign(&tokens[0], URL, &body);
    let last = twilio::signature::sign(&tokens[1], URL, &body);
    let verify = |tokens: &[SecretString], header: &str| {
        twilio::signature::verify(black_box(tokens), Some(header), URL, &body).is_ok()
    };
    criterion.bench_function("twilio signature, one token", |bencher| {
        bencher.iter(|| verify(&tokens[..1], &first));
    });
    criterion.bench_function("twilio signature, second of two tokens", |bencher| {
        bencher.iter(|| verify(&tokens, &last));
    });
    criterion.bench_function("twilio signature, forged", |bencher| {
        bencher.iter(|| verify(&tokens, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    });
}

fn genesys_signature(criterion: &mut Criterion) {
    let secrets = secrets();
    let header = genesys::signature::sign(&secrets[1], JSON);
    criterion.bench_function("genesys signature, two secrets", |bencher| {
        bencher
            .iter(|| genesys::signature::verify(black_box(&secrets), Some(&header), JSON).is_ok());
    });
}

criterion_group!(benches, twilio_signature, genesys_signature);
criterion_main!(benches);
