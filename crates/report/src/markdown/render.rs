//! The sections of a summary, in the order in which a reviewer needs them.

use airtight_manifest::{Diagnostic, Severity};
use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, ExitStatus, PolicyRecord, RunRecord};
use airtight_model::policy::Effect;

use super::document::{Document, code, escape};
use crate::cause::groups;
use crate::failure::FailureKind;
use crate::skip::skips;
use crate::standing::Standing;
use crate::text::duration;
use crate::wording::{counts, expectation, headline, is_uncovered, observed, severity_word, trace, uncovered_words};

/// The most bytes that a summary has.
pub const LIMIT: usize = 900 * 1024;

/// The run as GitHub Markdown of at most [`LIMIT`] bytes.
#[must_use]
pub fn render(record: &RunRecord) -> String {
    render_within(record, LIMIT)
}

/// The run as GitHub Markdown of at most `limit` bytes (but for the headline and the counts, which always stand).
#[must_use]
pub fn render_within(record: &RunRecord, limit: usize) -> String {
    let mut document = Document::new(limit);
    head(&mut document, record);
    causes(&mut document, record);
    for standing in [Standing::Failed, Standing::Inconclusive, Standing::Waived] {
        attention(&mut document, record, standing);
    }
    skipped(&mut document, record);
    flaky(&mut document, record);
    uncovered(&mut document, record);
    findings(&mut document, record);
    versions(&mut document, record);
    every_case(&mut document, record);
    document.finish()
}

fn head(document: &mut Document, record: &RunRecord) {
    let mark = match record.summary.status {
        ExitStatus::Passed => "✅",
        ExitStatus::Inconclusive => "❔",
        ExitStatus::Failed | ExitStatus::InputError | ExitStatus::NothingSelected | ExitStatus::NoTestbed => "❌",
    };
    document.always(&format!("## {mark} {}\n\n", headline(record)));
    document.always(&format!(
        "**{}** in {}, on {} with stack {}.\n\n",
        counts(record),
        duration(record.duration_ms),
        code(&record.testbed),
        code(&record.stack.name),
    ));
    if !record.canary.enforces {
        document.always(&format!("**The testbed does not enforce:** {}\n\n", escape(&record.canary.detail)));
    }
}

/// What did not pass, by cause, the severest first.
fn causes(document: &mut Document, record: &RunRecord) {
    let rows = groups(record).into_iter().map(|group| {
        let at = if group.cause.at.is_empty() { String::new() } else { format!("<br>{}", code(&group.cause.at)) };
        let hint =
            if group.cause.hint.is_empty() { String::new() } else { format!("<br>{}", escape(&group.cause.hint)) };
        let named =
            group.cases.iter().take(NAMED).map(|case| format!("{} {}", code(&case.case.id), escape(&case.case.title)));
        let mut cases: Vec<String> = named.collect();
        cases.extend((group.cases.len() > NAMED).then(|| format!("and {} more", group.cases.len() - NAMED)));
        vec![group.counts(), format!("{}{at}{hint}", escape(&group.cause.words)), cases.join("<br>")]
    });
    document.table("What did not pass, by cause", &["Cases", "Cause", "Such as"], rows);
}

/// How many cases of a cause are named.
const NAMED: usize = 3;

/// The cases of one standing, each with what it needs to be understood.
fn attention(document: &mut Document, record: &RunRecord, standing: Standing) {
    let cases: Vec<&CaseRecord> = record.cases.iter().filter(|case| Standing::of(case) == standing).collect();
    let title = match standing {
        Standing::Failed => "Failed",
        Standing::Inconclusive => "Inconclusive",
        Standing::Waived => "Waived",
        Standing::Denied | Standing::Allowed | Standing::Skipped => return,
    };
    let header = ["Case", "Severity", "Expected", "Observed", "Why"];
    document.table(title, &header, cases.into_iter().map(row));
}

/// What was not tried, by reason.
fn skipped(document: &mut Document, record: &RunRecord) {
    let ids = |cases: &[&CaseRecord]| cases.iter().map(|case| code(&case.case.id)).collect::<Vec<_>>().join(", ");
    let rows = skips(&record.cases).into_iter().map(|skips| {
        let follow = if skips.followers.is_empty() {
            String::new()
        } else {
            format!("<br>by their twin: {}", ids(&skips.followers))
        };
        vec![skips.count().to_string(), escape(skips.reason), format!("{}{follow}", ids(&skips.cases))]
    });
    document.table("Skipped, by reason", &["Count", "Why", "Cases"], rows);
}

fn row(record: &CaseRecord) -> Vec<String> {
    let case = &record.case;
    vec![
        format!("{} {}<br>{}", code(&case.id), escape(&case.title), code(&case.flow.to_string())),
        severity_word(case.severity).to_owned(),
        escape(&expectation(case)),
        escape(&observed(record)),
        reason(record),
    ]
}

/// Why a case came to what it did, with the rules that ended its flow.
fn reason(record: &CaseRecord) -> String {
    let why = escape(&record.judgement.why);
    match &record.judgement.verdict {
        Verdict::Pass | Verdict::Inconclusive => why,
        Verdict::Fail => format!("**{}**: {why}{}", FailureKind::of(record).words(), rules(record)),
        Verdict::Skipped { reason } => escape(reason),
        Verdict::Waived { until, why: waiver } => {
            format!("until {}: {}; {}: {why}", escape(until), escape(waiver), FailureKind::of(record).words())
        }
    }
}

/// The rules that denied, or those that let through.
fn rules(record: &CaseRecord) -> String {
    let Some(trace) = trace(record) else { return String::new() };
    let wanted = if trace.denial().is_some() { Effect::Deny } else { Effect::Allow };
    let checks = trace.checks().filter(|check| check.decision.effect == wanted);
    let rules = checks.flat_map(|check| &check.decision.rules);
    let rules: Vec<String> = rules.take(6).map(|rule| ["<br>", &code(&rule.to_string())].concat()).collect();
    rules.concat()
}

fn flaky(document: &mut Document, record: &RunRecord) {
    let rows = record.cases.iter().filter(|case| case.judgement.flaky).map(|case| {
        let attempts = case.observation.as_ref().map_or(0, |observation| observation.attempts);
        vec![code(&case.case.id), escape(&case.case.title), attempts.to_string()]
    });
    document.table("Flaky: passed only after a retry", &["Case", "Title", "Attempts"], rows);
}

fn uncovered(document: &mut Document, record: &RunRecord) {
    let rows = record.policies.iter().filter(|policy| is_uncovered(policy)).map(policy_row);
    document.table("Policy objects that no case notices", &["Object", "Layer", "Written at", "Why"], rows);
}

fn policy_row(policy: &PolicyRecord) -> Vec<String> {
    vec![
        code(&policy.rule.object.to_string()),
        escape(&policy.layer),
        code(&policy.rule.at.to_string()),
        uncovered_words(policy),
    ]
}

fn findings(document: &mut Document, record: &RunRecord) {
    document.table("Findings", &["Finding", "Where", "What to do"], record.findings.iter().map(finding_row));
}

fn finding_row(finding: &Diagnostic) -> Vec<String> {
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "**error**",
    };
    vec![
        format!("{severity} {} {}", code(&finding.code), escape(&finding.message)),
        finding.location.as_ref().map(|location| code(&location.to_string())).unwrap_or_default(),
        finding.hint.as_deref().map(escape).unwrap_or_default(),
    ]
}

fn versions(document: &mut Document, record: &RunRecord) {
    let own = (record.tool.name.clone(), record.tool.version.clone());
    let rows = record.stack.versions.iter().chain([&own]).map(|(name, version)| vec![escape(name), code(version)]);
    document.table("Versions", &["Component", "Version"], rows);
}

fn every_case(document: &mut Document, record: &RunRecord) {
    let rows = record.cases.iter().map(|case| {
        let standing = Standing::of(case);
        let mark = format!("{} {}", standing.glyph(), standing.word());
        vec![code(&case.case.id), mark, escape(&case.case.title), escape(&observed(case))]
    });
    document.folded("Every case", &["Case", "Result", "Title", "Observed"], rows);
}
