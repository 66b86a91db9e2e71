//! JUnit XML, as GitHub actions, GitLab and Jenkins read it.
//!
//! There is no official schema. GitLab reads only name, classname, file, time and the text inside `failure`, `error`
//! and `skipped`, and drops a second case of the same classname and name (GitLab documentation, "Unit test reports");
//! others read the `message` attribute. So every message stands in both, and names are unique. Counters equal the
//! children, or readers show negative totals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, RunRecord};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::cause::groups;
use super::error::ReportError;
use super::failure::FailureKind;
use super::standing::Standing;
use super::terminal::{Style, render_trace};
use super::text::{one_line, visible};
use super::trouble::{Trouble, untold};
use super::wording::{expectation, foreseen, observed, severity_word, trace};

/// The run as JUnit XML: a suite for each scenario, a test case for each case.
///
/// # Errors
/// [`ReportError::Render`]; no record is known for which it happens.
pub fn render(record: &RunRecord) -> Result<String, ReportError> {
    let mut report = Report::new("airtight");
    report.timestamp = record.started.parse().ok();
    report.set_time(Duration::from_millis(record.duration_ms));
    let mut names = Names::default();
    let causes = Causes::of(record);
    for (scenario, cases) in by_scenario(record) {
        report.add_test_suite(suite(record, scenario, &cases, (&mut names, &causes)));
    }
    // Beside cases that did not pass they would be counted as such.
    let unsuccessful = report.failures + report.errors;
    if unsuccessful > 0
        && let Some(first) = report.test_suites.first_mut()
    {
        let refusals: Vec<String> = record
            .findings
            .iter()
            .filter(|finding| finding.is_error())
            .map(|finding| one_line(&finding.to_string()))
            .collect();
        if !refusals.is_empty() {
            first.set_system_err(refusals.join("\n"));
        }
    }
    let troubles = untold(record);
    if !troubles.is_empty() {
        let mut suite = TestSuite::new("run");
        suite.add_test_cases(troubles.iter().map(trouble));
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| ReportError::Render { format: "JUnit", why: error.to_string() })
}

/// What fails the run beside its cases, each as a test case of its own.
fn trouble(trouble: &Trouble) -> TestCase {
    let kind = if trouble.fails { NonSuccessKind::Failure } else { NonSuccessKind::Error };
    let mut status = typed(kind, trouble.kind);
    status.set_message(trouble.message.clone()).set_description(trouble.message.clone());
    let mut test = TestCase::new(trouble.name.clone(), status);
    test.set_classname("airtight.run");
    test.set_time(Duration::ZERO);
    test
}

/// The cases of each scenario, scenarios in the order of their first case.
fn by_scenario(record: &RunRecord) -> Vec<(&str, Vec<&CaseRecord>)> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<(&str, Vec<&CaseRecord>)> = Vec::new();
    for case in &record.cases {
        let name = case.case.scenario.as_str();
        let place = *places.entry(name).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(case);
    }
    groups
}

fn suite(record: &RunRecord, scenario: &str, cases: &[&CaseRecord], (names, told): (&mut Names, &Causes)) -> TestSuite {
    let mut suite = TestSuite::new(one_line(scenario));
    suite.timestamp = record.started.parse().ok();
    suite.set_time(cases.iter().map(|case| Duration::from_micros(case.duration_us)).sum());
    suite.extra.insert("hostname".into(), one_line(&record.testbed).into());
    let title = record.scenarios.get(scenario).map_or("", String::as_str);
    let mut properties = vec![
        ("title", one_line(title)),
        ("run", one_line(&record.id)),
        ("testbed", one_line(&record.testbed)),
        ("stack", one_line(&record.stack.name)),
        ("airtight", one_line(&record.tool.version)),
    ];
    let versions = record.stack.versions.iter().map(|(name, version)| (name.as_str(), one_line(version)));
    properties.extend(versions);
    suite.add_properties(properties.into_iter().map(|(name, value)| (one_line(name), value)));
    suite.add_test_cases(cases.iter().map(|case| test_case(case, names, told)));
    suite
}

fn test_case(record: &CaseRecord, names: &mut Names, causes: &Causes) -> TestCase {
    let case = &record.case;
    // Jenkins splits a classname at its last dot into package and class.
    let class = format!("airtight.{}", one_line(&case.scenario).replace('.', "-"));
    let name = names.unique(&class, &format!("{} {}", one_line(&case.id), one_line(&case.title)));
    let told = causes.0.get(&case.id);
    let mut test = TestCase::new(name, status(record, told));
    test.set_classname(class);
    test.set_time(Duration::from_micros(record.duration_us));
    test.extra.insert("file".into(), one_line(&case.at.file).into());
    test.extra.insert("line".into(), case.at.position.line.to_string().into());
    test.add_properties(properties(record));
    test.add_properties(told.map(|cause| ("cause".to_owned(), cause.clone())));
    if let Some(trace) = trace(record)
        && Standing::of(record) <= Standing::Waived
    {
        test.set_system_out(render_trace(trace, Style::PLAIN));
    }
    test
}

fn properties(record: &CaseRecord) -> Vec<(String, String)> {
    let case = &record.case;
    let mut out = vec![
        ("id".to_owned(), one_line(&case.id)),
        ("verdict".to_owned(), Standing::of(record).verdict().to_owned()),
        ("severity".to_owned(), severity_word(case.severity).to_owned()),
    ];
    out.extend(case.twin.iter().map(|twin| ("twin".to_owned(), one_line(twin))));
    out.extend(case.controls.iter().map(|control| ("control".to_owned(), one_line(control))));
    out.extend(case.claims.iter().map(|claim| ("claim".to_owned(), one_line(claim))));
    if record.judgement.flaky {
        out.push(("flaky".to_owned(), "true".to_owned()));
    }
    out
}

fn status(record: &CaseRecord, cause: Option<&String>) -> TestCaseStatus {
    let why = one_line(&record.judgement.why);
    let why = cause.map_or_else(|| why.clone(), |cause| format!("{cause} ({why})"));
    let mut status = match &record.judgement.verdict {
        Verdict::Pass => return passed(record),
        Verdict::Fail => typed(NonSuccessKind::Failure, &FailureKind::of(record).to_string()),
        Verdict::Inconclusive => typed(NonSuccessKind::Error, "Inconclusive"),
        Verdict::Skipped { .. } | Verdict::Waived { .. } => TestCaseStatus::skipped(),
    };
    let message = match &record.judgement.verdict {
        Verdict::Pass | Verdict::Fail | Verdict::Inconclusive => why,
        Verdict::Skipped { reason } => format!("skipped: {}", one_line(reason)),
        Verdict::Waived { until, why } => {
            let kind = FailureKind::of(record).words();
            format!("waived until {}: {} (would fail: {kind})", one_line(until), one_line(why))
        }
    };
    status.set_description(description(record, &message));
    status.set_message(message);
    status
}

fn typed(kind: NonSuccessKind, name: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name);
    status
}

/// A pass; the attempts before a flaky one are told as `flakyFailure`, which Jenkins and Maven's tools count.
fn passed(record: &CaseRecord) -> TestCaseStatus {
    let mut status = TestCaseStatus::success();
    if record.judgement.flaky {
        let mut rerun = TestRerun::new(NonSuccessKind::Failure);
        rerun.set_type("Flaky").set_message("an earlier attempt did not pass").set_description(observed(record));
        status.add_rerun(rerun);
    }
    status
}

fn description(record: &CaseRecord, message: &str) -> String {
    let case = &record.case;
    let mut lines = vec![
        message.to_owned(),
        format!("flow: {}", one_line(&case.flow.to_string())),
        format!("expected: {}", expectation(case)),
        format!("observed: {}", observed(record)),
        foreseen(record).map_or_else(String::new, |foreseen| format!("foreseen: {foreseen}")),
        format!("why: {}", one_line(&record.judgement.why)),
        format!("written at {}", one_line(&case.at.to_string())),
    ];
    if let Some(observation) = &record.observation {
        lines.extend(observation.evidence.logs.iter().map(|log| format!("log: {}", visible(log))));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// The cause of every case that did not pass, by its id, so that whoever sorts messages has the cases of one together.
struct Causes(BTreeMap<String, String>);

impl Causes {
    fn of(record: &RunRecord) -> Self {
        let mut causes = BTreeMap::new();
        for group in groups(record) {
            let at = if group.cause.at.is_empty() { String::new() } else { format!(" ({})", group.cause.at) };
            let words = format!("{}{at}", group.cause.words);
            causes.extend(group.cases.iter().map(|case| (case.case.id.clone(), words.clone())));
            let first = group.cases.first().map(|case| case.case.id.clone()).unwrap_or_default();
            let follows = format!("follows from {}: {words}", one_line(&first));
            causes.extend(group.followers.iter().map(|case| (case.case.id.clone(), follows.clone())));
        }
        Self(causes)
    }
}

/// Names that were given, so that none is given twice.
#[derive(Default)]
struct Names(BTreeSet<(String, String)>);

impl Names {
    fn unique(&mut self, class: &str, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut number = 1;
        while !self.0.insert((class.to_owned(), candidate.clone())) {
            number += 1;
            candidate = format!("{name} ({number})");
        }
        candidate
    }
}
