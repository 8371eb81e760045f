//! `check`: what is right and wrong, as a table with the fix beside each finding.
//!
//! Reads only: nothing is changed on either platform.

use std::process::ExitCode;

use comfy_table::{Table, presets};

use super::args::CheckArgs;
use super::check_platforms;
use super::{CliError, say};
use crate::secrets::SecretsPlace;
use crate::settings::Settings;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should be.
    Right,
    /// It works, but could be better.
    Advice,
    /// It must be mended.
    Wrong,
    /// It could not be checked, because something before it is wrong.
    Skipped,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Right => "ok",
            Self::Advice => "advice",
            Self::Wrong => "WRONG",
            Self::Skipped => "-",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) outcome: Outcome,
    pub(super) says: String,
}

impl Finding {
    pub(super) fn right(what: &'static str, says: impl Into<String>) -> Self {
        Self {
            what,
            outcome: Outcome::Right,
            says: says.into(),
        }
    }

    pub(super) fn advice(what: &'static str, says: impl Into<String>) -> Self {
        Self {
            what,
            outcome: Outcome::Advice,
            says: says.into(),
        }
    }

    pub(super) fn wrong(what: &'static str, says: impl Into<String>) -> Self {
        Self {
            what,
            outcome: Outcome::Wrong,
            says: says.into(),
        }
    }

    pub(super) fn skipped(what: &'static str) -> Self {
        Self {
            what,
            outcome: Outcome::Skipped,
            says: "not checked: see above".into(),
        }
    }
}

/// Checks everything and prints the table. Exit code 1 when something is wrong, 2 when there is nothing to check with.
pub(super) async fn check(arguments: CheckArgs) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration;
    let settings = match Settings::load(&configuration.source(), &configuration.base_urls()) {
        Ok(settings) => settings,
        Err(error) => {
            say(&table(&[Finding::wrong("manifest", error.to_string())]));
            return Ok(ExitCode::from(2));
        }
    };
    let mut findings = vec![Finding::right(
        "manifest",
        format!("{} is valid", settings.bridge),
    )];
    let place = SecretsPlace {
        directory: configuration.secrets,
        genesys: settings.genesys_secret.clone(),
        twilio: settings.twilio_secret.clone(),
        salt: settings.bridge.clone(),
    };
    let code = match place.load() {
        Ok(secrets) => {
            findings.push(Finding::right("Secrets", "all keys are there"));
            findings.extend(check_platforms::check(&settings, &secrets).await?);
            let wrong = findings
                .iter()
                .any(|finding| finding.outcome == Outcome::Wrong);
            if wrong {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            findings.push(Finding::wrong("Secrets", error.to_string()));
            ExitCode::from(2)
        }
    };
    say(&table(&findings));
    Ok(code)
}

fn table(findings: &[Finding]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["CHECK", "RESULT", "DETAIL"]);
    for finding in findings {
        table.add_row([finding.what, finding.outcome.word(), &finding.says]);
    }
    table.to_string()
}
