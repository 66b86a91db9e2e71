//! Namespaces in which an object of an unmodelled kind leaves everything open.

use std::collections::HashMap;
use std::sync::Arc;

use airtight_manifest::RuleRef;

use super::basis::{Bases, BasisId};
use crate::path::doubt::doubt_in;
use crate::path::trace::{Check, Wire};
use crate::policy::{Checkpoint, Decision};
use crate::world::{Protocol, World};

/// For each namespace the basis of its doubt, if there is one.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    known: HashMap<Arc<str>, Option<BasisId>>,
}

impl Doubts {
    pub(super) fn about(&mut self, world: &World, namespace: &Arc<str>, bases: &mut Bases) -> Option<BasisId> {
        *self
            .known
            .entry(Arc::clone(namespace))
            .or_insert_with(|| doubt_in(world, &mut std::iter::once(&**namespace)).map(|rule| unmodelled(rule, bases)))
    }
}

/// The basis of a doubt about an object.
pub(super) fn unmodelled(rule: &RuleRef, bases: &mut Bases) -> BasisId {
    let detail = format!("{rule} is of a kind that airtight does not model");
    let check = Check { checkpoint: Checkpoint::Admission, decision: Decision::unknown(vec![rule.clone()], detail) };
    bases.add(Wire::Plain { protocol: Protocol::Tcp, port: None }, check)
}
