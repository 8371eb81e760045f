//! The folder of one run: made, locked for as long as its node lives, and removed.
//!
//! A run whose test process was killed cannot tidy up; the next start does. A folder belongs to a dead run when nobody
//! holds its lock.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::cgroups;
use crate::ClusterError;
use crate::binaries::{cache, hex};

/// What a Unix socket's address may have, less what containerd appends.
const LONGEST_FOLDER: usize = 80;
const LOCK: &str = "lock";

/// One run's folder. Its lock is shared: this process and the node's first process hold it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// A new folder, after what dead runs left is gone.
    pub(crate) fn create() -> Result<Self, ClusterError> {
        let runs = cache()?.join("run");
        fs::create_dir_all(&runs).map_err(ClusterError::file(&runs))?;
        // Held from here to the new folder's lock: else another start could take the new folder for a dead run's.
        let starting = runs.join(".starting");
        let starting = File::create(&starting).map_err(ClusterError::file(&starting))?;
        starting.lock().map_err(ClusterError::io(
            "waiting for another process that starts a cluster",
        ))?;
        for dead in dead_runs(&runs)? {
            remove(&dead)?;
        }
        let path = runs.join(hex(&random()?));
        if path.as_os_str().len() > LONGEST_FOLDER {
            return Err(ClusterError::Missing {
                what: format!(
                    "a shorter path than {}: sockets below it would be too long",
                    path.display()
                ),
                fix: "export XDG_CACHE_HOME=/var/cache".to_owned(),
            });
        }
        fs::create_dir(&path).map_err(ClusterError::file(&path))?;
        let lock = hold(&path).map_err(ClusterError::file(&path))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the run's control group.
    pub(crate) fn cgroup(&self) -> String {
        cgroup(&self.path)
    }

    /// Removes the run's control groups and the folder. The node must have ended.
    pub(crate) fn remove(&self) -> Result<(), ClusterError> {
        remove(&self.path)
    }
}

/// Takes the folder's lock, shared, for as long as the file is open.
pub(crate) fn hold(path: &Path) -> io::Result<File> {
    let lock = File::create(path.join(LOCK))?;
    lock.lock_shared()?;
    Ok(lock)
}

fn cgroup(path: &Path) -> String {
    format!(
        "messaging-bridge-{}",
        path.file_name().unwrap_or_default().to_string_lossy()
    )
}

fn remove(path: &Path) -> Result<(), ClusterError> {
    cgroups::remove(&cgroup(path))
        .map_err(ClusterError::io("the control groups of a node that ended"))?;
    fs::remove_dir_all(path).map_err(ClusterError::file(path))
}

fn dead_runs(runs: &Path) -> Result<Vec<PathBuf>, ClusterError> {
    let mut dead = Vec::new();
    for entry in fs::read_dir(runs).map_err(ClusterError::file(runs))? {
        let path = entry.map_err(ClusterError::file(runs))?.path();
        if path.is_dir() && is_dead(&path).map_err(ClusterError::file(&path))? {
            dead.push(path);
        }
    }
    Ok(dead)
}

fn is_dead(path: &Path) -> io::Result<bool> {
    match File::create(path.join(LOCK))?.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn random() -> Result<[u8; 4], ClusterError> {
    let mut bytes = [0; 4];
    let mut source = File::open("/dev/urandom").map_err(ClusterError::io("/dev/urandom"))?;
    io::Read::read_exact(&mut source, &mut bytes).map_err(ClusterError::io("/dev/urandom"))?;
    Ok(bytes)
}
