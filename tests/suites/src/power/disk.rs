//! A directory as a disk has it: what is durable, and what a cut may take away. Pure but for reading and writing it.
//!
//! A sync of a file makes its bytes durable, a sync of the directory its names. Until then each change may survive or
//! not; see [`Survival`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rand::{Rng, RngExt as _};

use super::journal::Change;

/// The unit that a disk writes as a whole.
const SECTOR: usize = 512;

/// What SQLite keeps in a memory map, which the journal does not see and which nobody needs after a cut.
const SHARED_MEMORY: &str = "-shm";

/// How much of what was not synced survives a cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// Everything, as after the end of the process alone.
    Everything,
    /// The first changes of each file, the last of them torn at some sector.
    Beginning,
    /// Each sector and each change of length with this probability, in whatever order.
    Scattered(f64),
}

impl Survival {
    /// Any of them.
    pub fn random(rng: &mut impl Rng) -> Self {
        match rng.random_range(0..6) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Beginning,
            _ => Self::Scattered(rng.random_range(0.05..0.95)),
        }
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Write { offset: usize, data: Vec<u8> },
    Truncate(usize),
}

#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Edit>,
}

#[derive(Debug, Clone)]
enum Naming {
    Add(String, usize),
    Remove(String),
    Move(String, String),
}

type Names = BTreeMap<String, usize>;

/// A directory with what is durable of it and what is not.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: Vec<File>,
    names: Names,
    durable_names: Names,
    pending_names: Vec<Naming>,
}

impl Disk {
    /// A directory all of which is durable.
    pub fn read(place: &Path) -> io::Result<Self> {
        let mut disk = Self::default();
        for entry in std::fs::read_dir(place)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_file() && !name.ends_with(SHARED_MEMORY) {
                let file = File {
                    durable: std::fs::read(entry.path())?,
                    pending: Vec::new(),
                };
                disk.names.insert(name, disk.files.len());
                disk.files.push(file);
            }
        }
        disk.durable_names = disk.names.clone();
        Ok(disk)
    }

    /// Replaces the files of a directory by those that are durable here.
    pub fn write(&self, place: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(place)? {
            std::fs::remove_file(entry?.path())?;
        }
        for (name, file) in &self.durable_names {
            std::fs::write(place.join(name), &self.files[*file].durable)?;
        }
        Ok(())
    }

    /// Something happened to it.
    pub fn apply(&mut self, change: Change<'_>) {
        match change {
            Change::Create(name) => {
                if !name.ends_with(SHARED_MEMORY) {
                    let file = self.files.len();
                    self.files.push(File::default());
                    self.rename(Naming::Add(name.into(), file));
                }
            }
            Change::Unlink(name) => self.rename(Naming::Remove(name.into())),
            Change::Rename { from, to } => self.rename(Naming::Move(from.into(), to.into())),
            Change::SyncDirectory => {
                self.pending_names.clear();
                self.durable_names = self.names.clone();
            }
            Change::Write { name, offset, data } => self.edit(
                name,
                Edit::Write {
                    offset,
                    data: data.into(),
                },
            ),
            Change::Truncate { name, length } => self.edit(name, Edit::Truncate(length)),
            Change::Sync(name) => {
                if let Some(file) = self.names.get(name) {
                    self.files[*file].survive(Survival::Everything, &mut rand::rng());
                }
            }
        }
    }

    /// Changes that a cut may take away.
    pub fn unsynced(&self) -> usize {
        let edits: usize = self.files.iter().map(|file| file.pending.len()).sum();
        edits + self.pending_names.len()
    }

    /// The power goes: what survives is durable, the rest never was.
    #[must_use]
    pub fn cut(mut self, survival: Survival, rng: &mut impl Rng) -> Self {
        for file in &mut self.files {
            file.survive(survival, rng);
        }
        // A file system keeps the order of its names' changes.
        let pending = std::mem::take(&mut self.pending_names);
        let kept = match survival {
            Survival::Nothing => 0,
            Survival::Everything => pending.len(),
            Survival::Beginning | Survival::Scattered(_) => rng.random_range(0..=pending.len()),
        };
        for naming in &pending[..kept] {
            naming.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
        self
    }

    fn rename(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending_names.push(naming);
    }

    fn edit(&mut self, name: &str, edit: Edit) {
        if let Some(file) = self.names.get(name) {
            self.files[*file].pending.push(edit);
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Move(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl File {
    fn survive(&mut self, survival: Survival, rng: &mut impl Rng) {
        let pending = std::mem::take(&mut self.pending);
        match survival {
            Survival::Nothing => {}
            Survival::Everything => pending.iter().for_each(|edit| self.apply(edit)),
            Survival::Beginning => {
                let whole = rng.random_range(0..=pending.len());
                pending[..whole].iter().for_each(|edit| self.apply(edit));
                if let Some(Edit::Write { offset, data }) = pending.get(whole) {
                    let sectors = sectors(*offset, data);
                    let kept = rng.random_range(0..=sectors.len());
                    for (offset, data) in &sectors[..kept] {
                        self.overwrite(*offset, data);
                    }
                }
            }
            Survival::Scattered(share) => {
                for edit in &pending {
                    match edit {
                        Edit::Truncate(_) if rng.random_bool(share) => self.apply(edit),
                        Edit::Truncate(_) => {}
                        Edit::Write { offset, data } => {
                            for (offset, data) in sectors(*offset, data) {
                                if rng.random_bool(share) {
                                    self.overwrite(offset, data);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Write { offset, data } => self.overwrite(*offset, data),
            Edit::Truncate(length) => self.durable.resize(*length, 0),
        }
    }

    fn overwrite(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[offset..end].copy_from_slice(data);
    }
}

/// A write cut at the borders of sectors.
fn sectors(mut offset: usize, mut data: &[u8]) -> Vec<(usize, &[u8])> {
    let mut pieces = Vec::new();
    while !data.is_empty() {
        let room = SECTOR - offset % SECTOR;
        let (piece, rest) = data.split_at(room.min(data.len()));
        pieces.push((offset, piece));
        offset += piece.len();
        data = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn disk(changes: impl IntoIterator<Item = Change<'static>>) -> Disk {
        let mut disk = Disk::default();
        changes.into_iter().for_each(|change| disk.apply(change));
        disk
    }

    fn write(data: &'static [u8]) -> Change<'static> {
        Change::Write {
            name: "f",
            offset: 0,
            data,
        }
    }

    fn survivor(disk: &Disk, survival: Survival, seed: u64) -> Option<Vec<u8>> {
        let cut = disk.clone().cut(survival, &mut StdRng::seed_from_u64(seed));
        let file = cut.durable_names.get("f")?;
        Some(cut.files[*file].durable.clone())
    }

    #[test]
    fn what_was_synced_survives_every_cut() {
        let synced = disk([
            Change::Create("f"),
            write(b"old"),
            Change::Sync("f"),
            Change::SyncDirectory,
        ]);
        for seed in 0..100 {
            let survival = Survival::random(&mut StdRng::seed_from_u64(seed));
            assert_eq!(survivor(&synced, survival, seed), Some(b"old".to_vec()));
        }
    }

    #[test]
    fn a_name_is_lost_until_its_directory_is_synced() {
        let nameless = disk([Change::Create("f"), write(b"x"), Change::Sync("f")]);
        assert_eq!(survivor(&nameless, Survival::Nothing, 0), None);
        assert!(survivor(&nameless, Survival::Everything, 0).is_some());
    }

    #[test]
    fn sectors_survive_one_by_one() {
        let mut torn = disk([Change::Create("f"), Change::SyncDirectory]);
        let data = [7; 4 * SECTOR];
        torn.apply(Change::Write {
            name: "f",
            offset: 100,
            data: &data,
        });
        let kept: std::collections::BTreeSet<usize> = (0..100)
            .filter_map(|seed| survivor(&torn, Survival::Scattered(0.5), seed))
            .map(|bytes| bytes.split(|byte| *byte == 7).count() - 1)
            .collect();
        assert!(kept.len() > 5, "{kept:?}");
        assert!(
            kept.contains(&(2 * SECTOR)) || kept.contains(&(3 * SECTOR)),
            "{kept:?}"
        );
    }

    #[test]
    fn a_rename_replaces_what_had_the_name_only_when_it_survives() {
        let replaced = disk([
            Change::Create("f"),
            write(b"old"),
            Change::Sync("f"),
            Change::SyncDirectory,
            Change::Create("new"),
            Change::Rename {
                from: "new",
                to: "f",
            },
        ]);
        assert_eq!(
            survivor(&replaced, Survival::Nothing, 0),
            Some(b"old".to_vec())
        );
        assert_eq!(
            survivor(&replaced, Survival::Everything, 0),
            Some(Vec::new())
        );
    }
}
