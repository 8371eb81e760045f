//! `messaging-bridge-operator`: the operator as a process.

use std::process::ExitCode;

use clap::Parser as _;
use messaging_bridge_operator::cli::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Cli::parse()).await
}
