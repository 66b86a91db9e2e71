//! SARIF 2.1.0 (OASIS), as code scanning on GitHub takes it: what did not pass, at the line of the rule that decided.
//!
//! A result is one case that failed, or of which nobody can tell, or one input that was refused. Its rule is the case,
//! because GitHub reads a severity from rules only. Waived cases are no results: GitHub would show them as open alerts,
//! whatever `suppressions` says (GitHub documentation, "SARIF support for code scanning"); their ids stand in the run's
//! properties, as do those of skipped ones.

use std::collections::BTreeMap;

use airtight_manifest::{Diagnostic, Location, RuleRef, hex};
use airtight_matrix::run::{CaseRecord, ExitStatus, RunRecord};
use airtight_matrix::scenario::Severity;
use airtight_model::policy::Effect;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cause::{Cause, Group, groups};
use super::document::{json, lean};
use super::error::ReportError;
use super::failure::FailureKind;
use super::identity;
use super::moment::Moments;
use super::place::Places;
use super::standing::Standing;
use super::text::{clip, one_line};
use super::wording::{expectation, observed, severity_word, trace};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// How many tags GitHub takes from a rule.
const TAGS: usize = 20;
/// How long a message may be; GitHub shows no more of it.
const MESSAGE: usize = 1000;

/// The run as SARIF.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn render(record: &RunRecord) -> Result<String, ReportError> {
    let moments = Moments::of(record, "SARIF")?;
    let log = Log::of(record);
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": one_line(&record.tool.name),
                "version": one_line(&record.tool.version),
                "rules": log.rules,
            }},
            "automationDetails": {
                "id": format!("airtight-run/{}/{}/", one_line(&record.testbed), one_line(&record.stack.name)),
                "guid": identity::of_run(record, "sarif", ""),
            },
            "invocations": [invocation(record, moments)],
            "columnKind": "unicodeCodePoints",
            "results": log.results,
            "properties": properties(record),
        }],
    });
    json(&document, "SARIF")
}

/// How the run itself went: results alone would make an idle testbed look like a clean one.
fn invocation(record: &RunRecord, moments: Moments) -> Value {
    let enforces = record.canary.enforces;
    let canary = json!({
        "level": if enforces { "note" } else { "error" },
        "descriptor": {"id": "canary"},
        "message": {"text": text(&record.canary.detail)},
    });
    let status = record.summary.status;
    json!({
        "executionSuccessful": enforces && !matches!(
            status,
            ExitStatus::InputError | ExitStatus::NothingSelected | ExitStatus::NoTestbed
        ),
        "exitCode": status.code(),
        "startTimeUtc": moments.start.to_string(),
        "endTimeUtc": moments.end.to_string(),
        "toolExecutionNotifications": [canary],
    })
}

/// Counts, and what is no result.
fn properties(record: &RunRecord) -> Value {
    let ids = |verdict: &str| -> Vec<String> {
        let cases = record.cases.iter().filter(|case| Standing::of(case).verdict() == verdict);
        cases.map(|case| one_line(&case.case.id)).collect()
    };
    let summary = &record.summary;
    json!({
        "run": one_line(&record.id),
        "counts": {
            "total": summary.total, "passed": summary.passed, "failed": summary.failed,
            "inconclusive": summary.inconclusive, "waived": summary.waived, "skipped": summary.skipped,
        },
        "passed": ids("pass"),
        "waived": ids("waived"),
        "skipped": ids("skipped"),
    })
}

/// Rules and results.
#[derive(Default)]
struct Log {
    rules: Vec<Value>,
    results: Vec<Value>,
}

impl Log {
    fn of(record: &RunRecord) -> Self {
        let places = Places::of(record);
        let mut log = Self::default();
        let refused = record.findings.iter().filter(|finding| finding.is_error());
        let mut codes = BTreeMap::new();
        for finding in refused {
            let index = *codes.entry(&finding.code).or_insert_with(|| log.rule(refusal_rule(finding)));
            log.results.push(refusal(finding, index, &places));
        }
        for group in groups(record) {
            let Group { cause, cases, followers } = &group;
            for case in cases.iter().chain(followers) {
                let index = log.rule(rule(case));
                log.results.push(result(case, cause, index, &places));
            }
        }
        log
    }

    fn rule(&mut self, rule: Value) -> usize {
        self.rules.push(rule);
        self.rules.len() - 1
    }
}

fn rule(record: &CaseRecord) -> Value {
    let case = &record.case;
    let mut tags = vec!["security".to_owned(), text(&case.scenario)];
    tags.extend(case.controls.iter().map(|control| text(control)));
    tags.dedup();
    tags.truncate(TAGS);
    let flow = one_line(&case.flow.to_string());
    let help = format!(
        "{flow}\nexpected: {}\ntry it alone: airtight run --filter id={}",
        expectation(case),
        one_line(&case.id)
    );
    lean(json!({
        "id": one_line(&case.id),
        "shortDescription": {"text": text(&case.title)},
        "fullDescription": {"text": text(&format!("{}: {flow}, expected: {}", one_line(&case.title), expectation(case)))},
        "help": {"text": help},
        "defaultConfiguration": {"level": level(case.severity)},
        "properties": {"tags": tags, "precision": "very-high", "security-severity": security_severity(case.severity)},
    }))
}

fn result(record: &CaseRecord, shared: &Cause, index: usize, all: &Places) -> Value {
    let case = &record.case;
    let failed = Standing::of(record) == Standing::Failed;
    let kind = if failed { FailureKind::of(record).words() } else { "nobody can tell" };
    let hint = if shared.hint.is_empty() { String::new() } else { format!(" ({})", shared.hint) };
    let message =
        format!("{}: {kind}. {}. {}{hint}", one_line(&case.title), one_line(&record.judgement.why), shared.words);
    let rule = deciding(record, shared);
    let place = shared.place.as_ref().or(rule.map(|rule| &rule.at)).unwrap_or(&case.at);
    let object = rule.map(|rule| json!([{"fullyQualifiedName": text(&named(rule)), "kind": "object"}]));
    lean(json!({
        "ruleId": one_line(&case.id),
        "ruleIndex": index,
        // "The tool concluded that there was insufficient information" (SARIF 3.27.9); only failures have a level.
        "kind": if failed { "fail" } else { "open" },
        "level": if failed { level(case.severity) } else { "none" },
        "message": {"text": text(&message)},
        "locations": [{"physicalLocation": physical(place, all), "logicalLocations": object}],
        "relatedLocations": [{
            "id": 1,
            "message": {"text": "the case is written here"},
            "physicalLocation": physical(&case.at, all),
        }],
        "partialFingerprints": fingerprints(&case.id, kind, rule),
        "properties": {
            "verdict": Standing::of(record).verdict(),
            "severity": severity_word(case.severity),
            "expected": expectation(case),
            "observed": observed(record),
            "controls": case.controls.iter().map(|control| one_line(control)).collect::<Vec<_>>(),
        },
    }))
}

/// The rule at the place of the shared; else the one that ended the flow, or the last of those that let it through.
fn deciding<'r>(record: &'r CaseRecord, cause: &Cause) -> Option<&'r RuleRef> {
    let trace = trace(record)?;
    let rules =
        || trace.checks().filter(|check| check.decision.effect != Effect::Deny).flat_map(|check| &check.decision.rules);
    if let Some(place) = &cause.place {
        let denied = trace.denial().into_iter().flat_map(|check| &check.decision.rules);
        return denied.chain(rules()).find(|rule| rule.at == *place);
    }
    match trace.denial() {
        Some(check) => check.decision.rules.first(),
        None => rules().last(),
    }
}

/// A rule without its place.
fn named(rule: &RuleRef) -> String {
    match &rule.rule {
        Some(path) => format!("{} {path}", rule.object),
        None => rule.object.to_string(),
    }
}

/// What stays the same when lines move: the case, how it failed, and the rule by its object. GitHub counts the first only.
fn fingerprints(id: &str, kind: &str, rule: Option<&RuleRef>) -> Value {
    let whole = format!("{id}\n{kind}\n{}", rule.map(named).unwrap_or_default());
    let hash = hex(&Sha256::digest(whole.as_bytes())[..8]);
    json!({"primaryLocationLineHash": format!("{hash}:1"), "airtightCase/v1": one_line(id)})
}

fn refusal_rule(finding: &Diagnostic) -> Value {
    json!({
        "id": format!("input/{}", one_line(&finding.code)),
        "shortDescription": {"text": format!("an input was refused: {}", one_line(&finding.code))},
        "fullDescription": {"text": "What is refused is not applied, and what it was to allow or deny is not."},
        "help": {"text": finding.hint.as_deref().map_or_else(|| "correct the input".to_owned(), text)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "input"], "precision": "very-high", "security-severity": "7.0"},
    })
}

fn refusal(finding: &Diagnostic, index: usize, places: &Places) -> Value {
    // GitHub takes no result without a place.
    let place = finding.location.as_ref().map_or_else(
        || json!({"artifactLocation": {"uri": places.uri(""), "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 1}}),
        |at| physical(at, places),
    );
    let code = format!("input/{}", one_line(&finding.code));
    let about = finding.about.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    json!({
        "ruleId": code,
        "ruleIndex": index,
        "kind": "fail",
        "level": "error",
        "message": {"text": text(&finding.message)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": fingerprints(&code, &format!("{}\n{about}", finding.message), None),
    })
}

fn physical(at: &Location, places: &Places) -> Value {
    json!({
        "artifactLocation": {"uri": places.uri(&at.file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": at.position.line.max(1), "startColumn": at.position.column.max(1)},
    })
}

fn text(text: &str) -> String {
    let line = one_line(text);
    if line.is_empty() { "-".to_owned() } else { clip(&line, MESSAGE).into_owned() }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "note",
        Severity::Medium => "warning",
        Severity::High | Severity::Critical => "error",
    }
}

/// GitHub's scale: over 9.0 is critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, below that low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "3.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}
