//! `dead-letters list | replay`: asks the running relay, and opens the data directory itself only when none runs.

use std::sync::Arc;

use comfy_table::{Table, presets};
use serde::Deserialize;

use super::CliError;
use super::args::{DeadLettersArgs, DeadLettersCommand};
use super::platforms::USER_AGENT;
use crate::admin::control::{LIST_LIMIT, ReplayAnswer, ReplayRequest};
use crate::clock::SystemClock;
use crate::outbox::Outbox;
use crate::outbox::sqlite::SqliteOutbox;

/// A dead letter as the control listener lists it; the fields that the table shows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: i64,
    direction: String,
    customer: String,
    reason: String,
    sentence: String,
    died: String,
    replayable: bool,
}

#[derive(Debug, Deserialize)]
struct List {
    dead_letters: Vec<Listed>,
}

/// Runs the command.
pub(super) async fn run(command: DeadLettersCommand) -> Result<(), CliError> {
    match command {
        DeadLettersCommand::List(place) => {
            say(&table(list(&place).await?));
        }
        DeadLettersCommand::Replay { place, id, all: _ } => {
            let lanes = replay(&place, &ReplayRequest { id }).await?;
            match (lanes, id) {
                (0, Some(id)) => {
                    return Err(CliError::Failed(format!(
                        "no dead letter {id} can be appended again; see `dead-letters list`"
                    )));
                }
                (0, None) => say("there is nothing to append again"),
                (1, _) => say("appended again, in 1 lane"),
                (lanes, _) => say(&format!("appended again, in {lanes} lanes")),
            }
        }
    }
    Ok(())
}

async fn list(place: &DeadLettersArgs) -> Result<Vec<Listed>, CliError> {
    if let Some(answer) = ask(place, None).await? {
        return Ok(read::<List>(&answer)?.dead_letters);
    }
    let letters = open(place)?
        .dead_letters(LIST_LIMIT)
        .await
        .map_err(|error| CliError::failed(&error))?;
    let json = serde_json::to_value(letters).map_err(|error| CliError::failed(&error))?;
    serde_json::from_value(json).map_err(|error| CliError::failed(&error))
}

async fn replay(place: &DeadLettersArgs, request: &ReplayRequest) -> Result<usize, CliError> {
    if let Some(answer) = ask(place, Some(request)).await? {
        return Ok(read::<ReplayAnswer>(&answer)?.lanes);
    }
    let outbox = open(place)?;
    let lanes = outbox
        .replay(request.selection())
        .await
        .map_err(|error| CliError::failed(&error))?;
    outbox
        .close()
        .await
        .map_err(|error| CliError::failed(&error))?;
    Ok(lanes.len())
}

/// Asks the running relay; `None` when nobody listens.
async fn ask(
    place: &DeadLettersArgs,
    replay: Option<&ReplayRequest>,
) -> Result<Option<String>, CliError> {
    let client = messaging_bridge_clients::http::client(USER_AGENT)
        .map_err(|error| CliError::failed(&error))?;
    let base = format!("http://{}/dead-letters", place.control);
    let request = match replay {
        None => client.get(base),
        Some(body) => client.post(format!("{base}/replay")).json(body),
    };
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Ok(None),
        Err(error) => return Err(CliError::failed(&error)),
    };
    let status = response.status();
    let text = response
        .text()
        .await
        .map_err(|error| CliError::failed(&error))?;
    if status.is_success() {
        Ok(Some(text))
    } else {
        Err(CliError::Failed(text))
    }
}

fn read<T: for<'de> Deserialize<'de>>(answer: &str) -> Result<T, CliError> {
    serde_json::from_str(answer).map_err(|error| CliError::failed(&error))
}

/// Opens the data directory of a relay that does not run.
fn open(place: &DeadLettersArgs) -> Result<SqliteOutbox, CliError> {
    SqliteOutbox::open_existing(&place.data_dir, Arc::new(SystemClock)).map_err(|error| {
        CliError::Usage(format!(
            "no relay listens on {}, and its data cannot be opened: {error}",
            place.control
        ))
    })
}

fn table(letters: Vec<Listed>) -> String {
    if letters.is_empty() {
        return "no dead letters".into();
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "ID",
        "DIRECTION",
        "CUSTOMER",
        "REASON",
        "DIED",
        "REPLAYABLE",
        "WHY",
    ]);
    for letter in letters {
        let replayable = if letter.replayable { "yes" } else { "no" };
        table.add_row([
            letter.id.to_string(),
            letter.direction,
            letter.customer,
            letter.reason,
            letter.died,
            replayable.to_owned(),
            letter.sentence,
        ]);
    }
    table.to_string()
}

#[expect(
    clippy::print_stdout,
    reason = "what the command was asked for goes to standard output"
)]
fn say(text: &str) {
    println!("{text}");
}
