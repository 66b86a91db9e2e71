//! Waiting until everything is in force.

use std::fmt;
use std::time::{Duration, Instant};

use super::awaited::Awaited;
use super::state::State;
use super::until::{Look, Patience, until};
use crate::Cluster;

/// A rejection counts once it was seen so often in a row: a controller may look at objects in another order than
/// they were applied in.
const SEEN: u32 = 4;

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
    let mut open: Vec<(Awaited, u32)> = awaited.iter().map(|each| (each.clone(), 0)).collect();
    let waited = until(patience, &|| cluster.is_over(), || {
        let seen = Seen::of(cluster, std::mem::take(&mut open));
        if seen.pending.is_empty() && seen.rejected.is_empty() {
            return Ok(Look::Done(()));
        }
        if !seen.rejected.is_empty() && seen.rejected.iter().all(|(_, times)| *times >= SEEN) {
            return Err(NotInForce::Rejected(seen.rejected.into_iter().map(|(outstanding, _)| outstanding).collect()));
        }
        open = seen.open();
        Ok(Look::Open(seen))
    })?;
    match waited {
        Ok(()) => Ok(started.elapsed()),
        Err(late) => Err(late.last.given_up(late.after)),
    }
}

/// What one look at a cluster showed, of what was not in force before.
#[derive(Default)]
struct Seen {
    pending: Vec<Outstanding>,
    /// With how often in a row.
    rejected: Vec<(Outstanding, u32)>,
}

impl Seen {
    fn of(cluster: &dyn Cluster, open: Vec<(Awaited, u32)>) -> Self {
        let mut seen = Self::default();
        for (awaited, times) in open {
            match awaited.state(cluster) {
                State::InForce => {}
                State::Pending(why) => seen.pending.push(Outstanding { awaited, why }),
                State::Rejected(why) => seen.rejected.push((Outstanding { awaited, why }, times + 1)),
            }
        }
        seen
    }

    fn open(&self) -> Vec<(Awaited, u32)> {
        let pending = self.pending.iter().map(|outstanding| (outstanding.awaited.clone(), 0));
        pending.chain(self.rejected.iter().map(|(outstanding, times)| (outstanding.awaited.clone(), *times))).collect()
    }

    fn given_up(self, after: Duration) -> NotInForce {
        let rejected = self.rejected.into_iter().map(|(outstanding, _)| outstanding);
        NotInForce::Deadline { pending: rejected.chain(self.pending).collect(), after }
    }
}
