//! The relay's own `main`, built with the feature `failpoints`.

use std::process::ExitCode;

fn main() -> ExitCode {
    messaging_bridge_relay::cli::main()
}
