//! The command line: `run`, `check`, and the commands that look into the outbox or change it.
//!
//! Exit codes: 0 all is well; 1 `check` found something wrong, or a command failed while it ran; 2 the command line,
//! the manifest or a Secret cannot be used.

mod args;
mod check;
mod check_platforms;
mod dead_letters;
mod forget;
mod logging;
mod moving;
mod platforms;
mod run;
mod serve;
mod store;

use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Arguments, Command};

/// A failure, already with the words for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// What was given cannot be used: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It went wrong on the way: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    fn usage(error: &impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    fn failed(error: &impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

/// The process: reads the command line, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    crate::steps::install_from_environment();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return end(&CliError::failed(&error)),
    };
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Run(run) => {
                logging::install(run.log_format);
                run::run(run).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Check(check) => check::check(check).await,
            Command::DeadLetters(command) => done(dead_letters::run(command).await),
            Command::Forget(arguments) => done(forget::run(arguments).await),
            Command::Export(arguments) => done(moving::export(arguments).await),
            Command::Import(arguments) => done(moving::import(&arguments)),
        }
    });
    match result {
        Ok(code) => code,
        Err(error) => end(&error),
    }
}

fn done(result: Result<(), CliError>) -> Result<ExitCode, CliError> {
    result.map(|()| ExitCode::SUCCESS)
}

fn end(error: &CliError) -> ExitCode {
    warn(&format!("error: {error}"));
    error.exit_code()
}

#[expect(
    clippy::print_stdout,
    reason = "what the command was asked for goes to standard output"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "what goes beside the answer goes to standard error"
)]
fn warn(text: &str) {
    eprintln!("{text}");
}

/// A number of things.
fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}
