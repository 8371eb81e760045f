//! What a long history costs: append, duplicate, lease and completion, and opening again, beside the same without any.
//!
//! The history is made of messages that were taken in and delivered: a million of them, or as many as `HISTORY` says.
//! Each figure should stay within twice the one of the empty outbox.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use messaging_bridge_relay::clock::{Clock as _, SystemClock};
use messaging_bridge_relay::message::CustomerId;
use messaging_bridge_relay::outbox::sqlite::SqliteOutbox;
use messaging_bridge_relay::outbox::{
    Appended, DedupKey, Direction, Identity, LaneKey, NewRow, Order, Outbox, Seq,
};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Customers that write.
const CUSTOMERS: u64 = 5000;
/// Tasks that make the history.
const MAKERS: usize = 256;

fn identity() -> Identity {
    Identity {
        sender: "+15551230000".into(),
        genesys_host: "api.mypurecloud.com".into(),
        integration_name: "sms".into(),
        integration_id: None,
    }
}

fn lane(number: u64) -> LaneKey {
    let customer = CustomerId::new(format!("+1555{:07}", number % CUSTOMERS));
    LaneKey::new(Direction::Inbound, &customer)
}

fn row(number: u64) -> NewRow {
    // Spread over the keys as Twilio's SIDs are.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    NewRow {
        lane: lane(number),
        key: DedupKey {
            text: format!("twilio/SM{spread:016x}{number:016x}"),
            life: Duration::from_hours(30 * 24),
        },
        order: Order::Arrival,
        accepted: SystemClock.now(),
        payload: vec![b'x'; 300],
        genesys_id: None,
    }
}

async fn stored(outbox: &SqliteOutbox, number: u64) -> Seq {
    match outbox.append(row(number)).await.expect("the disk takes it") {
        Appended::Stored(seq) => seq,
        Appended::Duplicate => panic!("no key comes twice"),
    }
}

fn open(home: &Path) -> Arc<SqliteOutbox> {
    let outbox = SqliteOutbox::open(home, &identity(), u64::MAX, Arc::new(SystemClock));
    Arc::new(outbox.expect("the directory can be opened"))
}

async fn make(outbox: &Arc<SqliteOutbox>, history: u64) {
    let mut makers = JoinSet::new();
    for maker in 0..MAKERS {
        let outbox = Arc::clone(outbox);
        makers.spawn(async move {
            for number in (0..history).skip(maker).step_by(MAKERS) {
                let seq = stored(&outbox, number).await;
                outbox.complete(seq).await.expect("the disk takes it");
            }
        });
    }
    makers.join_all().await;
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, history: u64) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let home = tempfile::tempdir_in(scratch).expect("the target directory can be written");
    let outbox = open(home.path());
    runtime.block_on(make(&outbox, history));
    let mut next = 1 << 40;
    let mut group = criterion.benchmark_group("history");
    group.sample_size(20);
    group.bench_function(
        BenchmarkId::new("append, lease, complete", history),
        |bencher| {
            bencher.iter(|| {
                next += 1;
                runtime.block_on(async {
                    let seq = stored(&outbox, next).await;
                    let head = outbox.head(&lane(next)).await.expect("the disk is read");
                    assert_eq!(head.map(|head| head.seq), Some(seq));
                    outbox.complete(seq).await.expect("the disk takes it");
                });
            });
        },
    );
    group.bench_function(BenchmarkId::new("64 appends at once", history), |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let appends = (1..=64).map(|n| {
                    let (outbox, number) = (Arc::clone(&outbox), next + n);
                    async move { stored(&outbox, number).await }
                });
                let seqs = futures_util::future::join_all(appends).await;
                let ends = seqs.into_iter().map(|seq| outbox.complete(seq));
                futures_util::future::join_all(ends).await;
            });
            next += 64;
        });
    });
    group.bench_function(BenchmarkId::new("duplicate", history), |bencher| {
        bencher.iter(|| {
            let again = runtime.block_on(outbox.append(row(next)));
            assert!(matches!(again, Ok(Appended::Duplicate)));
        });
    });
    runtime.block_on(outbox.close()).expect("it can be closed");
    drop(outbox);
    group.bench_function(BenchmarkId::new("open and close", history), |bencher| {
        bencher.iter(|| {
            let outbox = open(home.path());
            runtime.block_on(outbox.close()).expect("it can be closed");
        });
    });
    group.finish();
}

fn histories(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be made");
    let long = std::env::var("HISTORY")
        .ok()
        .and_then(|text| text.parse().ok());
    for history in [0, long.unwrap_or(1_000_000)] {
        measure(criterion, &runtime, history);
    }
}

criterion_group!(benches, histories);
criterion_main!(benches);
