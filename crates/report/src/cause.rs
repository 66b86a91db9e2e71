//! Failed and inconclusive cases by what they have in common: the object, the finding or the twin that made them so.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use airtight_manifest::{Diagnostic, Location, RuleRef};
use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::{Case, Expectation, got_through};
use airtight_model::path::Trace;
use airtight_model::policy::{Effect, Layer, NearMiss, Reason};

use super::failure::FailureKind;
use super::standing::Standing;
use super::text::{count, one_line};
use super::wording::trace;

/// Why several cases did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// What tells it from other causes.
    key: String,
    /// In one sentence.
    pub(super) words: String,
    /// Where it is written; empty if nowhere.
    pub(super) at: String,
    /// The same as a place.
    pub(super) place: Option<Location>,
    /// What to look at; empty if there is nothing to add.
    pub(super) hint: String,
}

/// Cases of one cause.
#[derive(Debug)]
pub(super) struct Group<'r> {
    pub(super) cause: Cause,
    /// Those that failed or are inconclusive by it, the severest first.
    pub(super) cases: Vec<&'r CaseRecord>,
    /// Those of which nobody can tell because their twin is among the former.
    pub(super) followers: Vec<&'r CaseRecord>,
}

impl Group<'_> {
    /// How many fail, how many are inconclusive, and how many follow.
    pub(super) fn counts(&self) -> String {
        let failed = self.cases.iter().filter(|case| Standing::of(case) == Standing::Failed).count();
        let open = self.cases.len() - failed;
        let mut parts = Vec::new();
        if failed > 0 {
            parts.push(count(failed, "case fails", "cases fail"));
        }
        if open > 0 {
            parts.push(count(open, "case is inconclusive", "cases are inconclusive"));
        }
        if !self.followers.is_empty() {
            parts.push(count(self.followers.len(), "inconclusive case follows", "inconclusive cases follow"));
        }
        parts.join(", ")
    }

    /// Whether one of its cases failed.
    pub(super) fn has_failed(&self) -> bool {
        self.cases.iter().any(|case| Standing::of(case) == Standing::Failed)
    }
}

/// The failed and inconclusive cases of a run by their causes, the severest first.
pub(super) fn groups(record: &RunRecord) -> Vec<Group<'_>> {
    let by_id: BTreeMap<&str, &CaseRecord> = record.cases.iter().map(|case| (case.case.id.as_str(), case)).collect();
    let troubled = record.cases.iter().filter(|case| is_troubled(case));
    let (followers, own): (Vec<&CaseRecord>, Vec<&CaseRecord>) =
        troubled.partition(|case| leader(case, &by_id).is_some());
    let mut groups: Vec<Group<'_>> = Vec::new();
    for case in own {
        let mut cause = Cause::of(case, record);
        cause.key = format!("{} {}", Standing::of(case).word(), cause.key);
        match groups.iter_mut().find(|group| group.cause.key == cause.key) {
            Some(group) => group.cases.push(case),
            None => groups.push(Group { cause, cases: vec![case], followers: Vec::new() }),
        }
    }
    for case in followers {
        let Some(leader) = leader(case, &by_id) else { continue };
        let of_leader = |group: &&mut Group<'_>| group.cases.iter().any(|known| known.case.id == leader.case.id);
        match groups.iter_mut().find(of_leader) {
            Some(group) => group.followers.push(case),
            None => groups.push(Group { cause: Cause::of(case, record), cases: vec![case], followers: Vec::new() }),
        }
    }
    for group in &mut groups {
        group.cases.sort_by_key(|case| (Standing::of(case), Reverse(case.case.severity)));
    }
    groups.sort_by_key(|group| {
        let severest = group.cases.iter().map(|case| case.case.severity).max();
        (!group.has_failed(), Reverse(severest), Reverse(group.cases.len() + group.followers.len()))
    });
    groups
}

fn is_troubled(case: &CaseRecord) -> bool {
    match Standing::of(case) {
        Standing::Failed | Standing::Inconclusive => true,
        Standing::Waived | Standing::Skipped | Standing::Denied | Standing::Allowed => false,
    }
}

/// The case whose trouble makes another one inconclusive: its twin.
fn leader<'r>(case: &CaseRecord, by_id: &BTreeMap<&str, &'r CaseRecord>) -> Option<&'r CaseRecord> {
    let seen = case.observation.as_ref()?;
    let is_open = Standing::of(case) == Standing::Inconclusive && seen.undecided.is_none();
    let twin = by_id.get(case.case.twin.as_deref()?).copied()?;
    (is_open && is_troubled(twin) && twin.case.twin.is_none()).then_some(twin)
}

impl Cause {
    /// Why a case did not pass, as far as its trace and the findings tell.
    pub(super) fn of(case: &CaseRecord, record: &RunRecord) -> Self {
        let seen = case.observation.as_ref();
        let Some(outcome) = seen.and_then(|seen| seen.outcome.as_ref()) else { return Self::of_unknown(case) };
        let told = trace(case).and_then(|trace| match (&case.case.expect, got_through(outcome)) {
            (Expectation::Allow(_), false) => Self::of_denial(trace, None),
            (Expectation::Deny(deny), true) => Self::of_passage(case, trace, deny.by, record),
            (Expectation::Deny(deny), false) => Self::of_denial(trace, Some(deny.by)),
            (Expectation::Allow(_), true) => None,
        });
        told.unwrap_or_else(|| Self::of_kind(case))
    }

    fn new(key: String, words: &str, place: Option<&Location>, hint: &str) -> Self {
        let at = place.map(|place| one_line(&place.to_string())).unwrap_or_default();
        Self { key, words: one_line(words), at, place: place.cloned(), hint: one_line(hint) }
    }

    fn of_rule(rule: &RuleRef, what: &str, hint: &str) -> Self {
        let key = format!("{what} {}", rule.object);
        Self::new(key, &format!("{} {what}", rule.object), Some(&rule.at), hint)
    }

    /// Another case than those below: each way of failing at one destination.
    fn of_kind(case: &CaseRecord) -> Self {
        let kind = FailureKind::of(case);
        let why = case.judgement.why.clone();
        Self::new(format!("{kind} {} {why}", case.case.flow.to), &format!("{}: {why}", kind.words()), None, "")
    }

    fn of_unknown(case: &CaseRecord) -> Self {
        let open = trace(case).and_then(|trace| trace.checks().find(|check| check.decision.effect == Effect::Unknown));
        if let Some(check) = open {
            let rule = check.decision.rules.first();
            let detail = check.decision.detail.clone();
            return match rule {
                Some(rule) => Self::of_rule(rule, "leaves it open", &detail),
                None => Self::new(format!("open {detail}"), &detail, None, ""),
            };
        }
        let seen = case.observation.as_ref().and_then(|seen| seen.undecided.clone());
        let why = seen.unwrap_or_else(|| case.judgement.why.clone());
        Self::new(format!("open {why}"), &why, None, "")
    }

    /// A denial where none, or another one, was to be.
    fn of_denial(trace: &Trace, instead_of: Option<Layer>) -> Option<Self> {
        let check = trace.denial()?;
        let other = instead_of.filter(|layer| *layer != check.checkpoint.layer());
        let instead = other.map(|layer| format!(", where {layer} was to deny")).unwrap_or_default();
        let slip = check.decision.near.iter().find(|miss| miss.distance == 1 && instead_of.is_none());
        if let Some(NearMiss { rule, but, .. }) = slip {
            return Some(Self::of_rule(rule, "nearly allows it, but", "").ending(but));
        }
        let layer = check.checkpoint.layer();
        Some(match check.decision.rules.first() {
            Some(rule) if check.decision.reason == Reason::DefaultDeny => {
                let nearest = check.decision.near.first().filter(|_| instead_of.is_none());
                let nearest = nearest.map(|miss| format!("nearest is {}: {}", miss.rule, miss.but)).unwrap_or_default();
                Self::of_rule(rule, &format!("isolates it, and no rule allows it{instead}"), &nearest)
            }
            Some(rule) => Self::of_rule(rule, &format!("denies it{instead}"), &check.decision.detail),
            None => {
                let detail = &check.decision.detail;
                Self::new(format!("{layer} {detail}"), &format!("{layer} denies it{instead}: {detail}"), None, "")
            }
        })
    }

    /// The same cause with a sentence that goes on.
    fn ending(mut self, with: &str) -> Self {
        self.words = format!("{} {}", self.words, one_line(with));
        self.key = format!("{} {}", self.key, with);
        self
    }

    /// A flow that got through where a layer was to deny it.
    fn of_passage(case: &CaseRecord, trace: &Trace, by: Layer, record: &RunRecord) -> Option<Self> {
        if let Some(finding) = idle_policy(&case.case, trace, record) {
            let hint = finding.hint.clone().unwrap_or_default();
            return Some(Self::new(finding.message.clone(), &finding.message, finding.location.as_ref(), &hint));
        }
        let checks = || trace.checks().filter(|check| check.checkpoint.layer() == by);
        let opener = checks().filter(|check| check.decision.reason != Reason::NoPolicy);
        if let Some(rule) = opener.flat_map(|check| &check.decision.rules).next() {
            return Some(Self::of_rule(rule, &format!("lets it through, where {by} was to deny"), ""));
        }
        let last = trace.hops.last()?;
        let home = last.to.split_once('/').map_or(&*last.to, |(home, _)| home);
        let words = format!("nothing of {by} denies what leads to {home}");
        let hint = checks().next().map(|check| check.decision.detail.clone()).unwrap_or_default();
        Some(Self::new(words.clone(), &words, None, &hint))
    }
}

/// A policy that binds nobody, whose selector is nearest to one end of the flow; or an object that was refused, in the
/// namespace of one.
fn idle_policy<'r>(case: &Case, trace: &Trace, record: &'r RunRecord) -> Option<&'r Diagnostic> {
    let ends: Vec<&str> = trace.hops.iter().flat_map(|hop| [hop.from.as_str(), hop.to.as_str()]).collect();
    let near = |finding: &&Diagnostic| {
        finding.code == "selects-nobody"
            && finding
                .hint
                .as_deref()
                .is_some_and(|hint| ends.iter().any(|end| hint.starts_with(&format!("nearest is {end}:"))))
    };
    let to = case.flow.to.to_string();
    let homes =
        || ends.iter().copied().chain([to.as_str()]).filter_map(|end| end.split_once('/')).map(|(home, _)| home);
    let refused = |finding: &&Diagnostic| {
        finding.is_error() && homes().any(|home| finding.message.contains(&format!("Policy {home}/")))
    };
    record.findings.iter().find(near).or_else(|| record.findings.iter().find(refused))
}
