//! The node's processes: started, stopped, reaped, and started again when they end unasked.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::binaries::say;
use crate::need::SYSTEM_PATH;
use crate::node::components::Component;

const PATIENCE: Duration = Duration::from_secs(5);
const BEFORE_ANOTHER_START: Duration = Duration::from_millis(500);
const NO_CHILD_YET: Duration = Duration::from_millis(20);

struct Slot {
    component: Component,
    pid: Option<Pid>,
    wanted: bool,
}

/// The components by name. A clone is the same.
#[derive(Clone)]
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    logs: PathBuf,
    slots: Mutex<BTreeMap<String, Slot>>,
    ended: Condvar,
}

impl Supervisor {
    pub(crate) fn new(folder: &Path, components: Vec<Component>) -> Self {
        let slot = |component: Component| {
            (
                component.name.clone(),
                Slot {
                    component,
                    pid: None,
                    wanted: false,
                },
            )
        };
        let slots = Mutex::new(components.into_iter().map(slot).collect());
        Self {
            shared: Arc::new(Shared {
                logs: folder.join("log"),
                slots,
                ended: Condvar::new(),
            }),
        }
    }

    /// Starts a component that does not run; one that does is left as it is.
    pub(crate) fn start(&self, name: &str) -> io::Result<()> {
        let mut slots = self.slots();
        let slot = slots.get_mut(name).ok_or_else(|| unknown(name))?;
        slot.wanted = true;
        if slot.pid.is_none() {
            // Under the lock, so that its end is not seen before its number is known.
            slot.pid = Some(spawn(&slot.component, &self.shared.logs)?);
        }
        Ok(())
    }

    /// Kills a component and waits for its end.
    pub(crate) fn stop(&self, name: &str) -> io::Result<()> {
        let mut slots = self.slots();
        let slot = slots.get_mut(name).ok_or_else(|| unknown(name))?;
        slot.wanted = false;
        if let Some(pid) = slot.pid {
            kill_process(pid, Signal::KILL)?;
        }
        let runs = |slots: &mut BTreeMap<String, Slot>| {
            slots.get(name).is_some_and(|slot| slot.pid.is_some())
        };
        let waited = self.shared.ended.wait_timeout_while(slots, PATIENCE, runs);
        let (_slots, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            Err(io::Error::other(format!("{name} does not end")))
        } else {
            Ok(())
        }
    }

    /// Kills every process that is neither this one, nor a component, nor a component's child: every pod's.
    pub(crate) fn kill_pods(&self) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let pods = self.pods()?;
            if pods.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!(
                    "{} processes do not end",
                    pods.len()
                )));
            }
            for pid in pods {
                // It may have ended since.
                let _ = kill_process(pid, Signal::KILL);
            }
            thread::sleep(NO_CHILD_YET);
        }
    }

    /// Reaps for ever: components, and what lost its parent.
    pub(crate) fn reap(&self) -> ! {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => self.reaped(pid, &format!("{status:?}")),
                // No child, or a signal.
                Ok(None) | Err(_) => thread::sleep(NO_CHILD_YET),
            }
        }
    }

    fn reaped(&self, pid: Pid, status: &str) {
        let mut slots = self.slots();
        let Some(slot) = slots.values_mut().find(|slot| slot.pid == Some(pid)) else {
            return;
        };
        slot.pid = None;
        self.shared.ended.notify_all();
        if slot.wanted {
            let name = slot.component.name.clone();
            say(&format!(
                "{name} ended unasked ({status}) and is started again"
            ));
            let supervisor = self.clone();
            thread::spawn(move || supervisor.start_again(&name));
        }
    }

    fn start_again(&self, name: &str) {
        thread::sleep(BEFORE_ANOTHER_START);
        let wanted = self.slots().get(name).is_some_and(|slot| slot.wanted);
        if wanted && let Err(error) = self.start(name) {
            say(&format!("{name} does not start: {error}"));
        }
    }

    fn pods(&self) -> io::Result<Vec<Pid>> {
        let components: Vec<Pid> = self.slots().values().filter_map(|slot| slot.pid).collect();
        let mut pods = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name
                .to_str()
                .and_then(|name| name.parse().ok())
                .and_then(Pid::from_raw)
            else {
                continue;
            };
            if !pid.is_init()
                && !components.contains(&pid)
                && parent(pid).is_some_and(|p| !components.contains(&p))
            {
                pods.push(pid);
            }
        }
        Ok(pods)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.shared
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parent of a process that lives; none for one that has ended or waits to be reaped.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name, in brackets, may have spaces and brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    if state == "Z" {
        None
    } else {
        Pid::from_raw(parent)
    }
}

fn spawn(component: &Component, logs: &Path) -> io::Result<Pid> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(logs.join(format!("{}.log", component.name)))?;
    let path = format!(
        "{}:{SYSTEM_PATH}",
        std::env::var("PATH").unwrap_or_default()
    );
    let child = Command::new(&component.program)
        .args(&component.args)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(Pid::from_child(&child))
}

fn unknown(name: &str) -> io::Error {
    io::Error::other(format!("no component is called {name}"))
}
