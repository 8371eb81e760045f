//! What a durable append costs: one alone, and 16 or 64 at once, each answered after its commit with fsync.
//!
//! The data directory is below `target/`, on the disk that the checkout is on: on a tmpfs an fsync costs nothing and
//! the figures would mean nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use messaging_bridge_clients::twilio::MessageSid;
use messaging_bridge_relay::clock::{Clock as _, SystemClock};
use messaging_bridge_relay::message::{CustomerId, InboundText, Message};
use messaging_bridge_relay::outbox::sqlite::SqliteOutbox;
use messaging_bridge_relay::outbox::{
    Appended, DedupKey, Direction, Identity, LaneKey, NewRow, Order, Outbox,
};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Appends per task and round: long enough that starting the tasks does not count.
const EACH: u64 = 64;
/// Customers that write at the same time.
const CUSTOMERS: u64 = 5000;

fn identity() -> Identity {
    Identity {
        sender: "+15551230000".into(),
        genesys_host: "api.mypurecloud.com".into(),
        integration_name: "sms".into(),
        integration_id: None,
    }
}

/// The row of a usual text, as the webhook of Twilio makes it.
fn row(number: u64) -> NewRow {
    // Spread over the keys as Twilio's SIDs are.
    let sid = format!(
        "SM{:032x}",
        u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(number)
    );
    let customer = CustomerId::new(format!("+1555{:07}", number % CUSTOMERS));
    let text = InboundText {
        sid: MessageSid::new(sid.clone()),
        customer: customer.clone(),
        our_number: "+15551230000".into(),
        text: "Hello, my order has not arrived yet. Could somebody have a look, please?".into(),
        attributes: [
            ("twilioTo".to_owned(), "+15551230000".to_owned()),
            ("twilioMessageSid".to_owned(), sid.clone()),
        ]
        .into(),
    };
    NewRow {
        lane: LaneKey::new(Direction::Inbound, &customer),
        key: DedupKey {
            text: format!("twilio/{sid}"),
            life: Duration::from_hours(30 * 24),
        },
        order: Order::Arrival,
        accepted: SystemClock.now(),
        payload: Message::InboundText(text).to_stored(),
        genesys_id: None,
    }
}

async fn append(outbox: Arc<SqliteOutbox>, next: Arc<AtomicU64>) {
    for _ in 0..EACH {
        let appended = outbox
            .append(row(next.fetch_add(1, Ordering::Relaxed)))
            .await
            .expect("the disk takes it");
        assert!(
            matches!(appended, Appended::Stored(_)),
            "no key comes twice"
        );
    }
}

fn appends(criterion: &mut Criterion) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let runtime = Runtime::new().expect("a runtime can be made");
    let mut group = criterion.benchmark_group("append");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(10));
    for tasks in [1, 16, 64] {
        let home = tempfile::tempdir_in(scratch).expect("the target directory can be written");
        let outbox = SqliteOutbox::open(home.path(), &identity(), u64::MAX, Arc::new(SystemClock));
        let outbox = Arc::new(outbox.expect("an empty directory can be opened"));
        let next = Arc::new(AtomicU64::new(0));
        group.throughput(Throughput::Elements(tasks * EACH));
        group.bench_function(BenchmarkId::new("concurrent", tasks), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let mut running = JoinSet::new();
                    for _ in 0..tasks {
                        running.spawn(append(Arc::clone(&outbox), Arc::clone(&next)));
                    }
                    running.join_all().await;
                });
            });
        });
        runtime
            .block_on(outbox.close())
            .expect("the outbox can be closed");
    }
    group.finish();
}

criterion_group!(benches, appends);
criterion_main!(benches);
