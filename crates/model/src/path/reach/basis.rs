//! The basis of a verdict: decisions without their words, shared by all cells that they decide.

use airtight_manifest::RuleRef;
use serde::Serialize;

use super::verdict::Stamp;
use crate::path::trace::{Check, Wire};
use crate::policy::{Checkpoint, Effect, Reason};

/// What one checkpoint decided, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// Which checkpoint.
    pub checkpoint: Checkpoint,
    /// Which way.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// The rules that decided; for a default deny, the rules that isolate the subject.
    pub rules: Vec<RuleRef>,
}

impl Basis {
    /// Whether it lets flows on.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.effect == Effect::Allow
    }

    fn of(check: Check) -> Self {
        let Check { checkpoint, decision } = check;
        Self { checkpoint, effect: decision.effect, reason: decision.reason, rules: decision.rules }
    }
}

/// Index of a basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BasisId(u32);

impl BasisId {
    /// No checkpoint is there.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// All bases of a computation.
#[derive(Debug, Default)]
pub(super) struct Bases {
    list: Vec<Basis>,
    stamps: Vec<Stamp>,
}

impl Bases {
    pub(super) fn add(&mut self, wire: Wire, check: Check) -> BasisId {
        self.stamps.push(Stamp::of(wire, &check));
        self.list.push(Basis::of(check));
        BasisId(u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn get(&self, id: BasisId) -> Option<&Basis> {
        self.list.get(id.0 as usize)
    }

    pub(super) fn stamp(&self, id: BasisId) -> Option<Stamp> {
        self.stamps.get(id.0 as usize).copied()
    }
}
