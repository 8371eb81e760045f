//! The machine: figures without it mean nothing. Also how long its disk takes to sync, which bounds every accept.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::LoadError;

/// Syncs that the disk is asked for.
const SYNCS: usize = 200;
/// Bytes before each, a page.
const PAGE: [u8; 4096] = [0x5a; 4096];
/// File systems that keep their files in memory.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// Where it was measured.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) processor: String,
    /// Cores that may be used.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The data directory's file system.
    pub(crate) file_system: String,
    /// How long a page and its `fdatasync` take: median.
    pub(crate) sync: Duration,
    /// And the slowest of a hundred.
    pub(crate) sync_p99: Duration,
}

impl Machine {
    /// Looks, and syncs a file in `data_dir` a few times. A directory in memory is refused.
    pub(crate) fn look(data_dir: &Path) -> Result<Self, LoadError> {
        fs::create_dir_all(data_dir).map_err(|source| LoadError::File {
            path: data_dir.to_owned(),
            source,
        })?;
        let file_system = file_system(data_dir);
        if IN_MEMORY.contains(&file_system.as_str()) {
            return Err(LoadError::NotADisk {
                path: data_dir.to_owned(),
                kind: file_system,
            });
        }
        let syncs = syncs(data_dir).map_err(LoadError::io("sync a file of the data directory"))?;
        Ok(Self {
            processor: processor(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: text("/proc/sys/kernel/osrelease"),
            file_system,
            sync: syncs[SYNCS / 2],
            sync_p99: syncs[SYNCS * 99 / 100],
        })
    }
}

/// What each sync took, sorted.
fn syncs(data_dir: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(data_dir)?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took)
}

fn processor() -> String {
    let cpuinfo = text("/proc/cpuinfo");
    let name = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'));
    name.map_or_else(
        || "unknown processor".to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

/// The type of the mount that holds a directory: the longest mount point that is its ancestor, the last of equals.
fn file_system(directory: &Path) -> String {
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let mounts = text("/proc/self/mounts");
    let holding = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (Path::new(fields.next()?), fields.next()?);
        directory
            .starts_with(point)
            .then(|| (point.components().count(), kind))
    });
    let nearest = holding.max_by_key(|(depth, _)| *depth);
    nearest.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

fn text(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_is_the_directorys() {
        assert_eq!(file_system(Path::new("/proc/self")), "proc");
    }
}
