//! The command line: `run`, `check` and `dead-letters`.
//!
//! Exit codes: 0 all is well; 1 `check` found something wrong, or a command failed while it ran; 2 the command line,
//! the manifest or a Secret cannot be used.

mod args;
mod check;
mod check_platforms;
mod dead_letters;
mod logging;
mod platforms;
mod run;
mod serve;

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
            Command::DeadLetters(dead_letters) => dead_letters::run(dead_letters)
                .await
                .map(|()| ExitCode::SUCCESS),
        }
    });
    match result {
        Ok(code) => code,
        Err(error) => end(&error),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the last words of a process go to its standard error"
)]
fn end(error: &CliError) -> ExitCode {
    eprintln!("error: {error}");
    error.exit_code()
}
