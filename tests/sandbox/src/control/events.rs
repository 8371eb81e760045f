//! `GET /sandbox/events`: server-sent events for the page. First `snapshot`, then one `update` for each change; a
//! listener that fell behind gets a snapshot again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::presets;
use crate::view::Update;
use crate::world::World;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) async fn stream(
    State(world): State<Arc<World>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stopped = world.stopped();
    let events = stream::unfold((world, None), |(world, updates)| async move {
        let (event, updates) = next(&world, updates).await?;
        Some((Ok(event), (world, Some(updates))))
    });
    // A page that stays open must not keep the sandbox from shutting down.
    Sse::new(events.take_until(stopped)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

async fn next(
    world: &World,
    updates: Option<Receiver<Update>>,
) -> Option<(Event, Receiver<Update>)> {
    let Some(mut updates) = updates else {
        return Some(snapshot(world));
    };
    match updates.recv().await {
        Ok(update) => Some((event("update", &update), updates)),
        Err(RecvError::Lagged(_)) => Some(snapshot(world)),
        Err(RecvError::Closed) => None,
    }
}

/// Everything as it stands, and the changes from there on.
fn snapshot(world: &World) -> (Event, Receiver<Update>) {
    let state = world.state();
    let updates = state.view.listen();
    let snapshot = state
        .view
        .snapshot(&world.options, presets::switches(&state.faults));
    (event("snapshot", &snapshot), updates)
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    event
        .json_data(data)
        .expect("what the page shows is plain data")
}
