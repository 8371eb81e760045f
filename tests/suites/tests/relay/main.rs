//! The relay as a process against both simulated platforms. One binary for all: its tests spend their time waiting, so
//! that many run side by side (`make test` says how many).

mod answers;
mod commands;
mod crash;
mod dead_letters;
mod demo;
mod gaps;
mod gaps_untrue;
mod moving;
mod observed;
mod planted;
mod power;
mod pressure;
mod receipts;
mod rotation;
mod settling;
mod statuses;
mod storm;
mod trouble;
mod truthful;
mod unresolved;
mod way_of_a_message;

/// The real relay, with the named steps and planted faults compiled in.
const RELAY: &str = env!("CARGO_BIN_EXE_relay-under-test");
