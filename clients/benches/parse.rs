//! What it costs to read a webhook: Twilio's form and Genesys' JSON.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use genesys::WireProfile;
use messaging_bridge_clients::{genesys, twilio};
use twilio::FormFields;

const FORM: &[u8] = include_bytes!("inbound_sms.form");
const JSON: &[u8] = include_bytes!("outbound_text.json");

fn twilio_form(criterion: &mut Criterion) {
    criterion.bench_function("twilio inbound form", |bencher| {
        bencher.iter(|| twilio::parse_inbound(&FormFields::parse(black_box(FORM))));
    });
}

fn genesys_json(criterion: &mut Criterion) {
    criterion.bench_function("genesys outbound JSON", |bencher| {
        bencher.iter(|| genesys::parse_outbound(WireProfile::Current, black_box(JSON)));
    });
}

criterion_group!(benches, twilio_form, genesys_json);
criterion_main!(benches);
