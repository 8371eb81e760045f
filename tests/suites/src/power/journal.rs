//! Reads what the preloaded library wrote down. Pure.

/// A change of the directory, or a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'j> {
    /// A file was made.
    Create(&'j str),
    /// Bytes were written.
    Write {
        /// Into this file.
        name: &'j str,
        /// From here on.
        offset: usize,
        /// These.
        data: &'j [u8],
    },
    /// A file got this length.
    Truncate {
        /// Which.
        name: &'j str,
        /// How long.
        length: usize,
    },
    /// A file was synced.
    Sync(&'j str),
    /// The directory was synced.
    SyncDirectory,
    /// A file was removed.
    Unlink(&'j str),
    /// A file got another name.
    Rename {
        /// The old one.
        from: &'j str,
        /// The new one, which replaces what had it.
        to: &'j str,
    },
}

impl Change<'_> {
    /// Whether it makes others durable.
    pub fn is_sync(&self) -> bool {
        matches!(self, Self::Sync(_) | Self::SyncDirectory)
    }
}

/// The records of a journal up to the end or to the first torn one.
pub fn read(journal: &[u8]) -> impl Iterator<Item = Change<'_>> {
    let mut rest = journal;
    std::iter::from_fn(move || {
        let (change, after) = record(rest)?;
        rest = after;
        Some(change)
    })
}

fn record(bytes: &[u8]) -> Option<(Change<'_>, &[u8])> {
    let (kind, bytes) = bytes.split_first()?;
    let (name_length, bytes) = bytes.split_first_chunk::<4>()?;
    let (offset, bytes) = bytes.split_first_chunk::<8>()?;
    let (length, bytes) = bytes.split_first_chunk::<8>()?;
    let offset = usize::try_from(u64::from_ne_bytes(*offset)).ok()?;
    let length = usize::try_from(u64::from_ne_bytes(*length)).ok()?;
    let (name, bytes) = bytes.split_at_checked(u32::from_ne_bytes(*name_length) as usize)?;
    let (data, bytes) = bytes.split_at_checked(length)?;
    let name = std::str::from_utf8(name).ok()?;
    let change = match kind {
        b'c' => Change::Create(name),
        b'w' => Change::Write { name, offset, data },
        b't' => Change::Truncate {
            name,
            length: offset,
        },
        b's' => Change::Sync(name),
        b'd' => Change::SyncDirectory,
        b'u' => Change::Unlink(name),
        b'r' => Change::Rename {
            from: name,
            to: std::str::from_utf8(data).ok()?,
        },
        _ => return None,
    };
    Some((change, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: u8, name: &str, offset: u64, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(name.len()).expect("a short name");
        let mut record = vec![kind];
        record.extend(length.to_ne_bytes());
        record.extend(offset.to_ne_bytes());
        record.extend((data.len() as u64).to_ne_bytes());
        record.extend(name.as_bytes());
        record.extend(data);
        record
    }

    #[test]
    fn records_are_read_in_order_up_to_a_torn_one() {
        let mut journal = written(b'c', "f", 0, b"");
        journal.extend(written(b'w', "f", 7, b"data"));
        journal.extend(written(b'r', "f", 0, b"g"));
        journal.extend(written(b'd', "", 0, b""));
        let torn = written(b'w', "g", 0, b"more");
        journal.extend(&torn[..torn.len() - 1]);
        let changes: Vec<_> = read(&journal).collect();
        let write = Change::Write {
            name: "f",
            offset: 7,
            data: b"data",
        };
        let rename = Change::Rename { from: "f", to: "g" };
        assert_eq!(
            changes,
            [Change::Create("f"), write, rename, Change::SyncDirectory]
        );
    }
}
