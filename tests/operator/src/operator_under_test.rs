//! The operator's own `main`, built with these suites, so that none of them runs an older one.

use std::process::ExitCode;

use clap::Parser as _;
use messaging_bridge_operator::cli::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Cli::parse()).await
}
