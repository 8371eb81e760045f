//! The relay under pressure: limits of both platforms, outages, a hostile public port, a failing disk, a wrong clock.

mod blocked;
mod budget;
mod clock;
mod disk;
mod outage;
mod port;

use messaging_bridge_sandbox::{Effect, Endpoint, Fault};
use serde_json::Value;

use crate::RELAY;

/// A fault that answers like this.
fn answers(endpoint: Endpoint, status: u16, body: Value) -> Fault {
    let effect = Effect::Status {
        status,
        body: Some(body),
    };
    Fault::new(endpoint, effect)
}

/// One direction of a status.
fn direction<'s>(status: &'s Value, name: &str) -> &'s Value {
    status["lanes"]
        .as_array()
        .and_then(|lanes| lanes.iter().find(|lane| lane["direction"] == name))
        .expect("the status lists both directions")
}

/// A customer's number.
fn customer(number: usize) -> String {
    format!("+1555766{number:04}")
}
