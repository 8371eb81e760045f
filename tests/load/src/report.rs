//! The figures, as a table for the terminal and as Markdown for the documentation.

use std::fs;
use std::path::Path;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};

use crate::error::LoadError;
use crate::machine::Machine;

/// The line before the figures in the document.
const BEGIN: &str = "<!-- figures: begin (written by `make bench`) -->";
/// The line after them.
const END: &str = "<!-- figures: end -->";
/// Others using more of the machine than this disturb a measurement, in percent.
const DISTURBED_PERCENT: u64 = 5;

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What is measured.
    pub(crate) measure: String,
    /// What came out, with its unit.
    pub(crate) result: String,
    /// What it was to be, and whether it is.
    pub(crate) aim: Option<(&'static str, bool)>,
}

impl Figure {
    /// A figure without an aim.
    pub(crate) fn new(measure: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            measure: measure.into(),
            result: result.into(),
            aim: None,
        }
    }

    /// A figure with one.
    pub(crate) fn aimed(self, aim: &'static str, met: bool) -> Self {
        Self {
            aim: Some((aim, met)),
            ..self
        }
    }

    fn aim_text(&self) -> String {
        self.aim.map_or_else(String::new, |(aim, met)| {
            format!("{aim}: {}", if met { "met" } else { "missed" })
        })
    }
}

/// The figures of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Its name.
    pub(crate) scenario: &'static str,
    /// Its figures.
    pub(crate) figures: Vec<Figure>,
    /// The share of the machine's CPU time that went to others meanwhile, in percent.
    pub(crate) others_percent: u64,
}

/// Everything that was measured, and where.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The machine.
    pub(crate) machine: Machine,
    /// The day, as `2026-01-31`.
    pub(crate) day: String,
    /// By scenario.
    pub(crate) measured: Vec<Measured>,
}

impl Report {
    /// For a terminal.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(["Scenario", "Measure", "Result", "Aim"]);
        for (scenario, figure) in self.rows() {
            table.add_row([
                scenario,
                &figure.measure,
                &figure.result,
                &figure.aim_text(),
            ]);
        }
        format!("{}\n{table}\n{}", self.place(), self.disturbance())
    }

    /// For the documentation.
    pub(crate) fn markdown(&self) -> String {
        let mut rows = String::from("| Scenario | Measure | Result | Aim |\n|---|---|---|---|\n");
        for (scenario, figure) in self.rows() {
            let cells = [
                scenario,
                &figure.measure,
                &figure.result,
                &figure.aim_text(),
            ];
            rows.extend(["| ", &cells.join(" | "), " |\n"]);
        }
        format!("{}\n\n{rows}\n{}", self.place(), self.disturbance())
    }

    /// Each figure, with its scenario's name before the first of it.
    fn rows(&self) -> impl Iterator<Item = (&'static str, &Figure)> {
        self.measured.iter().flat_map(|measured| {
            let names = std::iter::once(measured.scenario).chain(std::iter::repeat(""));
            names.zip(&measured.figures)
        })
    }

    fn place(&self) -> String {
        let Machine {
            processor,
            cores,
            kernel,
            file_system,
            sync,
            sync_p99,
        } = &self.machine;
        format!(
            "Measured on {} with version {}: {processor}, {cores} cores, Linux {kernel}, {file_system}; writing and \
             syncing a page takes {} ({} at p99).",
            self.day,
            env!("CARGO_PKG_VERSION"),
            millis(*sync),
            millis(*sync_p99),
        )
    }

    fn disturbance(&self) -> String {
        let shares: Vec<String> = self
            .measured
            .iter()
            .map(|measured| format!("{} {} %", measured.scenario, measured.others_percent))
            .collect();
        let disturbed = self
            .measured
            .iter()
            .any(|measured| measured.others_percent > DISTURBED_PERCENT);
        let verdict = if disturbed {
            " **The machine did other work meanwhile: take these figures again.**"
        } else {
            ""
        };
        format!(
            "CPU time of the machine that others used meanwhile: {}.{verdict}",
            shares.join(", ")
        )
    }

    /// Puts the figures between the markers of a document.
    pub(crate) fn write_into(&self, path: &Path) -> Result<(), LoadError> {
        let failed = |source| LoadError::File {
            path: path.to_owned(),
            source,
        };
        let document = fs::read_to_string(path).map_err(failed)?;
        let renewed = between_markers(&document, &self.markdown()).ok_or(LoadError::NoMarkers {
            path: path.to_owned(),
            begin: BEGIN,
            end: END,
        })?;
        fs::write(path, renewed).map_err(failed)
    }
}

fn between_markers(document: &str, figures: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}

/// A rate, like `21,300/s`.
pub(crate) fn rate(per_second: f64) -> String {
    format!("{}/s", thousands(&format!("{per_second:.0}")))
}

/// A duration in milliseconds, like `0.34 ms`.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// CPU time a message, like `81 µs`.
pub(crate) fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}

/// Memory, like `8.9 MB`; a megabyte is 10^6 bytes.
pub(crate) fn megabytes(kib: u64) -> String {
    let tenths = kib * 1024 / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(rate(999.6), "1,000/s");
        assert_eq!(rate(26_383.2), "26,383/s");
        assert_eq!(rate(12.0), "12/s");
        assert_eq!(megabytes(9_000), "9.2 MB");
        assert_eq!(millis(Duration::from_micros(1_234)), "1.23 ms");
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let renewed = between_markers(&document, "new");
        assert_eq!(
            renewed,
            Some(format!("before\n{BEGIN}\nnew\n{END}\nafter\n"))
        );
        assert_eq!(between_markers("nothing", "new"), None);
    }
}
