//! The comparison of two runs as a whole.

use airtight_manifest::Severity;
use airtight_matrix::run::{ExitStatus, PolicyRecord, RunRecord};
use airtight_matrix::scenario::CaseId;
use serde::Serialize;

use super::around::Around;
use super::case;
use super::case::{Regression, Shift};
use crate::wording::is_uncovered;

/// What a run is compared by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Its id.
    pub id: String,
    /// When it started, RFC 3339 in UTC.
    pub started: String,
    /// Where flows were tried.
    pub testbed: String,
    /// The name of its stack.
    pub stack: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// What changed from one run, the baseline, to a later one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The run that is compared with.
    pub baseline: Named,
    /// The run that is compared.
    pub current: Named,
    /// How many cases both runs have.
    pub compared: usize,
    /// What is worse about the run as a whole: a testbed that does not enforce, inputs that are refused.
    pub run: Vec<String>,
    /// Cases that passed and no longer do, and new ones that do not pass; the most severe first.
    pub regressions: Vec<Regression>,
    /// Cases that pass in both runs, each in another way.
    pub shifts: Vec<Shift>,
    /// Policy objects whose removal a case noticed, and none notices any more.
    pub unnoticed: Vec<String>,
    /// Cases that did not pass, and do now.
    pub repaired: Vec<CaseId>,
    /// Cases that did not pass, and still do not.
    pub standing: Vec<CaseId>,
    /// New cases that pass.
    pub added: Vec<CaseId>,
    /// What differs around the cases.
    pub around: Around,
}

impl Diff {
    /// Compares a run with an earlier one.
    #[must_use]
    pub fn between(baseline: &RunRecord, current: &RunRecord) -> Self {
        let around = Around::between(baseline, current);
        let cases = case::compare(baseline, current, &around);
        Self {
            baseline: Named::of(baseline),
            current: Named::of(current),
            compared: cases.compared,
            run: run(baseline, current),
            regressions: cases.regressions,
            shifts: cases.shifts,
            unnoticed: unnoticed(baseline, current),
            repaired: cases.repaired,
            standing: cases.standing,
            added: cases.added,
            around,
        }
    }

    /// Whether something got worse.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        !self.run.is_empty() || !self.regressions.is_empty()
    }

    /// How to exit: 4 if the runs have no case in common, 1 if something got worse. Being strict, what changed without
    /// getting worse counts too.
    #[must_use]
    pub fn status(&self, strict: bool) -> ExitStatus {
        if self.compared == 0 {
            return ExitStatus::NothingSelected;
        }
        let changed = !self.shifts.is_empty() || !self.unnoticed.is_empty();
        if self.is_worse() || (strict && changed) { ExitStatus::Failed } else { ExitStatus::Passed }
    }
}

impl Named {
    fn of(record: &RunRecord) -> Self {
        Self {
            id: record.id.clone(),
            started: record.started.clone(),
            testbed: record.testbed.clone(),
            stack: record.stack.name.clone(),
            status: record.summary.status,
        }
    }
}

fn run(baseline: &RunRecord, current: &RunRecord) -> Vec<String> {
    let canary = (!current.canary.enforces && baseline.canary.enforces)
        .then(|| format!("the testbed no longer enforces: {}", current.canary.detail));
    let known = |code: &str, message: &str| {
        baseline.findings.iter().any(|finding| finding.code == code && finding.message == message)
    };
    let errors = current.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let new = errors.filter(|finding| !known(&finding.code, &finding.message));
    canary.into_iter().chain(new.map(|finding| finding.message.clone())).collect()
}

/// Objects that both runs have. A run in which nothing is noticed was made without ablation, and says nothing.
fn unnoticed(baseline: &RunRecord, current: &RunRecord) -> Vec<String> {
    if current.policies.iter().all(is_uncovered) {
        return Vec::new();
    }
    let was_noticed = |policy: &&PolicyRecord| {
        let same = |before: &&PolicyRecord| before.rule.object == policy.rule.object;
        baseline.policies.iter().find(same).is_some_and(|before| !is_uncovered(before))
    };
    let now = current.policies.iter().filter(|policy| is_uncovered(policy));
    now.filter(was_noticed).map(|policy| policy.rule.to_string()).collect()
}
