//! How single cases changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::ObjectRef;
use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, PolicyRecord, RunRecord};
use airtight_matrix::scenario::{CaseId, Severity};
use airtight_model::path::Trace;
use airtight_model::policy::Layer;
use serde::Serialize;

use super::around::Around;
use crate::wording::{observed, trace};

/// In which way a case got worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegressionKind {
    /// It passed, and fails.
    Fails,
    /// It passed, and nobody can tell any more.
    Inconclusive,
    /// It passed, and is skipped.
    Skipped,
    /// It passed, and the run no longer has it.
    Removed,
    /// The baseline does not have it, and it does not pass.
    New,
}

/// A case that got worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Regression {
    /// Its id.
    pub case: CaseId,
    /// Its title.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// In which way.
    pub kind: RegressionKind,
    /// What was seen in the baseline; none of a new case.
    pub before: Option<String>,
    /// What is seen now; none of a case that is gone.
    pub now: Option<String>,
    /// Why it does not pass.
    pub why: String,
    /// What changed on its way: its own definition, or policy objects that decide or decided about it.
    pub suspects: Vec<String>,
}

/// A case that passes in both runs, or is answered for, in another way than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shift {
    /// Its id.
    pub case: CaseId,
    /// Its title.
    pub title: String,
    /// What is otherwise, one sentence each.
    pub what: Vec<String>,
}

/// What came of the comparison of all cases.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) compared: usize,
    pub(super) regressions: Vec<Regression>,
    pub(super) shifts: Vec<Shift>,
    pub(super) repaired: Vec<CaseId>,
    pub(super) standing: Vec<CaseId>,
    pub(super) added: Vec<CaseId>,
}

pub(super) fn compare(baseline: &RunRecord, current: &RunRecord, around: &Around) -> Compared {
    let before: BTreeMap<&str, &CaseRecord> = by_id(baseline);
    let suspects = Suspects { around, before: &baseline.policies, now: &current.policies };
    let mut compared = Compared::default();
    for now in &current.cases {
        match before.get(now.case.id.as_str()) {
            Some(before) => compared.pair(before, now, &suspects),
            None => compared.new_case(now, &suspects),
        }
    }
    let now = by_id(current);
    let gone = baseline.cases.iter().filter(|before| !now.contains_key(before.case.id.as_str()));
    compared.regressions.extend(gone.filter(|before| passes(before)).map(removed));
    compared.regressions.sort_by_key(|each| (Reverse(each.severity), each.kind, each.case.clone()));
    compared
}

fn by_id(record: &RunRecord) -> BTreeMap<&str, &CaseRecord> {
    record.cases.iter().map(|each| (each.case.id.as_str(), each)).collect()
}

fn passes(record: &CaseRecord) -> bool {
    record.judgement.verdict == Verdict::Pass
}

impl Compared {
    fn pair(&mut self, before: &CaseRecord, now: &CaseRecord, suspects: &Suspects<'_>) {
        self.compared += 1;
        let id = || now.case.id.clone();
        match (passes(before), kind(&now.judgement.verdict)) {
            (true, Some(kind)) => self.regressions.push(regression(kind, Some(before), now, suspects)),
            (true, None) => self.shifts.extend(shift(before, now)),
            (false, _) if passes(now) => self.repaired.push(id()),
            (false, _) => self.standing.push(id()),
        }
    }

    fn new_case(&mut self, now: &CaseRecord, suspects: &Suspects<'_>) {
        match now.judgement.verdict {
            Verdict::Fail | Verdict::Inconclusive => {
                self.regressions.push(regression(RegressionKind::New, None, now, suspects));
            }
            Verdict::Pass | Verdict::Skipped { .. } | Verdict::Waived { .. } => self.added.push(now.case.id.clone()),
        }
    }
}

/// In which way a case is worse that passed. A waived one is not: somebody answers for it until a day.
fn kind(verdict: &Verdict) -> Option<RegressionKind> {
    match verdict {
        Verdict::Pass | Verdict::Waived { .. } => None,
        Verdict::Fail => Some(RegressionKind::Fails),
        Verdict::Inconclusive => Some(RegressionKind::Inconclusive),
        Verdict::Skipped { .. } => Some(RegressionKind::Skipped),
    }
}

fn regression(
    kind: RegressionKind,
    before: Option<&CaseRecord>,
    now: &CaseRecord,
    suspects: &Suspects<'_>,
) -> Regression {
    let why = match &now.judgement.verdict {
        Verdict::Skipped { reason } => reason.clone(),
        Verdict::Pass | Verdict::Fail | Verdict::Inconclusive | Verdict::Waived { .. } => now.judgement.why.clone(),
    };
    Regression {
        case: now.case.id.clone(),
        title: now.case.title.clone(),
        severity: now.case.severity,
        kind,
        before: before.map(observed),
        now: Some(observed(now)),
        why,
        suspects: suspects.of(before, now),
    }
}

fn removed(before: &CaseRecord) -> Regression {
    Regression {
        case: before.case.id.clone(),
        title: before.case.title.clone(),
        severity: before.case.severity,
        kind: RegressionKind::Removed,
        before: Some(observed(before)),
        now: None,
        why: "a matrix that shrinks proves less".to_owned(),
        suspects: Vec::new(),
    }
}

/// In which other way a case passes.
fn shift(before: &CaseRecord, now: &CaseRecord) -> Option<Shift> {
    let mut what = Vec::new();
    if let Verdict::Waived { until, why } = &now.judgement.verdict {
        what.push(format!("it no longer passes, and is waived until {until}: {why}"));
    }
    if now.judgement.flaky && !before.judgement.flaky {
        what.push("it passes only after a retry".to_owned());
    }
    what.extend(outcome(before, now));
    what.extend(denied_by(before, now));
    what.extend(depth(before, now));
    (!what.is_empty()).then(|| Shift { case: now.case.id.clone(), title: now.case.title.clone(), what })
}

fn outcome(before: &CaseRecord, now: &CaseRecord) -> Option<String> {
    let outcome = |record: &CaseRecord| record.observation.as_ref()?.outcome.clone();
    let (before, now) = (outcome(before)?, outcome(now)?);
    (before != now).then(|| format!("the client sees {now} instead of {before}"))
}

fn denied_by(before: &CaseRecord, now: &CaseRecord) -> Option<String> {
    let layer = |record: &CaseRecord| record.observation.as_ref()?.evidence.denied_by;
    let (before, now) = (layer(before)?, layer(now)?);
    (before != now).then(|| format!("it is denied by {now} instead of {before}"))
}

/// A denial that fewer layers stand behind is weaker, and passes.
fn depth(before: &CaseRecord, now: &CaseRecord) -> Option<String> {
    let (before, now) = (layers(before)?, layers(now)?);
    let lost: Vec<String> = before.difference(now).map(ToString::to_string).collect();
    let gained: Vec<String> = now.difference(before).map(ToString::to_string).collect();
    match (lost.is_empty(), gained.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("{} would no longer deny it alone", lost.join(" and "))),
        (true, false) => Some(format!("{} would deny it alone too", gained.join(" and "))),
        (false, false) => {
            let (gained, lost) = (gained.join(" and "), lost.join(" and "));
            Some(format!("{gained} would deny it alone, and {lost} no longer"))
        }
    }
}

fn layers(record: &CaseRecord) -> Option<&BTreeSet<Layer>> {
    let evidence = &record.observation.as_ref()?.evidence;
    evidence.denying_layers.as_ref().or(evidence.foreseen_layers.as_ref())
}

/// Who may be to blame for a change.
struct Suspects<'a> {
    around: &'a Around,
    before: &'a [PolicyRecord],
    now: &'a [PolicyRecord],
}

impl Suspects<'_> {
    fn of(&self, before: Option<&CaseRecord>, now: &CaseRecord) -> Vec<String> {
        let case = self.around.cases_changed.contains(&now.case.id).then(|| "the case itself".to_owned());
        let traces = before.into_iter().chain([now]).filter_map(trace);
        let rules = traces.flat_map(Trace::checks).flat_map(|check| &check.decision.rules);
        let objects: BTreeSet<&ObjectRef> = rules.map(|rule| &*rule.object).collect();
        case.into_iter().chain(objects.into_iter().filter_map(|object| self.change(object))).collect()
    }

    /// How an object changed, if it did.
    fn change(&self, object: &ObjectRef) -> Option<String> {
        let find = |policies: &[PolicyRecord]| {
            let policy = policies.iter().find(|policy| *policy.rule.object == *object)?;
            Some((policy.digest.clone(), policy.rule.to_string()))
        };
        match (find(self.before), find(self.now)) {
            (Some((before, _)), Some((now, place))) if before != now => Some(format!("{place}, which changed")),
            (None, Some((_, place))) => Some(format!("{place}, which is new")),
            (Some((_, place)), None) => Some(format!("{place}, which is gone")),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}
