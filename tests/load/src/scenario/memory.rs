//! The relay's memory: idle after its start, with many messages waiting, and some seconds after load both ways.
//!
//! Messages are kept waiting by a refused Genesys client; rotating its secret lets them go, and each must arrive
//! exactly once.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, Size};
use crate::error::LoadError;
use crate::generate::closed_loop;
use crate::platforms::{Direction, Platforms};
use crate::process::Memory;
use crate::relay::Place;
use crate::report::{self, Figure};
use crate::requests::Requests;

/// Idle, in KiB: 10 MB.
const AIM_KIB: u64 = 10_000_000 / 1024;
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>, LoadError> {
    let Size {
        waiting,
        outbound,
        settle,
        ..
    } = bench.size;
    let [few, many] = waiting;
    let texts = Arc::new(Requests::of_customers(many));
    let replies = Arc::new(Requests::of_agents(outbound));
    let platforms = Platforms::start(many, outbound).await?;
    let place = Place::prepare(&bench.data_dir)?;
    let relay = place.start(&bench.relay, &platforms).await?;
    tokio::time::sleep(settle).await;
    let idle = relay.memory()?;

    platforms.refuse_tokens(true);
    closed_loop(relay.public, &texts, 0..few).await?;
    relay.expect_waiting(Direction::In, few).await?;
    let with_few = relay.memory()?;
    closed_loop(relay.public, &texts, few..many).await?;
    relay.expect_waiting(Direction::In, many).await?;
    let with_many = relay.memory()?;

    platforms.refuse_tokens(false);
    place.rotate_client_secret()?;
    platforms
        .tally(Direction::In)
        .reaches(many, PATIENCE)
        .await?;
    closed_loop(relay.public, &replies, 0..outbound).await?;
    platforms
        .tally(Direction::Out)
        .reaches(outbound, PATIENCE)
        .await?;
    relay.drained().await?;
    platforms.verify()?;
    tokio::time::sleep(settle).await;
    let after = relay.memory()?;
    relay.kill().await?;

    let texts = |memory: Memory| {
        let (resident, anonymous) = (memory.resident, memory.anonymous);
        format!(
            "{}, {}",
            report::megabytes(resident),
            report::megabytes(anonymous)
        )
    };
    let seconds = settle.as_secs();
    Ok(vec![
        Figure::new(
            format!("idle, {seconds} s after the start: resident, of it anonymous"),
            texts(idle),
        )
        .aimed("below 10 MB", idle.resident < AIM_KIB),
        Figure::new(format!("with {few} messages waiting"), texts(with_few)),
        Figure::new(format!("with {many} messages waiting"), texts(with_many)),
        Figure::new(format!("{seconds} s after load both ways"), texts(after)),
    ])
}
