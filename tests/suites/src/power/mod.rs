//! Power cuts: a relay under load whose machine loses its power, again and again.
//!
//! A library preloaded into the relay (`journal.c`) writes down every change of the data directory and every sync, in
//! order. At a cut the process is killed, and [`disk`] works out what a disk may still have: all that was synced, and of
//! the rest nothing, a part, sectors here and there, or everything. The next relay starts on that. At the end both
//! platforms' logs are judged like after any crash: nothing acknowledged is lost, nothing is texted twice.
//!
//! Modelled: files lose unsynced writes, sector by sector (512 bytes), also in the middle of a write; new, removed and
//! renamed names are lost from some point on until the directory is synced.
//!
//! Not modelled: disks that lie about a sync, sectors that are damaged or half written, writes that spill beyond their
//! range, file systems that show stale data in a hole, and the data directory's own name in its parent. Memory maps are
//! not seen: SQLite's `-shm` is rebuilt from its log after every start and is dropped.

pub mod disk;
pub mod journal;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_sandbox::Faults;
use rand::RngExt as _;
use tempfile::TempDir;

use self::disk::{Disk, Survival};
use crate::crash::drain;
use crate::load::{Load, Rhythm};
use crate::process::Relay;
use crate::tenant::Tenant;
use crate::verdict::{Kill, Verdict, judge_killed};

/// The relay runs so long between being ready and the cut, in milliseconds.
const LIFE: std::ops::Range<u64> = 100..1200;

/// A run.
#[derive(Debug, Clone)]
pub struct Plan<'p> {
    /// The relay's binary, linked dynamically.
    pub binary: &'p str,
    /// How often the power is cut.
    pub cuts: usize,
    /// Planted faults and switches, as `FAILPOINTS` takes them.
    pub failpoints: &'p str,
    /// What the platforms do meanwhile.
    pub platforms: Faults,
    /// Who writes.
    pub rhythm: Rhythm,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// From what the platforms saw, and from what the disk held.
    pub verdict: Verdict,
    /// Cuts that were made; fewer than planned when a database was damaged.
    pub cuts: usize,
    /// Changes that were not synced when the power went.
    pub unsynced: usize,
    /// Syncs in all.
    pub syncs: usize,
}

/// The compiled library, and the place of its journal.
struct Preload {
    directory: TempDir,
}

impl Preload {
    fn build() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/power/journal.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .arg(directory.path().join("journal.so"))
            .arg(source)
            .status()
            .expect("a C compiler is there: SQLite needs it too");
        assert!(status.success(), "journal.c does not compile");
        Self { directory }
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    fn environment<'e>(&self, tenant: &Tenant, plan: &Plan<'e>) -> [(&'e str, String); 5] {
        let shown = |path: &Path| path.display().to_string();
        [
            (
                "LD_PRELOAD",
                shown(&self.directory.path().join("journal.so")),
            ),
            ("MB_JOURNAL_OF", shown(&tenant.data_dir())),
            ("MB_JOURNAL", shown(&self.journal())),
            ("MB_LOG_FORMAT", "json".into()),
            ("FAILPOINTS", plan.failpoints.into()),
        ]
    }
}

/// Runs the plan to its end, lets a last relay drain on a machine that keeps its power, and judges.
///
/// # Panics
///
/// When the library does not compile, or the data directory cannot be read and written.
pub async fn run(tenant: &Tenant, plan: &Plan<'_>) -> Outcome {
    let preload = Preload::build();
    std::fs::create_dir_all(tenant.data_dir()).expect("a directory can be made");
    tenant.sandbox.set_faults(plan.platforms.clone());
    let load = Load::start(&tenant.sandbox, &plan.rhythm);
    let mut kills: Vec<Kill> = Vec::new();
    let mut outcome = Outcome {
        verdict: Verdict::default(),
        cuts: 0,
        unsynced: 0,
        syncs: 0,
    };
    let mut damaged = None;
    while outcome.cuts < plan.cuts && damaged.is_none() {
        outcome.cuts += 1;
        kills.push(cut(tenant, plan, &preload, &mut outcome).await);
        damaged = damage(&tenant.data_dir());
    }
    tenant.sandbox.set_faults(Faults::default());
    if let Some(damage) = damaged {
        load.stop().await;
        outcome.verdict.broken.push(damage);
        return outcome;
    }
    let relay = Relay::start_with(plan.binary, tenant, &[("MB_LOG_FORMAT", "json")]).await;
    let sent = load.stop().await;
    drain(tenant, &relay).await;
    relay.kill().await;
    outcome.verdict = judge_killed(&sent, &tenant.sandbox.log(), &kills);
    outcome
}

/// Starts a relay, cuts the power, and leaves the data directory as the disk has it then.
async fn cut(tenant: &Tenant, plan: &Plan<'_>, preload: &Preload, outcome: &mut Outcome) -> Kill {
    let place = tenant.data_dir();
    let mut disk = Disk::read(&place).expect("the data directory can be read");
    let _ = std::fs::remove_file(preload.journal());
    let environment = preload.environment(tenant, plan);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut relay = Relay::launch(plan.binary, tenant, &environment);
    // One in five loses its power while it starts.
    let life = if rand::rng().random_range(0..5) == 0 {
        Duration::from_millis(rand::rng().random_range(0..200))
    } else {
        relay.until_ready().await;
        Duration::from_millis(rand::rng().random_range(LIFE))
    };
    tokio::time::sleep(life).await;
    let before = Timestamp::now();
    relay.kill_unscanned().await;
    let after = Timestamp::now();
    let written = std::fs::read(preload.journal()).unwrap_or_default();
    for change in journal::read(&written) {
        outcome.syncs += usize::from(change.is_sync());
        disk.apply(change);
    }
    outcome.unsynced += disk.unsynced();
    let survival = Survival::random(&mut rand::rng());
    disk.cut(survival, &mut rand::rng())
        .write(&place)
        .expect("the data directory can be written");
    (before, after)
}

/// What is wrong with the database that survived, looked at in a copy.
fn damage(place: &Path) -> Option<String> {
    let copy = tempfile::tempdir().expect("a directory can be made");
    let disk = Disk::read(place).expect("the data directory can be read");
    disk.write(copy.path()).expect("a copy can be written");
    let file = copy.path().join("outbox.sqlite3");
    if !file.exists() {
        return None;
    }
    let checked = rusqlite::Connection::open(file)
        .and_then(|db| db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)));
    match checked {
        Ok(said) if said == "ok" => None,
        Ok(said) => Some(format!("the database is damaged: {said}")),
        Err(error) => Some(format!("the database does not open: {error}")),
    }
}
