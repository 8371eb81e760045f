//! `dead-letters list | show | replay | purge`.

use comfy_table::{Table, presets};

use super::args::{DeadLettersCommand, WhichArgs};
use super::store::Store;
use super::{CliError, counted, say};
use crate::admin::control::{DeadLetterList, PurgeAnswer, ReplayAnswer, Shown};
use crate::outbox::{DeadLetter, DeadLetterId, LetterSelection};

/// Runs the command.
pub(super) async fn run(command: DeadLettersCommand) -> Result<(), CliError> {
    match command {
        DeadLettersCommand::List(place) => {
            let store = Store::find(&place).await?;
            let list: DeadLetterList = store.get("/dead-letters").await?;
            say(&table(list.dead_letters));
            store.close().await
        }
        DeadLettersCommand::Show { place, id, reveal } => {
            let store = Store::find(&place).await?;
            let shown: Shown = store
                .get(&format!("/dead-letters/{id}?reveal={reveal}"))
                .await?;
            say(&closely(&shown));
            store.close().await
        }
        DeadLettersCommand::Replay { place, which } => {
            let store = Store::find(&place).await?;
            let answer = store
                .post("/dead-letters/replay", &selection(&which))
                .await?;
            let told = appended(&answer);
            store.close().await?;
            told.map(|words| say(&words)).map_err(CliError::Failed)
        }
        DeadLettersCommand::Purge { place, which } => {
            let store = Store::find(&place).await?;
            let PurgeAnswer { purged } = store
                .post("/dead-letters/purge", &selection(&which))
                .await?;
            say(&format!("purged: {purged}"));
            store.close().await
        }
    }
}

/// What became of a replay; an error when not all had room.
fn appended(answer: &ReplayAnswer) -> Result<String, String> {
    let ReplayAnswer {
        lanes,
        messages,
        left,
    } = *answer;
    if messages + left == 0 {
        return Ok("there is nothing to append again".into());
    }
    let lanes = counted(lanes as u64, "lane");
    let appended = format!(
        "appended again: {} in {lanes}",
        counted(messages, "message")
    );
    if left == 0 {
        return Ok(appended);
    }
    let left = counted(left, "message");
    Err(format!(
        "{appended}; {left} stayed, since the queue has no room for more: replay again when it has drained"
    ))
}

fn selection(which: &WhichArgs) -> LetterSelection {
    match (which.id, which.lane_of) {
        (Some(id), _) => LetterSelection::One(DeadLetterId(id)),
        (None, Some(id)) => LetterSelection::LaneOf(DeadLetterId(id)),
        (None, None) => LetterSelection::All,
    }
}

fn table(letters: Vec<DeadLetter>) -> String {
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
        table.add_row([
            letter.id.0.to_string(),
            letter.direction.as_str().to_owned(),
            letter.customer,
            letter.reason,
            letter.died.to_string(),
            yes(letter.replayable).to_owned(),
            letter.sentence,
        ]);
    }
    table.to_string()
}

/// One dead letter, a line a fact; its text comes last, since it may have lines of its own.
fn closely(shown: &Shown) -> String {
    let letter = &shown.letter;
    let customer = shown.number.as_ref().unwrap_or(&letter.customer);
    let doubt = shown
        .in_doubt_since
        .map(|since| format!("not known whether it was sent, since {since}"));
    let text = match (&shown.text, shown.has_text) {
        (Some(text), _) => format!("\n{text}"),
        (None, true) => "kept; --reveal shows it, and the whole number".into(),
        (None, false) => "erased".into(),
    };
    let facts = [
        ("id", Some(letter.id.0.to_string())),
        ("direction", Some(letter.direction.as_str().to_owned())),
        ("customer", Some(customer.clone())),
        ("message", Some(shown.key.clone())),
        ("accepted", Some(letter.accepted.to_string())),
        ("died", Some(letter.died.to_string())),
        ("reason", Some(letter.reason.clone())),
        ("why", Some(letter.sentence.clone())),
        ("part", Some(shown.part.to_string())),
        ("in doubt", doubt),
        ("ours", Some(yes(shown.ours).to_owned())),
        ("replayable", Some(yes(letter.replayable).to_owned())),
        ("text", Some(text)),
    ];
    let lines: Vec<String> = facts
        .into_iter()
        .filter_map(|(name, fact)| fact.map(|fact| format!("{name:<11} {fact}")))
        .collect();
    lines.join("\n")
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_says_how_many_messages_went_and_which_stayed_and_why() {
        let of = |lanes, messages, left| {
            appended(&ReplayAnswer {
                lanes,
                messages,
                left,
            })
        };
        let nothing = "there is nothing to append again".to_owned();
        assert_eq!(of(0, 0, 0), Ok(nothing));
        assert_eq!(
            of(1, 1, 0),
            Ok("appended again: 1 message in 1 lane".to_owned())
        );
        assert_eq!(
            of(2, 7, 0),
            Ok("appended again: 7 messages in 2 lanes".to_owned())
        );
        let refused = of(1, 3, 1).expect_err("one stays");
        let begins =
            "appended again: 3 messages in 1 lane; 1 message stayed, since the queue has no room";
        assert!(refused.starts_with(begins), "{refused}");
    }
}
