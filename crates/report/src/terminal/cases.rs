//! Cases that a reader has to look at.

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::CaseRecord;

use super::style::Style;
use super::trace::push_trace;
use crate::failure::FailureKind;
use crate::text::one_line;
use crate::wording::{expectation, foreseen, observed, trace};

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
    if let Some(observation) = &record.observation {
        for line in &observation.evidence.logs {
            field(&mut out, style, "log", line);
        }
    }
    if let Some(trace) = trace(record) {
        push_trace(&mut out, trace, style, 4);
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
