//! The sentences that reports share.

use std::collections::BTreeMap;
use std::fmt::Display;

use airtight_matrix::judge::{Agreement, Prediction, Wrong};
use airtight_matrix::run::{CaseRecord, ExitStatus, PolicyRecord, RunRecord};
use airtight_matrix::scenario::{AllowExpectation, Case, DenyExpectation, Expectation, Severity};
use airtight_model::path::{Flow, Trace};
use airtight_model::policy::Effect;

use super::text::{count, one_line};

/// The result of a run in one sentence, counts first.
pub(super) fn headline(record: &RunRecord) -> String {
    let summary = &record.summary;
    match summary.status {
        ExitStatus::Passed if summary.passed == summary.total => {
            format!("All {} passed", count(summary.total, "case", "cases"))
        }
        ExitStatus::Passed => format!("{} of {} cases passed, none failed", summary.passed, summary.total),
        ExitStatus::Failed if summary.failed == 0 && drifts(record) => {
            "The cluster is not as the manifests say".to_owned()
        }
        ExitStatus::Failed if summary.failed == 0 => "The inputs were refused".to_owned(),
        ExitStatus::Failed => format!("{} of {} failed", summary.failed, count(summary.total, "case", "cases")),
        ExitStatus::InputError => "The input is wrong".to_owned(),
        ExitStatus::Inconclusive if summary.inconclusive == 0 => "No case passed: all are waived or skipped".to_owned(),
        ExitStatus::Inconclusive => {
            format!("{} of {} came to nothing", summary.inconclusive, count(summary.total, "case", "cases"))
        }
        ExitStatus::NothingSelected => "No case was selected".to_owned(),
        ExitStatus::NoTestbed => "The testbed does not enforce".to_owned(),
    }
}

/// Whether every error among the findings is of the cluster, and none of the inputs.
fn drifts(record: &RunRecord) -> bool {
    record.findings.iter().filter(|finding| finding.is_error()).all(|finding| finding.code == "drift")
}

/// The result in one word.
pub(super) fn status_word(status: ExitStatus) -> &'static str {
    match status {
        ExitStatus::Passed => "passed",
        ExitStatus::Failed => "failed",
        ExitStatus::InputError => "input error",
        ExitStatus::Inconclusive => "inconclusive",
        ExitStatus::NothingSelected => "nothing selected",
        ExitStatus::NoTestbed => "no testbed",
    }
}

/// All counts in one line; what is zero and good to be zero is said too.
pub(super) fn counts(record: &RunRecord) -> String {
    let summary = &record.summary;
    format!(
        "{}: {} passed ({} allowed, {} denied), {} failed, {} inconclusive, {} waived, {} skipped, {} flaky",
        count(summary.total, "case", "cases"),
        summary.passed,
        summary.allowed,
        summary.denied,
        summary.failed,
        summary.inconclusive,
        summary.waived,
        summary.skipped,
        summary.flaky,
    )
}

/// What must come of a case, such as `deny by cni: timeout`.
pub(super) fn expectation(case: &Case) -> String {
    one_line(&match &case.expect {
        Expectation::Allow(allow) => allow_words(allow, &case.flow),
        Expectation::Deny(deny) => deny_words(deny),
    })
}

fn allow_words(allow: &AllowExpectation, flow: &Flow) -> String {
    let mut parts = vec![format!("allow: {}", allow.describe(flow))];
    if !allow.via.is_empty() {
        parts.push(format!("via {}", list(&allow.via)));
    }
    parts.extend(allow.answered_by.iter().map(|backend| format!("answered by {}", one_line(backend))));
    parts.extend(allow.backend_headers.iter().map(|(name, value)| match value {
        Some(value) => format!("the backend sees `{}: {}`", one_line(name), one_line(value)),
        None => format!("the backend sees no `{}`", one_line(name)),
    }));
    parts.extend(allow.generates.iter().map(|objects| match objects.len() {
        0 => "nothing is generated".to_owned(),
        _ => format!("generated is {}", list(objects)),
    }));
    parts.extend(allow.labels.iter().map(|(name, value)| match value {
        Some(value) => format!("stored with label `{}: {}`", one_line(name), one_line(value)),
        None => format!("stored without label `{}`", one_line(name)),
    }));
    parts.join(", ")
}

fn deny_words(deny: &DenyExpectation) -> String {
    let each = if deny.layers > 1 { format!(", {} layers each alone", deny.layers) } else { String::new() };
    let reason = deny.reason.map(|reason| format!(" for {reason}")).unwrap_or_default();
    format!("deny by {}{reason}: {}{each}", deny.by, deny.describe())
}

/// What was seen, such as `timeout, denied by cni (default-deny)`.
pub(super) fn observed(record: &CaseRecord) -> String {
    let Some(observation) = &record.observation else { return "not tried".to_owned() };
    let evidence = &observation.evidence;
    let mut parts = vec![match (&observation.outcome, &observation.undecided) {
        (Some(outcome), _) => one_line(&outcome.to_string()),
        (None, Some(why)) => format!("no outcome: {}", one_line(why)),
        (None, None) => "no outcome".to_owned(),
    }];
    parts.extend(evidence.denied_by.map(|layer| match evidence.reason {
        Some(reason) => format!("denied by {layer} ({reason})"),
        None => format!("denied by {layer}"),
    }));
    let layers = evidence.denying_layers.iter().filter(|layers| layers.len() > 1);
    parts.extend(layers.map(|layers| format!("each alone would deny: {}", list(layers))));
    parts.extend(evidence.answered_by.iter().map(|backend| format!("answered by {}", one_line(backend))));
    let foreseen = evidence.foreseen_layers.iter().filter(|layers| layers.len() > 1);
    parts.extend(foreseen.map(|layers| format!("by the model each alone would deny: {}", list(layers))));
    if observation.attempts > 1 {
        parts.push(format!("{} attempts", observation.attempts));
    }
    parts.join(", ")
}

/// What the model foresaw of a case that another testbed tried, and whether both agree; none on the model itself.
pub(super) fn foreseen(record: &CaseRecord) -> Option<String> {
    let Prediction { foreseen, agreement } = record.prediction.as_ref()?;
    let layer = foreseen.evidence.denied_by.map(|layer| format!(", denied by {layer}")).unwrap_or_default();
    let account = match (&foreseen.outcome, &foreseen.undecided) {
        (Some(outcome), _) => format!("{}{layer}", one_line(&outcome.to_string())),
        (None, Some(why)) => format!("no outcome: {}", one_line(why)),
        (None, None) => "no outcome".to_owned(),
    };
    Some(match agreement {
        Agreement::Agree => format!("the same: {account}"),
        Agreement::Open => format!("{account} (nothing to compare it with)"),
        Agreement::Differ { wrong, .. } => format!("something else: {account} ({})", wrong_words(*wrong)),
    })
}

fn wrong_words(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Model => "the model is wrong, or has other manifests",
        Wrong::Cluster => "the cluster does not do what its manifests say",
        Wrong::Either => "one of the two is wrong",
    }
}

/// What tells the way of a flow: its own trace, or that which the model foresaw.
pub(super) fn trace(record: &CaseRecord) -> Option<&Trace> {
    let own = record.observation.as_ref().and_then(|seen| seen.evidence.trace.as_ref());
    own.or_else(|| record.prediction.as_ref()?.foreseen.evidence.trace.as_ref())
}

/// Whether no case notices that the object is gone.
pub(super) fn is_uncovered(policy: &PolicyRecord) -> bool {
    policy.noticed_by.is_empty()
}

/// Uncovered objects: those that are listed, and sentences that sum up those of which a rule made several.
pub(super) fn uncovered(record: &RunRecord) -> (Vec<&PolicyRecord>, Vec<String>) {
    let mut made: BTreeMap<Option<String>, Vec<&PolicyRecord>> = BTreeMap::new();
    for policy in record.policies.iter().filter(|policy| is_uncovered(policy)) {
        made.entry(policy.generated_by.as_ref().map(|by| one_line(&by.to_string()))).or_default().push(policy);
    }
    let (mut listed, mut sums) = (Vec::new(), Vec::new());
    for (generator, objects) in made {
        match generator.filter(|_| objects.len() > 1) {
            Some(generator) => sums.push(sum_up(&generator, &objects)),
            None => listed.extend(objects),
        }
    }
    (listed, sums)
}

fn sum_up(generator: &str, objects: &[&PolicyRecord]) -> String {
    let reached = objects.iter().filter(|object| !object.decides.is_empty()).count();
    format!(
        "{} objects that {generator} made, {reached} of them on the way of a case: whatever each denies, another \
         object denies as well",
        objects.len()
    )
}

/// Why an object counts as uncovered.
pub(super) fn uncovered_words(policy: &PolicyRecord) -> String {
    if policy.decides.is_empty() {
        "no case reaches it".to_owned()
    } else {
        format!("decides in {}, and none notices its removal", count(policy.decides.len(), "case", "cases"))
    }
}

/// What a checkpoint did, told for its place in the trace: behind a denial it only would have done it.
pub(super) fn effect_words(effect: Effect, behind: bool) -> &'static str {
    match (effect, behind) {
        (Effect::Allow, false) => "allows",
        (Effect::Deny, false) => "denies",
        (Effect::Unknown, false) => "unknown",
        (Effect::Allow, true) => "would allow",
        (Effect::Deny, true) => "would deny too",
        (Effect::Unknown, true) => "not reached, unknown",
    }
}

/// `a, b`.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| one_line(&item.to_string())).collect::<Vec<_>>().join(", ")
}

/// A severity in one word.
pub(super) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
