//! `forget`: erases one customer, and says what it kept.

use messaging_bridge_clients::twilio::E164;

use super::args::ForgetArgs;
use super::store::Store;
use super::{CliError, counted, say};
use crate::admin::control::ForgetRequest;
use crate::message::CustomerId;
use crate::outbox::Forgotten;

/// What stays, whoever is forgotten.
const KEPT: &str = "kept: ids of messages and sends, without number and text, for up to 30 days, so that repetitions \
                    and late callbacks are recognised; log lines, where the number is masked; what the two platforms, \
                    exports and backups of the volume hold";

/// Runs the command.
pub(super) async fn run(arguments: ForgetArgs) -> Result<(), CliError> {
    let customer = customer(&arguments)?;
    let store = Store::find(&arguments.place).await?;
    let forgotten: Forgotten = store.post("/forget", &ForgetRequest { customer }).await?;
    say(&told(&forgotten));
    store.close().await
}

fn customer(arguments: &ForgetArgs) -> Result<CustomerId, CliError> {
    let given = arguments.number.trim();
    if given.is_empty() {
        return Err(CliError::Usage(
            "the number is empty: give the customer's number, or with --opaque the short code or name".into(),
        ));
    }
    if !arguments.opaque && given.parse::<E164>().is_err() {
        return Err(CliError::Usage(
            "the number is not in E.164 form, like +15551230000; for a short code or a name, add --opaque".into(),
        ));
    }
    Ok(CustomerId::new(given))
}

fn told(forgotten: &Forgotten) -> String {
    let Forgotten {
        waiting,
        under_way,
        dead_letters,
        receipts,
        contact,
    } = forgotten;
    if *forgotten == Forgotten::default() {
        return format!("nothing of this customer was here\n{KEPT}");
    }
    let contact = if *contact {
        ", the time of the last text"
    } else {
        ""
    };
    let mut lines = vec![format!(
        "erased: {}, {}, {}{contact}",
        counted(*waiting, "waiting message"),
        counted(*dead_letters, "dead letter"),
        counted(*receipts, "receipt"),
    )];
    if *under_way > 0 {
        lines.push(format!(
            "of the messages {under_way} had been handed to Twilio without a known answer: the customer may get them"
        ));
    }
    lines.push(KEPT.into());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "nothing",
        Forgotten::default(),
        "nothing of this customer was here\nkept: "
    )]
    #[case(
        "everything",
        Forgotten { waiting: 2, under_way: 1, dead_letters: 3, receipts: 4, contact: true },
        "erased: 2 waiting messages, 3 dead letters, 4 receipts, the time of the last text\nof the messages 1 had been"
    )]
    fn what_was_erased_and_what_was_kept_is_said(
        #[case] case: &str,
        #[case] forgotten: Forgotten,
        #[case] begins: &str,
    ) {
        let words = told(&forgotten);
        assert!(words.starts_with(begins), "{case}: {words}");
        assert!(words.contains(KEPT), "{case}: {words}");
    }
}
