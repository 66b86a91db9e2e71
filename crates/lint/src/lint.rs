//! From a world and what was noticed about it to a report.

use std::collections::HashSet;

use airtight_manifest::{Diagnostic, Document, Sources};
use airtight_model::path::Engine;
use jiff::civil::Date;

use crate::allow::sorted;
use crate::checks::Checks;
use crate::fix;
use crate::place::Places;
use crate::report::{Found, Report};

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a, 'w> {
    /// The manifests as they were written.
    pub documents: &'a [Document],
    /// The objects that exist after admission.
    pub admitted: &'a [Document],
    /// Their texts.
    pub sources: &'a Sources,
    /// The world's policies, compiled.
    pub engine: &'a Engine<'w>,
    /// What was noticed while manifests were read and their world was built.
    pub noticed: &'a [Diagnostic],
    /// The day on which suppressions must hold.
    pub today: Date,
}

/// Everything that breaks a rule, without what is allowed.
#[must_use]
pub fn lint(input: Input<'_, '_>) -> Report {
    let mut found = input.noticed.to_vec();
    found.extend(input.engine.findings());
    found.extend(input.engine.idle_rules());
    let checks = Checks::of(input.engine, input.admitted);
    checks.retain(&mut found);
    found.extend(checks.found());
    report(found, input.documents, input.sources, &input.engine.world().stack.name, input.today)
}

/// The report of manifests that cannot be read, so that nothing else is known of them.
#[must_use]
pub fn refused(findings: &[Diagnostic], sources: &Sources, stack: &str, today: Date) -> Report {
    report(findings.to_vec(), &[], sources, stack, today)
}

fn report(mut found: Vec<Diagnostic>, documents: &[Document], sources: &Sources, stack: &str, today: Date) -> Report {
    let mut seen = HashSet::new();
    found.retain(|finding| seen.insert(finding.to_string()));
    let found = found.into_iter().map(|diagnostic| located(diagnostic, sources)).collect();
    let mut sorted = sorted(found, sources, &Places::of(documents), today);
    sorted.findings.extend(sorted.faults.into_iter().map(|fault| located(fault, sources)));
    Report::new(stack, sorted.findings, sorted.allowed)
}

fn located(diagnostic: Diagnostic, sources: &Sources) -> Found {
    let fixable = !fix::edits(&diagnostic, sources).is_empty();
    Found { diagnostic, fixable }
}
