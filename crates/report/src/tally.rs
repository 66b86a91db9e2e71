//! Counting, and the check that a record's counts are those of its cases.

use std::collections::BTreeSet;

use airtight_matrix::run::{CaseRecord, ExitStatus, RUN_SCHEMA, RunRecord, Summary};
use thiserror::Error;

use super::standing::Standing;

/// How a record contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Inconsistency {
    /// Its schema is not the one that this airtight writes.
    #[error("its schema is `{0}`")]
    Schema(String),
    /// Two cases have one id.
    #[error("two cases have the id `{0}`")]
    DuplicateId(String),
    /// A count is not that of the cases.
    #[error("its summary counts {claimed} cases as {what}, and its cases are {counted}")]
    Count {
        /// Which count.
        what: &'static str,
        /// What the summary says.
        claimed: usize,
        /// What the cases say.
        counted: usize,
    },
    /// The result is `passed`, and something in the record forbids it.
    #[error("its result is `passed`, although {0}")]
    NotPassed(&'static str),
}

/// The counts of `cases`; the status is left at its default.
#[must_use]
pub fn tally(cases: &[CaseRecord]) -> Summary {
    let mut counts = Summary { total: cases.len(), ..Summary::default() };
    for record in cases {
        *counter(&mut counts, Standing::of(record)) += 1;
        if record.judgement.flaky && Standing::of(record).verdict() == "pass" {
            counts.flaky += 1;
        }
    }
    counts.passed = counts.allowed + counts.denied;
    counts
}

fn counter(counts: &mut Summary, standing: Standing) -> &mut usize {
    match standing {
        Standing::Failed => &mut counts.failed,
        Standing::Inconclusive => &mut counts.inconclusive,
        Standing::Waived => &mut counts.waived,
        Standing::Skipped => &mut counts.skipped,
        Standing::Denied => &mut counts.denied,
        Standing::Allowed => &mut counts.allowed,
    }
}

/// Checks that a record's summary is that of its cases, so that no report can say `passed` over a failure.
///
/// # Errors
/// The first contradiction.
pub fn check(record: &RunRecord) -> Result<(), Inconsistency> {
    if record.schema != RUN_SCHEMA {
        return Err(Inconsistency::Schema(record.schema.clone()));
    }
    let mut ids = BTreeSet::new();
    if let Some(twice) = record.cases.iter().find(|case| !ids.insert(&case.case.id)) {
        return Err(Inconsistency::DuplicateId(twice.case.id.clone()));
    }
    check_counts(&record.summary, &tally(&record.cases))?;
    match forbids_passed(record) {
        Some(why) if record.summary.status == ExitStatus::Passed => Err(Inconsistency::NotPassed(why)),
        _ => Ok(()),
    }
}

fn check_counts(claimed: &Summary, counted: &Summary) -> Result<(), Inconsistency> {
    let counts = |summary: &Summary| {
        [
            ("selected", summary.total),
            ("passed", summary.passed),
            ("failed", summary.failed),
            ("inconclusive", summary.inconclusive),
            ("skipped", summary.skipped),
            ("waived", summary.waived),
            ("flaky", summary.flaky),
            ("allowed", summary.allowed),
            ("denied", summary.denied),
        ]
    };
    let pairs = counts(claimed).into_iter().zip(counts(counted));
    match pairs.into_iter().find(|((_, claimed), (_, counted))| claimed != counted) {
        Some(((what, claimed), (_, counted))) => Err(Inconsistency::Count { what, claimed, counted }),
        None => Ok(()),
    }
}

fn forbids_passed(record: &RunRecord) -> Option<&'static str> {
    if record.summary.failed > 0 {
        Some("a case failed")
    } else if record.summary.inconclusive > 0 {
        Some("a case is inconclusive")
    } else if record.summary.total == 0 {
        Some("no case was selected")
    } else if record.summary.passed == 0 {
        Some("no case passed")
    } else if !record.canary.enforces {
        Some("the testbed does not enforce")
    } else if record.findings.iter().any(airtight_manifest::Diagnostic::is_error) {
        Some("an input was refused")
    } else {
        None
    }
}
