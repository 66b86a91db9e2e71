//! A conformance report in the form of Gateway API's: one profile for each scenario, core and extended tests, and a result
//! that a skipped core test makes partial (gateway-api, `conformance/reports/README.md`).
//!
//! The form is theirs and the kind is ours, because theirs knows three counts only: what is inconclusive or waived has
//! its own here, and a profile without tests has no result, where theirs would say success. Core are cases of which a
//! failure opens a boundary (severity high and critical).

use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::Severity;
use serde_json::{Value, json};

use super::document::{lean, yaml_stream};
use super::error::ReportError;
use super::moment::Moments;
use super::standing::Standing;
use super::text::{clip, one_line};
use super::trouble::untold;
use super::wording::headline;

/// How long the name of a component may be.
const LONGEST_KEY: usize = 200;

const FORMAT: &str = "ConformanceReport";

/// The run as a conformance report.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn render(record: &RunRecord) -> Result<String, ReportError> {
    let moments = Moments::of(record, FORMAT)?;
    let mut names: Vec<&str> = Vec::new();
    for case in &record.cases {
        if !names.contains(&case.case.scenario.as_str()) {
            names.push(&case.case.scenario);
        }
    }
    let profiles: Vec<Value> = names.into_iter().map(|name| profile(record, name)).collect();
    // YAML takes no key of more than 1,024 characters.
    let versions = record
        .stack
        .versions
        .iter()
        .map(|(name, version)| (clip(&one_line(name), LONGEST_KEY).into_owned(), Value::String(one_line(version))));
    let gateway_api = record.stack.versions.iter().find(|(name, _)| name == "Gateway API").map(|(_, version)| version);
    let troubles: Vec<String> =
        untold(record).iter().map(|trouble| format!("{}: {}", trouble.name, trouble.message)).collect();
    let mut report = lean(json!({
        "apiVersion": "airtight.dev/v1alpha1",
        "kind": FORMAT,
        "date": moments.end.to_string(),
        "run": one_line(&record.id),
        "mode": one_line(&record.testbed),
        "gatewayAPIVersion": gateway_api.map(|version| one_line(version)),
        "implementation": {
            "project": one_line(&record.stack.name),
            "version": one_line(&record.id),
            "components": versions.collect::<serde_json::Map<_, _>>(),
        },
        "harness": {"project": one_line(&record.tool.name), "version": one_line(&record.tool.version)},
        "headline": headline(record),
        "troubles": troubles,
        "profiles": profiles,
    }));
    report["exitCode"] = json!(record.summary.status.code());
    report["statistics"] = statistics(&record.cases.iter().collect::<Vec<_>>());
    yaml_stream(&[report], FORMAT)
}

fn profile(record: &RunRecord, name: &str) -> Value {
    let cases: Vec<&CaseRecord> = record.cases.iter().filter(|case| case.case.scenario == name).collect();
    let (core, extended): (Vec<&CaseRecord>, Vec<&CaseRecord>) =
        cases.into_iter().partition(|case| case.case.severity >= Severity::High);
    let title = record.scenarios.get(name).map(|title| one_line(title)).unwrap_or_default();
    let mut profile = json!({"name": one_line(name), "title": title});
    for (word, cases) in [("core", core), ("extended", extended)] {
        if !cases.is_empty() {
            profile[word] = tests(&cases);
        }
    }
    profile
}

fn tests(cases: &[&CaseRecord]) -> Value {
    let ids = |wanted: &[Standing]| -> Vec<String> {
        let chosen = cases.iter().filter(|case| wanted.contains(&Standing::of(case)));
        chosen.map(|case| one_line(&case.case.id)).collect()
    };
    let mut tests = json!({"result": result(cases), "statistics": statistics(cases)});
    let lists = [
        ("failedTests", ids(&[Standing::Failed])),
        ("inconclusiveTests", ids(&[Standing::Inconclusive])),
        ("waivedTests", ids(&[Standing::Waived])),
        ("skippedTests", ids(&[Standing::Skipped])),
        ("passedTests", ids(&[Standing::Denied, Standing::Allowed])),
    ];
    for (word, ids) in lists {
        if !ids.is_empty() {
            tests[word] = json!(ids);
        }
    }
    tests
}

/// The weakest test decides.
fn result(cases: &[&CaseRecord]) -> &'static str {
    match cases.iter().map(|case| Standing::of(case)).min() {
        Some(Standing::Failed) => "failure",
        Some(Standing::Denied | Standing::Allowed) => "success",
        Some(Standing::Inconclusive | Standing::Waived | Standing::Skipped) | None => "partial",
    }
}

fn statistics(cases: &[&CaseRecord]) -> Value {
    let count = |wanted: Standing| cases.iter().filter(|case| Standing::of(case) == wanted).count();
    json!({
        "Passed": count(Standing::Denied) + count(Standing::Allowed),
        "Failed": count(Standing::Failed),
        "Skipped": count(Standing::Skipped),
        "Inconclusive": count(Standing::Inconclusive),
        "Waived": count(Standing::Waived),
    })
}
