//! Ends at which an object of an unmodelled kind leaves everything open.

use std::collections::HashMap;

use airtight_manifest::RuleRef;

use super::basis::{Bases, BasisId};
use crate::path::doubt::{doubt_from, doubt_to, why_open};
use crate::path::trace::{Check, Wire};
use crate::policy::{Checkpoint, Decision};
use crate::world::{Pod, Protocol, World};

/// Which end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Which {
    Start,
    End,
}

/// For each end the basis of its doubt, if there is one.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    known: HashMap<(Which, String), Option<BasisId>>,
}

impl Doubts {
    pub(super) fn about(&mut self, world: &World, which: Which, pod: &Pod, bases: &mut Bases) -> Option<BasisId> {
        if world.touched.is_empty() {
            return None;
        }
        let end = format!("{}/{}", pod.namespace, pod.workload);
        let find = |end: &str| match which {
            Which::Start => doubt_from(world, end),
            Which::End => doubt_to(world, end),
        };
        let rule = find(&end);
        *self.known.entry((which, end)).or_insert_with(|| rule.map(|rule| unmodelled(rule, bases)))
    }
}

/// The basis of a doubt about an object.
pub(super) fn unmodelled(rule: &RuleRef, bases: &mut Bases) -> BasisId {
    let detail = why_open(rule);
    let check = Check { checkpoint: Checkpoint::Admission, decision: Decision::unknown(vec![rule.clone()], detail) };
    bases.add(Wire::Plain { protocol: Protocol::Tcp, port: None }, check)
}
