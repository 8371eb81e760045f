//! `export` and `import`: a bridge's outbox in one file.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::args::{ExportArgs, ImportArgs};
use super::store::Store;
use super::{CliError, counted, say, warn};
use crate::clock::{Clock as _, SystemClock};
use crate::outbox::sqlite::{self, ImportError, Imported};

/// Instead of a file: standard output, or input.
const STANDARD: &str = "-";

/// Writes a copy of the outbox.
pub(super) async fn export(arguments: ExportArgs) -> Result<(), CliError> {
    let ExportArgs { place, file } = arguments;
    let store = Store::find(&place).await?;
    let bytes = if file == Path::new(STANDARD) {
        if io::stdout().is_terminal() {
            return Err(CliError::Usage(
                "an export is no text: send standard output to a file".into(),
            ));
        }
        store.export(io::stdout().lock()).await?
    } else {
        // Texts and numbers are in it: for nobody else to read, and never over something else.
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .map_err(|error| CliError::Usage(format!("{}: {error}", file.display())))?;
        let written = store.export(&made).await;
        let written = written.and_then(|bytes| {
            made.sync_all().map_err(|error| CliError::failed(&error))?;
            Ok(bytes)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&file);
        }
        written?
    };
    warn(&format!(
        "exported {bytes} bytes. They hold texts and numbers in the clear: keep them as you keep the volume"
    ));
    if matches!(store, Store::Running { .. }) {
        warn(
            "the relay is at work: what waits in this copy is delivered by it, and becomes dead letters where the copy is \
             imported. To move a bridge, stop the relay first",
        );
    }
    store.close().await
}

/// Fills an empty data directory with a copy.
pub(super) fn import(arguments: &ImportArgs) -> Result<(), CliError> {
    let ImportArgs { data_dir, file } = arguments;
    let now = SystemClock.now();
    let imported = if file == Path::new(STANDARD) {
        sqlite::import(data_dir, &mut io::stdin().lock(), now)
    } else {
        let mut source = std::fs::File::open(file)
            .map_err(|error| CliError::Usage(format!("{}: {error}", file.display())))?;
        sqlite::import(data_dir, &mut source, now)
    };
    say(&told(imported.map_err(|error| refused(&error))?));
    Ok(())
}

fn refused(error: &ImportError) -> CliError {
    match error {
        ImportError::Io { .. } => CliError::failed(error),
        _ => CliError::usage(error),
    }
}

fn told(imported: Imported) -> String {
    let Imported {
        waiting,
        dead_letters,
        copied,
    } = imported;
    let counts = format!(
        "imported: {}, {}",
        counted(waiting, "waiting message"),
        counted(dead_letters, "dead letter")
    );
    match copied {
        0 => counts,
        copied => format!(
            "{counts}\n{copied} of the dead letters waited when the outbox of a running relay was copied: that relay \
             delivers them. If it is gone for good, see `dead-letters list` and `dead-letters replay`"
        ),
    }
}
