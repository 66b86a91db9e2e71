//! Metrics: a file for the textfile collector of Prometheus' node exporter, and the same as OpenMetrics.
//!
//! Everything is a gauge, without times of its own, which the collector refuses (node_exporter, "Textfile collector").
//! Labels are bounded by the matrix: ids of cases and controls, no names of pods. OpenMetrics asks for an end that the
//! collector does not know (OpenMetrics 1.0, section 4.2): that is all in which the two differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use airtight_manifest::Severity;
use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::Expectation;
use jiff::civil::Date;

use super::control::{Bearing, ControlStanding, controls};
use super::error::ReportError;
use super::moment::Moments;
use super::standing::Standing;
use super::text::one_line;
use super::wording::{is_uncovered, severity_word};

/// What ends a text of OpenMetrics.
const END: &str = "# EOF\n";

/// The run for the textfile collector.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn prometheus(record: &RunRecord) -> Result<String, ReportError> {
    let moments = Moments::of(record, "Prometheus")?;
    Ok(families(record, moments).iter().map(Family::text).collect())
}

/// The run as OpenMetrics.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn openmetrics(record: &RunRecord) -> Result<String, ReportError> {
    Ok(format!("{}{END}", prometheus(record)?))
}

/// A metric with its samples.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<Sample>,
}

struct Sample {
    labels: Vec<(String, String)>,
    value: f64,
}

impl Family {
    fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: Vec::new() }
    }

    fn one(name: &'static str, help: &'static str, labels: &[(&str, &str)], value: f64) -> Self {
        Self::new(name, help).with(labels, value)
    }

    fn with(mut self, labels: &[(&str, &str)], value: f64) -> Self {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), one_line(value)));
        self.samples.push(Sample { labels: labels.collect(), value });
        self
    }

    /// As text; nothing of a metric without samples.
    fn text(&self) -> String {
        if self.samples.is_empty() {
            return String::new();
        }
        let mut out = format!("# HELP {} {}\n# TYPE {} gauge\n", self.name, self.help, self.name);
        for Sample { labels, value } in &self.samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{}{labels} {value}", self.name);
        }
        out
    }
}

/// The three characters that a label's value cannot hold as they are.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}

fn families(record: &RunRecord, moments: Moments) -> Vec<Family> {
    let summary = &record.summary;
    let place = [("testbed", record.testbed.as_str()), ("stack", record.stack.name.as_str())];
    #[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
    let (end, took) = (moments.end.as_second() as f64, record.duration_ms as f64 / 1000.0);
    vec![
        build(record),
        Family::one("airtight_last_run_timestamp_seconds", "When the last run ended.", &place, end),
        Family::one("airtight_run_duration_seconds", "How long it took.", &place, took),
        Family::one(
            "airtight_run_exit_code",
            "Its result: 0 passed, 1 failed, 2 input error, 3 inconclusive, 4 nothing selected, 5 no testbed.",
            &place,
            f64::from(summary.status.code()),
        ),
        Family::one(
            "airtight_testbed_enforces",
            "Whether the canary showed that the testbed enforces at all.",
            &place,
            f64::from(u8::from(record.canary.enforces)),
        ),
        counts(record),
        Family::one("airtight_flaky_cases", "Cases that passed only after a retry.", &[], number(summary.flaky)),
        results(record),
        durations(record),
        waivers(record),
        bearings(record),
        coverage(record),
        policies(record),
        findings(record),
    ]
}

fn build(record: &RunRecord) -> Family {
    let mut labels = vec![("version".to_owned(), one_line(&record.tool.version))];
    for (name, version) in &record.stack.versions {
        let name = label(name);
        if labels.iter().all(|(known, _)| *known != name) {
            labels.push((name, one_line(version)));
        }
    }
    let mut family = Family::new("airtight_build_info", "Versions of airtight and of the stack under test.");
    family.samples.push(Sample { labels, value: 1.0 });
    family
}

/// The name of a component as that of a label: a letter, then letters, digits and `_`.
fn label(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    let plain: String = plain.collect();
    if plain.starts_with(|first: char| first.is_ascii_lowercase()) { plain } else { format!("component_{plain}") }
}

fn counts(record: &RunRecord) -> Family {
    let summary = &record.summary;
    let verdicts = [
        ("pass", summary.passed),
        ("fail", summary.failed),
        ("inconclusive", summary.inconclusive),
        ("waived", summary.waived),
        ("skipped", summary.skipped),
    ];
    let family = Family::new("airtight_cases", "Cases of the last run, by verdict.");
    verdicts.into_iter().fold(family, |family, (verdict, count)| family.with(&[("verdict", verdict)], number(count)))
}

fn results(record: &RunRecord) -> Family {
    let family = Family::new("airtight_case_result", "Verdict of one case: 1 for the one that applies.");
    record.cases.iter().fold(family, |family, case| {
        let expected = match case.case.expect {
            Expectation::Allow(_) => "allow",
            Expectation::Deny(_) => "deny",
        };
        let labels = [
            ("case", case.case.id.as_str()),
            ("scenario", &case.case.scenario),
            ("severity", severity_word(case.case.severity)),
            ("expected", expected),
            ("verdict", Standing::of(case).verdict()),
        ];
        family.with(&labels, 1.0)
    })
}

/// How long each tried case took, which is how long enforcement took on a testbed that sends packets.
fn durations(record: &RunRecord) -> Family {
    let tried = record.cases.iter().filter(|case| case.observation.is_some());
    let family = Family::new("airtight_case_duration_seconds", "How long one case took.");
    #[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
    let seconds = |case: &CaseRecord| case.duration_us as f64 / 1_000_000.0;
    tried.fold(family, |family, case| family.with(&[("case", &case.case.id)], seconds(case)))
}

/// The end of the last day on which each waiver holds that holds now.
fn waivers(record: &RunRecord) -> Family {
    let family = Family::new("airtight_waiver_expiry_timestamp_seconds", "When the waiver of a failing case lapses.");
    record.cases.iter().fold(family, |family, case| {
        let Verdict::Waived { until, .. } = &case.judgement.verdict else { return family };
        #[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
        match lapse(until) {
            Some(second) => {
                let approval = case.case.waiver.as_ref().and_then(|waiver| waiver.approval.as_ref());
                let name = approval.map_or("", |approval| approval.waiver.as_str());
                family.with(&[("case", case.case.id.as_str()), ("waiver", name)], second as f64)
            }
            None => family,
        }
    })
}

fn lapse(until: &str) -> Option<i64> {
    let day: Date = until.parse().ok()?;
    let next = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(next.timestamp().as_second())
}

fn split(control: &str) -> (&str, &str) {
    control.split_once('/').unwrap_or(("", control))
}

fn bearings(record: &RunRecord) -> Family {
    let family = Family::new("airtight_control_cases", "Cases of a control, by what each says of it.");
    controls(record).iter().fold(family, |family, ControlStanding { control, cases, .. }| {
        let (framework, control) = split(control);
        let mut counts: BTreeMap<Bearing, usize> = BTreeMap::new();
        for (_, bearing) in cases {
            *counts.entry(*bearing).or_default() += 1;
        }
        counts.into_iter().fold(family, |family, (bearing, count)| {
            let says = match bearing {
                Bearing::Contradicts => "contradicts",
                Bearing::DoesNotReach => "does-not-reach",
                Bearing::Supports => "supports",
            };
            family.with(&[("framework", framework), ("control", control), ("evidence", says)], number(count))
        })
    })
}

fn coverage(record: &RunRecord) -> Family {
    let help = "Share of a control's cases with conclusive evidence, for or against it.";
    let family = Family::new("airtight_control_coverage_ratio", help);
    controls(record).iter().fold(family, |family, standing| {
        let (framework, control) = split(standing.control);
        let told = standing.cases.iter().filter(|(_, bearing)| *bearing != Bearing::DoesNotReach).count();
        let share = number(told) / number(standing.cases.len().max(1));
        family.with(&[("framework", framework), ("control", control)], share)
    })
}

fn policies(record: &RunRecord) -> Family {
    let uncovered = record.policies.iter().filter(|policy| is_uncovered(policy)).count();
    Family::new("airtight_policy_objects", "Policy objects, by whether a case notices their removal.")
        .with(&[("noticed", "true")], number(record.policies.len() - uncovered))
        .with(&[("noticed", "false")], number(uncovered))
}

fn findings(record: &RunRecord) -> Family {
    let count = |severity| number(record.findings.iter().filter(|finding| finding.severity == severity).count());
    Family::new("airtight_findings", "Findings about the inputs.")
        .with(&[("severity", "note")], count(Severity::Note))
        .with(&[("severity", "warning")], count(Severity::Warning))
        .with(&[("severity", "error")], count(Severity::Error))
}
