//! Commands that people use too (`kubectl`, `helm`, `ctr`): run, and what they said.

use std::fmt;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::ClusterError;

/// What a command said, and whether it succeeded.
#[derive(Debug, Clone)]
#[must_use = "a command that failed is no error until `ok` is called"]
pub struct Output {
    /// The command as it would be typed.
    pub command: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Output {
    /// Its standard output when it succeeded, else the error with all it said.
    pub fn ok(self) -> Result<String, ClusterError> {
        if self.succeeded() {
            Ok(self.stdout)
        } else {
            Err(ClusterError::Command(Box::new(self)))
        }
    }

    /// Its standard error when it failed as expected, else the error that it did not.
    pub fn refused(self) -> Result<String, ClusterError> {
        if self.succeeded() {
            Err(ClusterError::Command(Box::new(self)))
        } else {
            Ok(self.stderr)
        }
    }

    /// Whether its exit code was 0.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "`{}` ended with {code}", self.command)?,
            None => write!(f, "`{}` was killed", self.command)?,
        }
        for text in [&self.stderr, &self.stdout] {
            if !text.trim().is_empty() {
                write!(f, "\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// Runs a command to its end, with `input` as its standard input. It is killed when the future is dropped.
pub(crate) async fn run(mut command: Command, input: Option<&str>) -> Result<Output, ClusterError> {
    let said = typed(&command);
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(ClusterError::io(&said))?;
    if let Some(mut pipe) = child.stdin.take() {
        let input = input.unwrap_or_default().as_bytes().to_vec();
        // Apart, as the command may answer before it has read all; one that reads nothing says so by its exit code.
        tokio::spawn(async move { pipe.write_all(&input).await });
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(ClusterError::io(&said))?;
    Ok(Output {
        command: said,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn typed(command: &Command) -> String {
    let command = command.as_std();
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    std::iter::once(name)
        .chain(
            command
                .get_args()
                .map(|arg| arg.to_string_lossy().into_owned()),
        )
        .collect::<Vec<_>>()
        .join(" ")
}
