//! What the kernel counts: CPU time and memory of a process, and how busy everybody else was meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::LoadError;

/// The unit of times in `/proc` (`USER_HZ`, a hundredth of a second on every common Linux).
const TICK: Duration = Duration::from_millis(10);

/// CPU time that a process used so far, in user and kernel mode, its living threads and dead ones together.
pub(crate) fn cpu(pid: u32) -> Result<Duration, LoadError> {
    let path = PathBuf::from(format!("/proc/{pid}/stat"));
    let times = parse_times(&read(&path)?).ok_or_else(|| unreadable(&path))?;
    Ok(ticks(times.own))
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// What is resident (`VmRSS`), mapped pages of the binary included.
    pub(crate) resident: u64,
    /// The anonymous part of it (`RssAnon`): heap and stacks.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// That of a process now.
    pub(crate) fn of(pid: u32) -> Result<Self, LoadError> {
        let path = PathBuf::from(format!("/proc/{pid}/status"));
        parse_memory(&read(&path)?).ok_or_else(|| unreadable(&path))
    }
}

/// Measures how much of the machine others use: whoever reads a figure must know whether it was measured alone.
pub(crate) struct Meter {
    machine: Machine,
    ours: u64,
}

impl Meter {
    /// Starts. No process that was started here may be alive now, nor at the end.
    pub(crate) fn start() -> Result<Self, LoadError> {
        Ok(Self {
            machine: Machine::now()?,
            ours: our_ticks()?,
        })
    }

    /// The share of the machine's CPU time since the start that went to others, in percent.
    pub(crate) fn others_percent(&self) -> Result<u64, LoadError> {
        let now = Machine::now()?;
        let ours = our_ticks()? - self.ours;
        let others = (now.busy - self.machine.busy).saturating_sub(ours);
        Ok(others * 100 / (now.total - self.machine.total).max(1))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Machine {
    busy: u64,
    total: u64,
}

impl Machine {
    fn now() -> Result<Self, LoadError> {
        let path = Path::new("/proc/stat");
        parse_machine(&read(path)?).ok_or_else(|| unreadable(path))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    /// User and system time of the process.
    own: u64,
    /// Of its children that ended and were waited for.
    children: u64,
}

fn our_ticks() -> Result<u64, LoadError> {
    let path = Path::new("/proc/self/stat");
    let times = parse_times(&read(path)?).ok_or_else(|| unreadable(path))?;
    Ok(times.own + times.children)
}

/// `/proc/PID/stat`: the name in parentheses may hold anything, so fields are counted from the last one on.
fn parse_times(stat: &str) -> Option<Times> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields
        .split_ascii_whitespace()
        .skip(11)
        .map(|field| field.parse::<u64>().ok());
    let mut next = || times.next().flatten();
    Some(Times {
        own: next()? + next()?,
        children: next()? + next()?,
    })
}

fn parse_memory(status: &str) -> Option<Memory> {
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':')?
            .trim()
            .strip_suffix(" kB")?
            .parse()
            .ok()
    };
    Some(Memory {
        resident: kib("VmRSS")?,
        anonymous: kib("RssAnon")?,
    })
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse_machine(stat: &str) -> Option<Machine> {
    let fields: Vec<u64> = stat
        .lines()
        .next()?
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = fields[..] else {
        return None;
    };
    let busy = user + nice + system + irq + softirq + steal;
    Some(Machine {
        busy,
        total: busy + idle + iowait,
    })
}

fn ticks(count: u64) -> Duration {
    TICK * u32::try_from(count).unwrap_or(u32::MAX)
}

fn read(path: &Path) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })
}

fn unreadable(path: &Path) -> LoadError {
    LoadError::File {
        path: path.to_owned(),
        source: std::io::ErrorKind::InvalidData.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let stat = "42 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 7 3 20 0 9 0";
        let times = Times {
            own: 300,
            children: 10,
        };
        assert_eq!(parse_times(stat), Some(times));
        let status = "Name:\trelay\nVmRSS:\t    9000 kB\nRssAnon:\t    3000 kB\n";
        let memory = Memory {
            resident: 9000,
            anonymous: 3000,
        };
        assert_eq!(parse_memory(status), Some(memory));
        let machine = Machine {
            busy: 1 + 2 + 3 + 6 + 7 + 8,
            total: 36,
        };
        assert_eq!(
            parse_machine("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1"),
            Some(machine)
        );
        assert_eq!(parse_machine("cpu  1 2 3"), None);
    }

    #[test]
    fn this_process_is_measured() {
        let memory = Memory::of(std::process::id());
        assert!(memory.is_ok_and(|memory| memory.resident >= memory.anonymous));
        assert!(cpu(std::process::id()).is_ok());
    }
}
