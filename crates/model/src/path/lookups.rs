//! Lookups that were traced already: one pod asks for the same few names before each of its flows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connection::Relay;
use super::lookup::Lookup;
use crate::world::PodId;

/// How many are kept: some 1 KB each.
const MOST: usize = 1 << 14;

/// What lookups came to, in one world under one set of policies.
#[derive(Debug, Default)]
pub(super) struct Lookups(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_pod: HashMap<(PodId, Relay), HashMap<String, Lookup>>,
    number: usize,
}

impl Lookups {
    /// What the lookup of a name by a pod came to, which is worked out the first time.
    pub(super) fn of(&self, (pod, relay): (PodId, Relay), name: &str, work_out: impl FnOnce() -> Lookup) -> Lookup {
        if let Some(known) = self.known().by_pod.get(&(pod, relay)).and_then(|own| own.get(name)) {
            return known.clone();
        }
        let lookup = work_out();
        self.known().keep((pod, relay), name, &lookup);
        lookup
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn keep(&mut self, asking: (PodId, Relay), name: &str, lookup: &Lookup) {
        if self.number < MOST {
            self.number += 1;
            self.by_pod.entry(asking).or_default().insert(name.to_owned(), lookup.clone());
        }
    }
}
