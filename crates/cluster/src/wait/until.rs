//! Waiting, bounded in time, until everything is in force.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::awaited::Awaited;
use super::state::State;
use crate::Cluster;

/// A rejection counts once it was seen so often in a row: a controller may look at objects in another order than
/// they were applied in.
const SEEN: u32 = 4;

/// How long, and how often, a cluster is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// All of it.
    pub within: Duration,
    /// Between the first two looks; twice as long after each look.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Patience {
    /// Two minutes, with pauses from 0.2 to 3 seconds.
    fn default() -> Self {
        Self {
            within: Duration::from_mins(2),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(3),
        }
    }
}

/// Something that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// What.
    pub awaited: Awaited,
    /// What is missing, or its controller's words.
    pub why: String,
}

/// Why flows cannot be tried yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotInForce {
    /// Controllers refuse objects.
    #[error("refused by its controller: {}", list(.0))]
    Rejected(Vec<Outstanding>),
    /// The time was up.
    #[error("not in force after {}s: {}", .after.as_secs(), list(.pending))]
    Deadline {
        /// What was not in force at the last look.
        pending: Vec<Outstanding>,
        /// How long it was waited.
        after: Duration,
    },
}

fn list(outstanding: &[Outstanding]) -> String {
    outstanding.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.awaited, self.why)
    }
}

/// Waits until everything is in force; how long it took.
///
/// # Errors
/// When controllers refuse objects, all of them at once, as soon as nothing else can still become of them; and when
/// the time is up, with everything that is not in force.
pub fn wait(cluster: &dyn Cluster, awaited: &[Awaited], patience: Patience) -> Result<Duration, NotInForce> {
    let started = Instant::now();
    let mut pause = patience.first_pause;
    let mut open: Vec<(Awaited, u32)> = awaited.iter().map(|each| (each.clone(), 0)).collect();
    loop {
        let look = look(cluster, open);
        if look.pending.is_empty() && look.rejected.is_empty() {
            return Ok(started.elapsed());
        }
        let settled = look.rejected.iter().all(|(_, times)| *times >= SEEN);
        if !look.rejected.is_empty() && settled {
            return Err(NotInForce::Rejected(look.rejected.into_iter().map(|(outstanding, _)| outstanding).collect()));
        }
        let elapsed = started.elapsed();
        if cluster.is_over() || elapsed + pause > patience.within {
            return Err(look.given_up(elapsed));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(patience.longest_pause);
        open = look.open();
    }
}

/// What one look at a cluster showed, of what was not in force before.
#[derive(Default)]
struct Look {
    pending: Vec<Outstanding>,
    /// With how often in a row.
    rejected: Vec<(Outstanding, u32)>,
}

fn look(cluster: &dyn Cluster, open: Vec<(Awaited, u32)>) -> Look {
    let mut look = Look::default();
    for (awaited, times) in open {
        match awaited.state(cluster) {
            State::InForce => {}
            State::Pending(why) => look.pending.push(Outstanding { awaited, why }),
            State::Rejected(why) => look.rejected.push((Outstanding { awaited, why }, times + 1)),
        }
    }
    look
}

impl Look {
    fn open(self) -> Vec<(Awaited, u32)> {
        let pending = self.pending.into_iter().map(|outstanding| (outstanding.awaited, 0));
        pending.chain(self.rejected.into_iter().map(|(outstanding, times)| (outstanding.awaited, times))).collect()
    }

    fn given_up(self, after: Duration) -> NotInForce {
        let rejected = self.rejected.into_iter().map(|(outstanding, _)| outstanding);
        NotInForce::Deadline { pending: rejected.chain(self.pending).collect(), after }
    }
}
