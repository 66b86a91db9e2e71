//! Cases that a reader has to look at.

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::CaseRecord;

use super::style::Style;
use super::trace::push_turning_point;
use crate::cause::Group;
use crate::failure::FailureKind;
use crate::skip::Skips;
use crate::text::one_line;
use crate::wording::{expectation, foreseen, list, observed, trace};

/// One case, told as its verdict needs it; ends with a line break.
pub(super) fn tell(record: &CaseRecord, style: Style) -> String {
    match &record.judgement.verdict {
        Verdict::Pass => passed(record, style),
        Verdict::Fail => unsettled(record, style, &style.red("✗")),
        Verdict::Inconclusive => unsettled(record, style, &style.yellow("?")),
        Verdict::Skipped { reason } => short(record, style, "-", &[("why", reason)]),
        Verdict::Waived { until, why } => {
            let kind = format!("{}: {}", FailureKind::of(record).words(), observed(record));
            short(record, style, "~", &[("until", until), ("why", why), ("seen", &kind)])
        }
    }
}

/// How many cases of a group are named by title before the others are listed by id.
const TITLES: usize = 2;

/// Cases of one cause: what it is, the first of them in full, and which the others are.
pub(super) fn tell_group(group: &Group<'_>, style: Style) -> String {
    let counts = style.bold(&group.counts());
    let mut out = format!("  {counts}: {}\n", style.wrap(&group.cause.words, 4));
    for (name, text) in [("written", &group.cause.at), ("hint", &group.cause.hint)] {
        if !text.is_empty() {
            field(&mut out, style, name, text);
        }
    }
    let Some((first, others)) = group.cases.split_first() else { return out };
    out.push_str(&tell(first, style));
    let (titled, listed) = others.split_at(others.len().min(TITLES));
    for case in titled {
        out.push_str(&title(case, style, &mark(case, style)));
    }
    let verdict = if group.has_failed() { "failed" } else { "open" };
    for (name, cases) in [(verdict, listed), ("follow", group.followers.as_slice())] {
        if !cases.is_empty() {
            field(&mut out, style, name, &list(cases.iter().map(|case| &case.case.id)));
        }
    }
    out
}

/// Cases that were not tried for one reason: which, and why.
pub(super) fn tell_skips(skips: &Skips<'_>, style: Style) -> String {
    let count = skips.count();
    let counted = style.bold(&format!("{count} {}", if count == 1 { "case" } else { "cases" }));
    let mut out = format!("  {counted}: {}\n", style.wrap(&one_line(skips.reason), 4));
    for (name, cases) in [("cases", &skips.cases), ("follow", &skips.followers)] {
        if !cases.is_empty() {
            field(&mut out, style, name, &list(cases.iter().map(|case| &case.case.id)));
        }
    }
    out
}

fn mark(record: &CaseRecord, style: Style) -> String {
    if record.judgement.verdict == Verdict::Fail { style.red("✗") } else { style.yellow("?") }
}

fn passed(record: &CaseRecord, style: Style) -> String {
    short(record, style, &style.green("✓"), &[("seen", &observed(record))])
}

/// Title line and a few fields.
fn short(record: &CaseRecord, style: Style, mark: &str, fields: &[(&str, &str)]) -> String {
    let mut out = title(record, style, mark);
    for (name, text) in fields {
        field(&mut out, style, name, text);
    }
    out
}

/// Everything that helps to find out why, the trace at last.
fn unsettled(record: &CaseRecord, style: Style, mark: &str) -> String {
    let case = &record.case;
    let mut out = title(record, style, mark);
    field(&mut out, style, "flow", &case.flow.to_string());
    field(&mut out, style, "expected", &expectation(case));
    field(&mut out, style, "observed", &observed(record));
    if let Some(foreseen) = foreseen(record) {
        field(&mut out, style, "foreseen", &foreseen);
    }
    if record.judgement.verdict == Verdict::Fail {
        field(&mut out, style, "so", FailureKind::of(record).words());
    }
    field(&mut out, style, "why", &record.judgement.why);
    if let Some(twin) = &case.twin {
        field(&mut out, style, "twin", twin);
    }
    field(&mut out, style, "written", &case.at.to_string());
    match trace(record) {
        // A trace has the lines of the log where they belong.
        Some(trace) => push_turning_point(&mut out, trace, style, 4),
        None => {
            for line in record.observation.iter().flat_map(|seen| &seen.evidence.logs) {
                field(&mut out, style, "log", line);
            }
        }
    }
    out
}

fn title(record: &CaseRecord, style: Style, mark: &str) -> String {
    let case = &record.case;
    let head = format!("{} {}", style.bold(&one_line(&case.id)), style.wrap(&one_line(&case.title), 6));
    format!("  {mark} {head} {}\n", style.dim(&format!("[{}]", severity(record))))
}

fn severity(record: &CaseRecord) -> &'static str {
    crate::wording::severity_word(record.case.severity)
}

fn field(out: &mut String, style: Style, name: &str, text: &str) {
    out.push_str("    ");
    out.push_str(&style.dim(&format!("{name:<9}")));
    out.push_str(&style.wrap(&one_line(text), 13));
    out.push('\n');
}
