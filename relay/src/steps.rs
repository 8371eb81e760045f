//! Named steps on the way of a message, at which the crash suite kills the process and the mutation suite plants its
//! faults. The lists are data: a test finds every `fail_point!` of the relay in one of them, and the crash suite meets
//! every step of [`STEPS`].
//!
//! Without the feature `failpoints` (every released binary) all of this compiles to nothing. With it, the
//! environment variable `MB_STEP=NAME[:SKIP]` makes the process announce, on standard error, that it stands at step
//! NAME (after passing it SKIP times) and hold there for [`HOLD`], so that a test can end it inside that step. Planted
//! faults are ordinary failpoints, set through `FAILPOINTS`.

/// Every step that a process can be killed in, roughly in the order in which a message meets them.
pub const STEPS: [&str; 19] = [
    // A webhook was verified and read; nothing is stored.
    "accept",
    // A message and its key are in the transaction.
    "append",
    // The transaction of a group is complete, not committed.
    "commit",
    // It is committed and synced; nobody was told.
    "committed",
    // The webhook is about to be answered.
    "acknowledge",
    // What Twilio's list has of a customer and lacked is in the transaction.
    "heal",
    // An attempt mark is in the transaction.
    "mark",
    // Marked; the POST to Twilio is about to begin.
    "send",
    // A platform has answered; nothing is recorded.
    "answer",
    // The mark of an attempt that sent nothing is removed, in the transaction.
    "clear",
    // A part that Twilio took is recorded, in the transaction.
    "record",
    // A retry time is recorded, in the transaction.
    "defer",
    // A message is complete and erased, in the transaction.
    "complete",
    // A message is a dead letter, in the transaction.
    "bury",
    // A lost answer is about to be looked up in Twilio's list.
    "look-up",
    // A status callback raised a send's rank, in the transaction.
    "callback",
    // A receipt is about to be posted.
    "receipt",
    // A posted receipt is recorded, in the transaction.
    "told",
    // The log is about to be written back into the main file and cut.
    "write-back",
];

/// Failpoints that are no steps: planted faults, each of which some suite must notice, and `hurry-write-back`, which
/// has the log cut all the time, so that short runs meet that step too.
pub const PLANTED: [&str; 7] = [
    "fault-answer-before-commit",
    "fault-disk",
    "fault-key-in-another-transaction",
    "fault-lane-order-ignored",
    "fault-number-in-log",
    "fault-synchronous-off",
    "hurry-write-back",
];

/// How long a process that was told to hold at a step stays there.
pub const HOLD: std::time::Duration = std::time::Duration::from_millis(150);

/// Installs the step that `MB_STEP` names; does nothing in a released binary.
#[cfg(feature = "failpoints")]
pub fn install_from_environment() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    std::mem::forget(fail::FailScenario::setup());
    let Ok(wanted) = std::env::var("MB_STEP") else {
        return;
    };
    let (name, skip) = wanted.split_once(':').unwrap_or((&wanted, "0"));
    let left = AtomicUsize::new(skip.parse().unwrap_or(0));
    let announced = name.to_owned();
    let _ = fail::cfg_callback(name, move || {
        if left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_err()
        {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "step {announced}");
            std::thread::sleep(HOLD);
        }
    });
}

/// Installs the step that `MB_STEP` names; does nothing in a released binary.
#[cfg(not(feature = "failpoints"))]
pub fn install_from_environment() {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("the sources can be listed").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }

    /// The name of every failpoint in a source.
    fn names(source: &str) -> impl Iterator<Item = &str> {
        source
            .split(concat!("fail_", "point!("))
            .skip(1)
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
    }

    #[test]
    fn every_failpoint_in_the_code_is_in_a_list_and_every_listed_one_is_in_the_code() {
        let mut files = Vec::new();
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut files,
        );
        let texts: Vec<String> = files
            .iter()
            .map(|path| fs::read_to_string(path).expect("a source is text"))
            .collect();
        let found: BTreeSet<&str> = texts.iter().flat_map(|text| names(text)).collect();
        let listed: BTreeSet<&str> = STEPS.into_iter().chain(PLANTED).collect();
        assert_eq!(found, listed);
        assert_eq!(
            listed.len(),
            STEPS.len() + PLANTED.len(),
            "a name is listed twice"
        );
    }
}
