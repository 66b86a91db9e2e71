//! Whose a running program is, so that whoever comes after a crash can end it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The variable that every program of a cluster has in its environment, and hands on to its children.
const MARK: &str = "AIRTIGHT_OWNER";

/// How long programs have to end by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// Whose a running program is: the folder of a cluster, or nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner(Option<PathBuf>);

impl Owner {
    /// The cluster of a folder.
    #[must_use]
    pub fn folder(folder: &Path) -> Self {
        Self(Some(folder.to_owned()))
    }

    /// Marks a program from its first moment on: there is none in which a crash could lose it.
    pub(super) fn mark(&self, command: &mut Command) {
        if let Some(folder) = &self.0 {
            command.env(MARK, folder);
        }
    }
}

/// Ends the programs that a crashed run of the cluster left behind, and says how many there were.
///
/// The caller has the folder's lock, so no other run's programs are among them. Finds them by `/proc`, which Linux has.
#[must_use]
pub fn end_left_behind(folder: &Path) -> usize {
    let found = marked(folder);
    signal(&found, Signal::TERM);
    let until = Instant::now() + GRACE;
    while Instant::now() < until && !marked(folder).is_empty() {
        thread::sleep(Duration::from_millis(50));
    }
    signal(&marked(folder), Signal::KILL);
    found.len()
}

fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        // One that is gone by now is what was wanted.
        let _ = kill_process(*process, signal);
    }
}

/// Owner with the mark of a folder.
fn marked(folder: &Path) -> Vec<Pid> {
    let mark = format!("{MARK}={}", folder.display());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let has = |process: &i32| {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    numbers.filter(has).filter_map(Pid::from_raw).collect()
}
