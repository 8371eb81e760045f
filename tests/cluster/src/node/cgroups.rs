//! The node's branch of the machine's control groups: made before the kubelet starts, removed when the node has ended.
//!
//! Version 1 has a tree for each controller, version 2 one for all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const ROOT: &str = "/sys/fs/cgroup";
/// Processes that were killed leave their groups a moment later.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes `name` in every tree.
pub(crate) fn create(name: &str) -> io::Result<()> {
    let root = Path::new(ROOT);
    if is_v2(root) {
        for controller in ["cpu", "cpuset", "io", "memory", "pids", "hugetlb"] {
            // One that the kernel lacks, or that is on already, is none of our concern: the kubelet says what it needs.
            let _ = fs::write(
                root.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
    }
    for tree in trees(root)? {
        fs::create_dir_all(tree.join(name))?;
    }
    Ok(())
}

/// Removes `name` and all below it from every tree; what is not there is no error.
pub(crate) fn remove(name: &str) -> io::Result<()> {
    for tree in trees(Path::new(ROOT))? {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = remove_tree(&tree.join(name)) {
            if Instant::now() > end {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

fn is_v2(root: &Path) -> bool {
    root.join("cgroup.controllers").exists()
}

fn trees(root: &Path) -> io::Result<Vec<PathBuf>> {
    if is_v2(root) {
        return Ok(vec![root.to_owned()]);
    }
    let mut trees = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        // `cpu` may be a link to `cpu,cpuacct`.
        if entry.file_type()?.is_dir() && entry.path().join("cgroup.procs").exists() {
            trees.push(entry.path());
        }
    }
    Ok(trees)
}

/// A group is a folder whose files cannot be removed: only the folders are.
fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
