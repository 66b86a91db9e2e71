//! A policy set in the making: entries and findings of all kinds of policies.

use airtight_manifest::{Diagnostic, Location, Meta, Position};

use super::dialect::Dialect;
use super::entry::Entry;
use super::selector::Selectors;
use crate::world::World;

/// Entries and findings as compilers add them.
#[derive(Debug)]
pub(super) struct Compilation<'w> {
    pub(super) world: &'w World,
    pub(super) dialect: &'w Dialect,
    pub(super) selectors: Selectors,
    pub(super) entries: Vec<Entry>,
    pub(super) findings: Vec<Diagnostic>,
}

impl<'w> Compilation<'w> {
    pub(super) fn new(world: &'w World, dialect: &'w Dialect) -> Self {
        Self { world, dialect, selectors: Selectors::default(), entries: Vec::new(), findings: Vec::new() }
    }

    /// The API server takes the object, and every agent ignores it.
    pub(super) fn ignored(&mut self, meta: &Meta, path: &str, at: Position, why: &str) {
        self.findings.push(
            Diagnostic::error("policy-ignored", format!("{}: {path}: {why}", meta.object))
                .at(Location::new(&meta.at.file, at))
                .hint(
                    "the API server accepts the object and every Cilium agent ignores it as a whole: \
                     what it should deny stays open; correct the field",
                )
                .about(&meta.object),
        );
    }

    /// The object is in force, and probably does not mean what its author thinks.
    pub(super) fn warn(&mut self, code: &str, meta: &Meta, at: Position, message: impl AsRef<str>, hint: &str) {
        self.findings.push(
            Diagnostic::warning(code, format!("{}: {}", meta.object, message.as_ref()))
                .at(Location::new(&meta.at.file, at))
                .hint(hint)
                .about(&meta.object),
        );
    }
}
