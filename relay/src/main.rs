//! The relay's process: everything is in the library; this file only hands over the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    messaging_bridge_relay::cli::main()
}
