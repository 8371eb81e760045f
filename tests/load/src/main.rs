//! The load scenario: what the relay does under load, measured against the relay's own binary.
//!
//! The generator is in this process, and so are both platforms ([`platforms`]): raw HTTP/1.1 on one thread, requests
//! signed before the clock starts, so that the two cores of a small machine are left to the relay. The relay runs as
//! a process of its own, with its data on a real disk.
//!
//! Guarantees: a figure is only printed when every count behind it was right (each answer 200, each accepted message
//! delivered exactly once and in the order of its lane); every run is bounded in count and time; the processes started
//! here end with it.
//!
//! It does not model the platforms: no faults, no status callbacks, and a limit only where that is measured. That is the sandbox's work.

mod baseline;
mod cli;
mod error;
mod fixture;
mod generate;
mod http1;
mod limit;
mod machine;
mod platforms;
mod process;
mod relay;
mod report;
mod requests;
mod scenario;
mod tally;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
