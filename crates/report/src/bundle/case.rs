//! The record of one case: what was tried, how, when, on which versions, what was seen, what it came to, and what that says.

use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::{Catalogue, Strength};
use airtight_model::path::Trace;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::CASES;
use crate::error::ReportError;
use crate::failure::FailureKind;
use crate::moment::Moments;
use crate::standing::Standing;
use crate::wording::{expectation, observed, trace};

/// How long the record says something about the present.
pub(super) const VALID: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The file of a case: its id, with every byte spelled out that not every file system takes.
pub(super) fn file(id: &str) -> String {
    use std::fmt::Write as _;
    let mut name = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(name, "_{byte:02x}");
        }
    }
    format!("{CASES}/{name}.json")
}

/// The records of all cases, by file.
///
/// # Errors
/// [`ReportError::Render`] if the run's start is no time.
pub(super) fn records(run: &RunRecord) -> Result<Vec<(String, Value)>, ReportError> {
    let moments = Moments::of(run, "an evidence bundle")?;
    let catalogue = Catalogue::embedded().unwrap_or_default();
    Ok(run.cases.iter().map(|case| (file(&case.case.id), record(run, case, moments, &catalogue))).collect())
}

fn record(run: &RunRecord, record: &CaseRecord, moments: Moments, catalogue: &Catalogue) -> Value {
    let case = &record.case;
    json!({
        "schema": "airtight.dev/evidence-case/v1",
        "id": case.id,
        "what": {
            "claim": case.title,
            "scenario": case.scenario,
            "flow": case.flow,
            "shown": case.flow.to_string(),
            "expect": case.expect,
            "expected": expectation(case),
            "severity": case.severity,
            "writtenAt": case.at,
        },
        "how": how(run, record),
        "when": {
            "run": run.id,
            "started": run.started,
            "ended": moments.end.to_string(),
            "validUntil": moments.end.checked_add(VALID).ok().map(|until| until.to_string()),
            "clock": "system clock of the machine that ran airtight, UTC",
        },
        "on": {
            "testbed": run.testbed,
            "canary": run.canary,
            "stack": run.stack,
            "tool": run.tool,
            "policies": policies(run, record),
        },
        "observation": record.observation,
        "observed": observed(record),
        "prediction": record.prediction,
        "judgement": record.judgement,
        "failure": kind(record),
        "waiver": case.waiver,
        "mapping": case.controls.iter().map(|control| mapping(control, catalogue)).collect::<Vec<_>>(),
    })
}

/// The kind of attempt, the twin with its own result, and who says who decided.
fn how(run: &RunRecord, record: &CaseRecord) -> Value {
    let seen = record.observation.as_ref();
    let twin = record.case.twin.as_ref().map(|id| {
        let twin = run.cases.iter().find(|other| other.case.id == *id);
        json!({"id": id, "verdict": twin.map(|twin| Standing::of(twin).verdict())})
    });
    let rules = trace(record).into_iter().flat_map(Trace::checks).flat_map(|check| {
        let (checkpoint, effect) = (check.checkpoint, check.decision.effect);
        check.decision.rules.iter().map(move |rule| json!({"checkpoint": checkpoint, "effect": effect, "rule": rule}))
    });
    json!({
        "probe": if record.case.flow.speaks_http() { "request" } else { "connection" },
        "attempts": seen.map(|seen| seen.attempts),
        "durationUs": record.duration_us,
        "twin": twin,
        "deniedBy": seen.and_then(|seen| seen.evidence.denied_by),
        "reason": seen.and_then(|seen| seen.evidence.reason),
        "rules": rules.collect::<Vec<_>>(),
        "logs": seen.map(|seen| seen.evidence.logs.clone()),
    })
}

/// The policy objects whose rules decided in this case, with their digests.
fn policies(run: &RunRecord, record: &CaseRecord) -> Vec<Value> {
    let decided = run.policies.iter().filter(|policy| policy.decides.contains(&record.case.id));
    decided.map(|policy| json!({"object": policy.rule.object, "at": policy.rule.at, "sha256": policy.digest})).collect()
}

fn kind(record: &CaseRecord) -> Option<&'static str> {
    match Standing::of(record) {
        Standing::Failed | Standing::Waived => Some(FailureKind::of(record).words()),
        Standing::Inconclusive | Standing::Skipped | Standing::Denied | Standing::Allowed => None,
    }
}

/// A control with what the case says about it, and what it does not.
fn mapping(id: &str, catalogue: &Catalogue) -> Value {
    let Some((framework, control)) = catalogue.control(id) else {
        return json!({"control": id});
    };
    let strength = match control.strength() {
        Strength::Supporting => "supporting",
        Strength::Partial => "partial",
        Strength::Direct => "direct",
    };
    let not_shown = control.gaps.iter().map(String::as_str).chain([framework.gaps.as_str()]).collect::<Vec<_>>();
    json!({
        "control": id,
        "framework": framework.title,
        "version": framework.version,
        "title": control.title,
        "strength": strength,
        "notShown": not_shown.join(" "),
    })
}
