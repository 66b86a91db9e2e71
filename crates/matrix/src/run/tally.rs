//! Counts, and the result that follows from them.

use airtight_manifest::Diagnostic;

use super::record::{CanaryRecord, CaseRecord, ExitStatus, Summary};
use crate::judge::Verdict;
use crate::scenario::Expectation;

impl Summary {
    /// Counts the cases, and draws the result from them, the canary and the findings:
    ///
    /// - nothing selected: `nothing-selected`;
    /// - a testbed that does not enforce: `no-testbed`;
    /// - a failed case, or an error among the findings: `failed`;
    /// - an inconclusive case, or nothing that passed (all is waived or was skipped): `inconclusive`;
    /// - else `passed`.
    #[must_use]
    pub fn of(cases: &[CaseRecord], canary: &CanaryRecord, findings: &[Diagnostic]) -> Self {
        let mut summary = Self { total: cases.len(), ..Self::default() };
        for record in cases {
            summary.count(record);
        }
        summary.status = summary.result(canary, findings);
        summary
    }

    fn count(&mut self, record: &CaseRecord) {
        match &record.judgement.verdict {
            Verdict::Pass => {
                self.passed += 1;
                self.flaky += usize::from(record.judgement.flaky);
                match record.case.expect {
                    Expectation::Allow(_) => self.allowed += 1,
                    Expectation::Deny(_) => self.denied += 1,
                }
            }
            Verdict::Fail => self.failed += 1,
            Verdict::Inconclusive => self.inconclusive += 1,
            Verdict::Skipped { .. } => self.skipped += 1,
            Verdict::Waived { .. } => self.waived += 1,
        }
    }

    fn result(&self, canary: &CanaryRecord, findings: &[Diagnostic]) -> ExitStatus {
        if self.total == 0 {
            ExitStatus::NothingSelected
        } else if !canary.enforces {
            ExitStatus::NoTestbed
        } else if self.failed > 0 || findings.iter().any(Diagnostic::is_error) {
            ExitStatus::Failed
        } else if self.inconclusive > 0 || self.passed == 0 {
            ExitStatus::Inconclusive
        } else {
            ExitStatus::Passed
        }
    }
}
