//! Common Test Report Format (ctrf.io): JSON in milliseconds.
//!
//! It knows five statuses. A case of which nobody can tell, and one that fails and is waived, is `other`, with our verdict
//! in `rawStatus`: neither passed, and both were tried.

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::Expectation;
use serde_json::{Value, json};

use super::document::{json, lean};
use super::error::ReportError;
use super::failure::FailureKind;
use super::identity;
use super::moment::Moments;
use super::place::Places;
use super::standing::Standing;
use super::terminal::{Style, render_trace};
use super::text::{one_line, visible};
use super::trouble::{Trouble, untold};
use super::wording::{expectation, foreseen, observed, severity_word, trace};

/// The suite of what fails a run and is no case.
const RUN: &str = "run";

/// The run as CTRF.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn render(record: &RunRecord) -> Result<String, ReportError> {
    let moments = Moments::of(record, "CTRF")?;
    let places = Places::of(record);
    let cases = record.cases.iter().map(|case| test(record, case, &places));
    let troubles = untold(record);
    let tests: Vec<Value> = cases.chain(troubles.iter().map(|trouble| untested(record, trouble))).collect();
    let document = json!({
        "reportFormat": "CTRF",
        "specVersion": "1.0.0",
        "reportId": identity::of_run(record, "ctrf", ""),
        "runId": one_line(&record.id),
        "timestamp": moments.end.to_string(),
        "generatedBy": one_line(&format!("{} {}", record.tool.name, record.tool.version)),
        "results": {
            "tool": {"name": one_line(&record.tool.name), "version": one_line(&record.tool.version)},
            "summary": summary(record, &troubles, moments),
            "tests": tests,
            "environment": environment(record),
        },
    });
    json(&document, "CTRF")
}

fn summary(record: &RunRecord, troubles: &[Trouble], moments: Moments) -> Value {
    let counts = &record.summary;
    let refused = troubles.iter().filter(|trouble| trouble.fails).count();
    json!({
        "tests": counts.total + troubles.len(),
        "passed": counts.passed,
        "failed": counts.failed + refused,
        "pending": 0,
        "skipped": counts.skipped,
        "other": counts.inconclusive + counts.waived + troubles.len() - refused,
        "flaky": counts.flaky,
        "suites": record.scenarios.len(),
        "start": moments.start.as_millisecond(),
        "stop": moments.end.as_millisecond(),
        "duration": record.duration_ms,
        "extra": {"airtight": {
            "status": counts.status, "exitCode": counts.status.code(),
            "inconclusive": counts.inconclusive, "waived": counts.waived,
        }},
    })
}

fn environment(record: &RunRecord) -> Value {
    let versions: serde_json::Map<String, Value> = record
        .stack
        .versions
        .iter()
        .map(|(name, version)| (one_line(name), Value::String(one_line(version))))
        .collect();
    json!({
        "testEnvironment": one_line(&record.testbed),
        "healthy": record.canary.enforces,
        "extra": {"airtight": {"stack": one_line(&record.stack.name), "versions": versions}},
    })
}

fn test(run: &RunRecord, record: &CaseRecord, places: &Places) -> Value {
    let case = &record.case;
    let standing = Standing::of(record);
    let scenario = one_line(&case.scenario);
    let attempts = record.observation.as_ref().map_or(1, |observation| observation.attempts.max(1));
    let way = trace(record).filter(|_| standing <= Standing::Waived).map(|trace| render_trace(trace, Style::PLAIN));
    let logs = record.observation.iter().flat_map(|seen| &seen.evidence.logs).map(|log| visible(log).into_owned());
    let waiver = case.waiver.as_ref().map(|waiver| {
        let approval = waiver.approval.as_ref();
        json!({
            "name": approval.map(|approval| one_line(&approval.waiver)),
            "until": one_line(&waiver.until),
            "why": one_line(&waiver.why),
            "approver": approval.map(|approval| one_line(&approval.approver)),
            "ticket": approval.map(|approval| one_line(&approval.ticket)),
        })
    });
    let mut out = lean(json!({
        "id": identity::lasting("case", &case.id),
        "testId": one_line(&case.id),
        "executionId": identity::of_run(run, "case", &case.id),
        "name": one_line(&format!("{} {}", case.id, case.title)),
        "status": status(standing),
        "message": message(record),
        "trace": way,
        "line": case.at.position.line,
        "rawStatus": standing.verdict(),
        "suite": [if scenario.is_empty() { "-".to_owned() } else { scenario }],
        "tags": [expected(case), severity_word(case.severity)],
        "labels": {"control": case.controls.iter().map(|control| one_line(control)).collect::<Vec<_>>(), "severity": severity_word(case.severity)},
        "type": "conformance",
        "filePath": one_line(&places.relative(&case.at.file)),
        "retries": attempts - 1,
        "stdout": logs.collect::<Vec<_>>(),
        "extra": {"airtight": {
            "flow": one_line(&case.flow.to_string()),
            "expected": expectation(case),
            "observed": observed(record),
            "foreseen": foreseen(record),
            "twin": case.twin.as_deref().map(one_line),
            "waiver": waiver,
        }},
    }));
    out["duration"] = json!(record.duration_us.div_ceil(1000));
    out["flaky"] = json!(record.judgement.flaky);
    out
}

fn expected(case: &airtight_matrix::scenario::Case) -> &'static str {
    match case.expect {
        Expectation::Allow(_) => "allow",
        Expectation::Deny(_) => "deny",
    }
}

fn status(standing: Standing) -> &'static str {
    match standing {
        Standing::Failed => "failed",
        Standing::Inconclusive | Standing::Waived => "other",
        Standing::Skipped => "skipped",
        Standing::Denied | Standing::Allowed => "passed",
    }
}

fn message(record: &CaseRecord) -> String {
    let why = one_line(&record.judgement.why);
    match &record.judgement.verdict {
        Verdict::Pass | Verdict::Inconclusive => why,
        Verdict::Fail => format!("{}: {why}", FailureKind::of(record).words()),
        Verdict::Skipped { reason } => format!("skipped: {}", one_line(reason)),
        Verdict::Waived { until, why: waiver } => {
            let kind = FailureKind::of(record).words();
            format!("waived until {}: {} (would fail: {kind}: {why})", one_line(until), one_line(waiver))
        }
    }
}

/// What fails the run and is no case.
fn untested(run: &RunRecord, trouble: &Trouble) -> Value {
    json!({
        "id": identity::lasting("trouble", &trouble.name),
        "executionId": identity::of_run(run, "trouble", &trouble.name),
        "name": trouble.name,
        "status": if trouble.fails { "failed" } else { "other" },
        "duration": 0,
        "message": trouble.message,
        "rawStatus": trouble.kind,
        "suite": [RUN],
    })
}
