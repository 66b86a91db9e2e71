//! The programs that run, written down, so that whoever comes after a crash can end them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::state::write_atomically;

/// The programs that run: leader of each process group, and when it was started.
///
/// The kernel gives numbers away again; a number with its time of start is one process only.
#[derive(Debug, Default)]
pub struct Processes {
    file: Option<PathBuf>,
    running: Mutex<BTreeMap<u32, u64>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    groups: BTreeMap<u32, u64>,
}

impl Processes {
    /// Written down in a file.
    #[must_use]
    pub fn in_file(file: &Path) -> Self {
        Self { file: Some(file.to_owned()), running: Mutex::default() }
    }

    /// Takes note of a process group.
    pub fn add(&self, group: u32) {
        if let Some(start) = start_time(group) {
            self.change(|running| running.insert(group, start));
        }
    }

    /// Forgets a process group.
    pub fn remove(&self, group: u32) {
        self.change(|running| running.remove(&group));
    }

    fn change<R>(&self, change: impl FnOnce(&mut BTreeMap<u32, u64>) -> R) {
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut running);
        let Some(file) = &self.file else { return };
        let written = Written { groups: running.clone() };
        // Without the note a crash leaves a program running until it ends by itself; the work goes on.
        let _ = serde_json::to_vec(&written).map(|text| write_atomically(file, &text));
    }
}

/// Ends the process groups that a crashed run left behind, and says how many there were.
#[must_use]
pub fn end_left_behind(file: &Path) -> usize {
    let written: Written = fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let alive = |(group, start): (u32, u64)| (start_time(group) == Some(start)).then_some(group);
    let groups: Vec<Pid> = written
        .groups
        .into_iter()
        .filter_map(alive)
        .filter_map(|group| Pid::from_raw(group.try_into().ok()?))
        .collect();
    for group in &groups {
        let _ = kill_process_group(*group, Signal::TERM);
    }
    let until = Instant::now() + Duration::from_secs(5);
    let still = |group: &Pid| rustix::process::test_kill_process_group(*group).is_ok();
    while Instant::now() < until && groups.iter().any(still) {
        thread::sleep(Duration::from_millis(50));
    }
    for group in groups.iter().filter(|group| still(group)) {
        let _ = kill_process_group(*group, Signal::KILL);
    }
    let _ = fs::remove_file(file);
    groups.len()
}

/// When a process was started, in clock ticks since the machine was (field 22 of `/proc/PID/stat`).
fn start_time(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may itself have spaces and parentheses.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}
