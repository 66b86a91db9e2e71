//! Cases, scenario by scenario.

use std::collections::{BTreeMap, BTreeSet};

use airtight_manifest::yaml;
use airtight_matrix::judge::{Evidence, Verdict};
use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::{Expectation, Severity};
use airtight_model::path::Flow;
use airtight_model::policy::{Layer, Request};

use super::anchor::{self, CaseLink, Targets};
use super::trace::TraceView;
use crate::failure::FailureKind;
use crate::options::Options;
use crate::standing::Standing;
use crate::text::{duration, one_line, visible};
use crate::wording::{expectation, foreseen, observed, severity_word, trace};

/// The cases of one scenario.
pub(super) struct ScenarioView {
    pub(super) name: String,
    pub(super) title: String,
    /// Standings that occur, with how often.
    pub(super) counts: Vec<(&'static str, usize)>,
    pub(super) cases: Vec<CaseView>,
}

/// One case.
pub(super) struct CaseView {
    pub(super) anchor: String,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) scenario: String,
    pub(super) standing: &'static str,
    pub(super) verdict: &'static str,
    /// In which way the expectation does not hold; empty if it does.
    pub(super) kind: &'static str,
    pub(super) flaky: bool,
    pub(super) open: bool,
    pub(super) severity: &'static str,
    /// Whether a failure would be worse than most.
    pub(super) grave: bool,
    pub(super) layers: Vec<String>,
    pub(super) controls: Vec<String>,
    pub(super) claims: Vec<String>,
    pub(super) flow: String,
    /// The parts of the HTTP request that the flow's line does not show.
    pub(super) request: Vec<(String, String)>,
    pub(super) expected: String,
    pub(super) observed: String,
    /// What the model foresaw, on another testbed; else empty.
    pub(super) foreseen: String,
    pub(super) why: String,
    /// Why it was skipped, or who answers for it until when.
    pub(super) excuse: String,
    pub(super) twin: Option<TwinView>,
    /// Cases whose twin this is.
    pub(super) twin_of: Vec<CaseLink>,
    pub(super) at: String,
    /// Where it can be read on the web; else empty.
    pub(super) link: String,
    pub(super) took: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) logs: Vec<String>,
    /// Objects that the flow brings with it, in YAML, each with what is done to it and by whom.
    pub(super) objects: Vec<(String, String)>,
    pub(super) trace: Option<TraceView>,
}

/// The allowed case that differs in exactly one thing.
pub(super) struct TwinView {
    pub(super) link: CaseLink,
    /// How it stands; empty if it is not in the selection.
    pub(super) standing: &'static str,
}

/// What the cases of a run say of one another.
struct Twins<'a> {
    targets: Targets<'a>,
    standings: BTreeMap<&'a str, Standing>,
    denied: BTreeMap<&'a str, Vec<&'a str>>,
}

/// All scenarios in the order of their first case.
pub(super) fn scenarios(record: &RunRecord, options: &Options) -> Vec<ScenarioView> {
    let twins = Twins::of(record, options);
    let mut places = BTreeMap::new();
    let mut views: Vec<ScenarioView> = Vec::new();
    for case in &record.cases {
        let name = case.case.scenario.as_str();
        let place = *places.entry(name).or_insert_with(|| {
            let title = record.scenarios.get(name).map_or(name, String::as_str);
            views.push(ScenarioView {
                name: one_line(name),
                title: one_line(title),
                counts: Vec::new(),
                cases: Vec::new(),
            });
            views.len() - 1
        });
        views[place].cases.push(case_view(case, &twins));
    }
    let mut opened = 0;
    for view in &mut views {
        view.counts = standing_counts(&view.cases);
        for case in view.cases.iter_mut().filter(|case| case.open) {
            opened += 1;
            case.open = opened <= MOST_OPEN;
        }
    }
    views
}

/// How many cases stand open from the start: a page of a thousand failures is not to be drawn before it can be read.
const MOST_OPEN: usize = 20;

fn standing_counts(cases: &[CaseView]) -> Vec<(&'static str, usize)> {
    Standing::ALL
        .iter()
        .map(|standing| (standing.word(), cases.iter().filter(|case| case.standing == standing.word()).count()))
        .filter(|(_, number)| *number > 0)
        .collect()
}

impl<'a> Twins<'a> {
    fn of(record: &'a RunRecord, options: &'a Options) -> Self {
        let mut denied: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for case in &record.cases {
            if let Some(twin) = &case.case.twin {
                denied.entry(twin).or_default().push(&case.case.id);
            }
        }
        let standings = record.cases.iter().map(|case| (case.case.id.as_str(), Standing::of(case))).collect();
        Self { targets: Targets::of(record, options), standings, denied }
    }

    fn twin(&self, id: &str) -> TwinView {
        TwinView {
            link: self.targets.case(id),
            standing: self.standings.get(id).map_or("", |standing| standing.word()),
        }
    }
}

fn case_view(record: &CaseRecord, twins: &Twins<'_>) -> CaseView {
    let case = &record.case;
    let standing = Standing::of(record);
    let evidence = record.observation.as_ref().map(|observation| &observation.evidence);
    CaseView {
        anchor: anchor::case(&case.id),
        id: one_line(&case.id),
        title: one_line(&case.title),
        scenario: one_line(&case.scenario),
        standing: standing.word(),
        verdict: standing.verdict(),
        kind: kind(record, standing),
        flaky: record.judgement.flaky,
        open: matches!(standing, Standing::Failed | Standing::Inconclusive),
        severity: severity_word(case.severity),
        grave: case.severity >= Severity::High,
        layers: layers(record).into_iter().map(|layer| layer.to_string()).collect(),
        controls: case.controls.iter().map(|control| one_line(control)).collect(),
        claims: case.claims.iter().map(|claim| one_line(claim)).collect(),
        flow: one_line(&case.flow.to_string()),
        request: case.flow.request.as_ref().map(request).unwrap_or_default(),
        expected: expectation(case),
        observed: observed(record),
        why: one_line(&record.judgement.why),
        excuse: excuse(record),
        twin: case.twin.as_deref().map(|twin| twins.twin(twin)),
        twin_of: twins.denied.get(case.id.as_str()).map(|ids| twins.targets.cases(ids)).unwrap_or_default(),
        at: one_line(&case.at.to_string()),
        link: twins.targets.source(&case.at),
        took: took(record.duration_us),
        headers: evidence.map(headers).unwrap_or_default(),
        logs: evidence.map(logs).unwrap_or_default(),
        objects: objects(&case.flow),
        foreseen: foreseen(record).unwrap_or_default(),
        trace: trace(record).map(|trace| TraceView::of(trace, &twins.targets)),
    }
}

fn kind(record: &CaseRecord, standing: Standing) -> &'static str {
    match standing {
        Standing::Failed | Standing::Waived => FailureKind::of(record).words(),
        Standing::Inconclusive | Standing::Skipped | Standing::Denied | Standing::Allowed => "",
    }
}

fn excuse(record: &CaseRecord) -> String {
    match (&record.judgement.verdict, &record.case.waiver) {
        (Verdict::Skipped { reason }, _) => one_line(reason),
        (Verdict::Waived { until, why }, _) => format!("until {}: {}", one_line(until), one_line(why)),
        (Verdict::Pass, Some(waiver)) => {
            format!("no longer needed: the case passes (until {}: {})", one_line(&waiver.until), one_line(&waiver.why))
        }
        (Verdict::Fail | Verdict::Inconclusive, Some(waiver)) => {
            format!("does not hold (until {}: {})", one_line(&waiver.until), one_line(&waiver.why))
        }
        (Verdict::Pass | Verdict::Fail | Verdict::Inconclusive, None) => String::new(),
    }
}

/// The layers that a case is about: those that it names, those that denied, and for an allowed one those it passed.
pub(super) fn layers(record: &CaseRecord) -> BTreeSet<Layer> {
    let evidence = record.observation.as_ref().map(|observation| &observation.evidence);
    let mut layers: BTreeSet<Layer> = evidence.and_then(|evidence| evidence.denied_by).into_iter().collect();
    match &record.case.expect {
        Expectation::Allow(allow) => {
            layers.extend(&allow.via);
            layers.extend(evidence.iter().flat_map(|evidence| &evidence.passed));
        }
        Expectation::Deny(deny) => {
            layers.insert(deny.by);
            layers.extend(evidence.iter().filter_map(|evidence| evidence.denying_layers.as_ref()).flatten());
        }
    }
    layers
}

fn request(request: &Request) -> Vec<(String, String)> {
    let mut out = vec![("host".to_owned(), one_line(&request.host))];
    out.extend(request.headers.iter().map(|(name, value)| (one_line(name), one_line(value))));
    if let Some(token) = &request.token {
        let state = serde_json::to_value(token.state).ok();
        let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or_default();
        out.push(("token".to_owned(), one_line(&format!("{state}, {} from {}", token.subject, token.issuer))));
    }
    out
}

fn headers(evidence: &Evidence) -> Vec<(String, String)> {
    evidence.backend_headers.iter().map(|(name, value)| (one_line(name), one_line(value))).collect()
}

fn objects(flow: &Flow) -> Vec<(String, String)> {
    let before = flow.after.iter().map(|request| (format!("Before: {request}"), &request.change));
    let attempted = flow.attempt().map(|change| (format!("{}: {change}", flow.from), change));
    let written = before.chain(attempted).filter_map(|(caption, change)| {
        let text = yaml::to_string(&change.value()?).ok()?;
        Some((one_line(&caption), visible(&text).into_owned()))
    });
    written.collect()
}

fn logs(evidence: &Evidence) -> Vec<String> {
    evidence.logs.iter().map(|log| visible(log).into_owned()).collect()
}

fn took(microseconds: u64) -> String {
    if microseconds < 1_000 { format!("{microseconds} µs") } else { duration(microseconds / 1_000) }
}
