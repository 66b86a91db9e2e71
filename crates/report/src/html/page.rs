//! The page of a run: its template, filled.

use airtight_manifest::Diagnostic;
use airtight_matrix::run::{ExitStatus, RunRecord};
use askama::Template;

use super::anchor::{CaseLink, Targets};
use super::case::ScenarioView;
use super::coverage::{ControlView, FrameworkView, PolicyView};
use super::filter::FilterView;
use super::grid::Grid;
use super::inputs::{FindingView, InputView};
use super::{case, coverage, details, inputs, security};
use crate::cause::groups;
use crate::error::ReportError;
use crate::options::Options;
use crate::standing::Standing;
use crate::text::{count, duration, one_line};
use crate::wording::{headline, is_uncovered, status_word, uncovered};

const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

/// The run as one HTML page.
///
/// # Errors
/// [`ReportError::Render`]; no record is known for which it happens.
pub fn render(record: &RunRecord) -> Result<String, ReportError> {
    render_with(record, &Options::default())
}

/// The run as one HTML page, as a reader wants it: with a `source_url`, places lead to their lines on the web.
///
/// # Errors
/// [`ReportError::Render`]; no record is known for which it happens.
pub fn render_with(record: &RunRecord, options: &Options) -> Result<String, ReportError> {
    Page::of(record, options)?.render().map_err(|error| ReportError::Render { format: "HTML", why: error.to_string() })
}

#[derive(Template)]
#[template(path = "report.html", whitespace = "minimize")]
struct Page {
    style: &'static str,
    script: &'static str,
    security: String,
    /// `good`, `bad` or `unsure`.
    tone: &'static str,
    headline: String,
    status: &'static str,
    exit_code: u8,
    /// Whether an input was refused, which fails the run whatever the cases say.
    refused: bool,
    lead: String,
    scope: String,
    canary: Canary,
    tiles: Vec<Tile>,
    causes: Vec<CauseView>,
    attention: &'static [(&'static str, &'static str)],
    grid: Grid,
    filter: FilterView,
    scenarios: Vec<ScenarioView>,
    total: usize,
    policies: Vec<PolicyView>,
    uncovered: usize,
    /// Uncovered objects that are listed one by one.
    listed: Vec<PolicyView>,
    /// What rules made and no case notices, in words.
    made: Vec<String>,
    controls: Vec<ControlView>,
    /// Controls that no case covers.
    missing: Vec<FrameworkView>,
    /// The details of the cases, packed.
    details: String,
    findings: Vec<FindingView>,
    inputs: InputView,
}

struct Canary {
    enforces: bool,
    detail: String,
}

/// Cases that did not pass, by what they have in common.
struct CauseView {
    failed: bool,
    counts: String,
    words: String,
    at: String,
    hint: String,
    cases: Vec<CaseLink>,
}

/// One count at the head of the page.
struct Tile {
    word: &'static str,
    caption: &'static str,
    number: usize,
}

impl Page {
    fn of(record: &RunRecord, options: &Options) -> Result<Self, ReportError> {
        let status = record.summary.status;
        let (listed, made) = uncovered(record);
        let targets = Targets::of(record, options);
        let scenarios = case::scenarios(record, options);
        Ok(Self {
            style: STYLE,
            script: SCRIPT,
            security: security::policy(SCRIPT),
            tone: tone(status),
            headline: headline(record),
            status: status_word(status),
            exit_code: status.code(),
            refused: record.findings.iter().any(Diagnostic::is_error),
            lead: lead(record),
            scope: scope(&record.testbed),
            canary: Canary {
                enforces: record.canary.enforces,
                detail: one_line(record.canary.detail.trim_end_matches('.')),
            },
            tiles: tiles(record),
            causes: causes(record, &targets),
            attention: ATTENTION,
            grid: Grid::of(record),
            filter: FilterView::of(record),
            details: details::pack(scenarios.iter().flat_map(|scenario| &scenario.cases))?,
            scenarios,
            total: record.cases.len(),
            policies: coverage::policies(record, &targets),
            listed: listed.into_iter().map(|policy| coverage::policy_view(policy, &targets)).collect(),
            made,
            uncovered: record.policies.iter().filter(|policy| is_uncovered(policy)).count(),
            controls: coverage::controls(record, &targets),
            missing: coverage::uncovered_controls(record),
            findings: inputs::findings(record),
            inputs: InputView::of(record),
        })
    }

    /// Cases that stand like `word`, for the list of what needs attention.
    fn standing<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a case::CaseView> {
        self.scenarios.iter().flat_map(|scenario| &scenario.cases).filter(move |case| case.standing == word)
    }

    fn flaky(&self) -> impl Iterator<Item = &case::CaseView> {
        self.scenarios.iter().flat_map(|scenario| &scenario.cases).filter(|case| case.flaky)
    }

    fn needs_attention(&self) -> bool {
        self.exit_code > 0
            || self.uncovered > 0
            || !self.findings.is_empty()
            || self.flaky().next().is_some()
            || ATTENTION.iter().any(|(word, _)| self.standing(word).next().is_some())
    }
}

/// What is listed under "needs attention", in this order.
const ATTENTION: &[(&str, &str)] = &[
    ("failed", "Failed"),
    ("inconclusive", "Inconclusive: nobody can tell"),
    ("waived", "Waived: fails, and someone answers for it"),
    ("skipped", "Skipped: not tried"),
];

/// The causes of a run, the severest first.
fn causes(record: &RunRecord, targets: &Targets<'_>) -> Vec<CauseView> {
    let views = groups(record).into_iter().map(|group| CauseView {
        failed: group.has_failed(),
        counts: group.counts(),
        words: group.cause.words.clone(),
        at: group.cause.at.clone(),
        hint: group.cause.hint.clone(),
        cases: group.cases.iter().chain(&group.followers).map(|case| targets.case(&case.case.id)).collect(),
    });
    views.collect()
}

fn tone(status: ExitStatus) -> &'static str {
    match status {
        ExitStatus::Passed => "good",
        ExitStatus::Inconclusive => "unsure",
        ExitStatus::Failed | ExitStatus::InputError | ExitStatus::NothingSelected | ExitStatus::NoTestbed => "bad",
    }
}

fn lead(record: &RunRecord) -> String {
    format!(
        "{} on the {} testbed, stack {}. Started {}, took {}.",
        count(record.cases.len(), "case", "cases"),
        one_line(&record.testbed),
        one_line(&record.stack.name),
        one_line(&record.started),
        duration(record.duration_ms),
    )
}

/// How far the evidence of a testbed goes.
fn scope(testbed: &str) -> String {
    let reach = match testbed {
        "model" => "Outcomes were computed from the manifests by a model of the stack's versions; no packet was sent.",
        "lab" => "Packets were sent through network namespaces and one real proxy, not through a cluster.",
        _ => "Packets were sent through a running cluster; the outcomes are those of the time of the run.",
    };
    format!("{reach} Evidence from flows supports or contradicts a control; it never settles one alone.")
}

fn tiles(record: &RunRecord) -> Vec<Tile> {
    let summary = &record.summary;
    let tile = |standing: Standing, caption, number| Tile { word: standing.word(), caption, number };
    vec![
        tile(Standing::Failed, "failed", summary.failed),
        tile(Standing::Inconclusive, "inconclusive", summary.inconclusive),
        tile(Standing::Waived, "waived", summary.waived),
        tile(Standing::Skipped, "skipped", summary.skipped),
        tile(Standing::Denied, "denied as expected", summary.denied),
        tile(Standing::Allowed, "allowed as expected", summary.allowed),
    ]
}
