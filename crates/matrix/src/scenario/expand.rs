//! Lists → cases: every combination of source, target and request becomes a case of its own.
//!
//! The order is stable: sources outermost, then targets, then requests, each in the order written.
//! A case that expands gets the ids `ID.1`, `ID.2`, … in that order.

use std::sync::Arc;

use airtight_manifest::{Diagnostic, Document, Located};
use airtight_model::path::Source;
use airtight_model::world::{ApiRequest, World};

use super::case::{Case, Expectation, Severity, Waiver};
use super::change::before;
use super::directory::Directory;
use super::expectation::resolve;
use super::form::{CaseForm, RequestForm, WaiverForm};
use super::parse::ScenarioText;
use super::target::{FlowTarget, WrittenFlow, attempt, source, target};
use super::waiver::lasting;

/// A case whose twin is not yet looked up.
pub(super) struct CaseDraft {
    pub(super) case: Case,
    pub(super) attempt: WrittenFlow,
    /// The id as written, before expansion.
    pub(super) base: String,
    /// Its number among the cases that the written one expands to, from 0.
    pub(super) index: usize,
    /// The twin as written, and where.
    pub(super) twin: Option<Located<String>>,
    pub(super) suite: Option<String>,
    /// The world in which it is tried, if requests come before it.
    pub(super) world: Option<Arc<World>>,
}

/// A case as written, all of its names looked up.
struct Ready<'f> {
    before: Vec<ApiRequest>,
    sources: Vec<Source>,
    targets: Vec<FlowTarget>,
    requests: Vec<Option<&'f Located<RequestForm>>>,
}

/// Expands one written case; findings about one combination do not hide those about another.
pub(super) fn expand(
    text: &ScenarioText<'_>,
    form: &Located<CaseForm>,
    directory: &Directory<'_>,
    today: jiff::civil::Date,
    findings: &mut Vec<Diagnostic>,
) -> Vec<CaseDraft> {
    let document = text.document;
    let before = findings.len();
    findings.extend(id_problem(document, &form.id));
    let waiver = form.waive.as_ref().and_then(|waiver| check_waiver(document, waiver, today, findings));
    let Some((steps, world)) = lead_up(document, form, directory, findings) else { return Vec::new() };
    let own = world.as_deref().map(Directory::new);
    let directory = own.as_ref().unwrap_or(directory);
    let Some(ready) = look_up(document, form, directory, steps, findings) else { return Vec::new() };
    let mut drafts = Vec::new();
    let single = ready.sources.len() * ready.targets.len() * ready.requests.len() == 1;
    for from in &ready.sources {
        for target in &ready.targets {
            for request in &ready.requests {
                let index = drafts.len();
                let combination = (ready.before.as_slice(), from, target, *request);
                let Some((attempt, expect)) = combine(document, form, directory, combination, findings) else {
                    continue;
                };
                let (id, title) = if single {
                    (form.id.value.clone(), form.title.clone())
                } else {
                    let part = varying(&ready, &attempt);
                    (format!("{}.{}", *form.id, index + 1), format!("{} ({part})", form.title))
                };
                drafts.push(CaseDraft {
                    case: case(text, form, id, title, attempt.clone(), expect, waiver.clone()),
                    attempt,
                    base: form.id.value.clone(),
                    index,
                    twin: form.twin.clone(),
                    suite: text.head.spec.suite.as_ref().map(|suite| suite.value.clone()),
                    world: world.clone(),
                });
            }
        }
    }
    if findings.len() == before { drafts } else { Vec::new() }
}

fn case(
    text: &ScenarioText<'_>,
    form: &CaseForm,
    id: String,
    title: String,
    attempt: WrittenFlow,
    expect: Expectation,
    waiver: Option<Waiver>,
) -> Case {
    let defaults = &text.head.spec;
    let controls = form.controls.as_ref().unwrap_or(&defaults.controls);
    Case {
        id,
        scenario: text.name.clone(),
        title,
        flow: attempt.flow,
        expect,
        twin: None,
        controls: controls.iter().map(|control| control.value.clone()).collect(),
        claims: form.claims.clone(),
        severity: form.severity.or(defaults.severity).unwrap_or(Severity::Medium),
        waiver,
        at: text.document.location(form.id.at),
    }
}

fn look_up<'f>(
    document: &Document,
    form: &'f CaseForm,
    directory: &Directory<'_>,
    steps: Vec<ApiRequest>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Ready<'f>> {
    let before = findings.len();
    let mut keep = |finding: Diagnostic, at| findings.push(finding.at(document.location(at)));
    let mut sources = Vec::new();
    for text in &form.from {
        match source(directory, text) {
            Ok(from) => sources.push(from),
            Err((finding, at)) => keep(finding, at),
        }
    }
    let mut targets = Vec::new();
    for to in &form.to {
        match target(document, directory, to) {
            Ok(target) => targets.push(target),
            Err((finding, at)) => keep(finding, at),
        }
    }
    let requests = if form.request.is_empty() { vec![None] } else { form.request.iter().map(Some).collect() };
    (findings.len() == before).then_some(Ready { before: steps, sources, targets, requests })
}

/// What a case leads up to: the requests before it, and the world after them.
type LeadUp = (Vec<ApiRequest>, Option<Arc<World>>);

fn lead_up(
    document: &Document,
    form: &CaseForm,
    directory: &Directory<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Option<LeadUp> {
    match before(document, &form.given, &form.after) {
        Ok(steps) if steps.is_empty() => Some((steps, None)),
        Ok(steps) => match directory.world.after(&steps) {
            Ok(world) => Some((steps, Some(world))),
            Err(unmet) => {
                let finding = Diagnostic::error("unmet-step", unmet.to_string());
                let finding = finding.hint("what comes before must be accepted; a refusal is a case of its own");
                findings.push(finding.at(document.location(form.id.at)));
                None
            }
        },
        Err((finding, at)) => {
            findings.push(finding.at(document.location(at)));
            None
        }
    }
}

type Combination<'a> = (&'a [ApiRequest], &'a Source, &'a FlowTarget, Option<&'a Located<RequestForm>>);

fn combine(
    document: &Document,
    form: &CaseForm,
    directory: &Directory<'_>,
    (before, from, target, request): Combination<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Option<(WrittenFlow, Expectation)> {
    let attempt = match attempt(directory.world, from, target, request, before.to_vec()) {
        Ok(attempt) => attempt,
        Err((finding, at)) => {
            note(findings, finding.at(document.location(at)));
            return None;
        }
    };
    check_answering(document, form, directory, findings);
    match resolve(document, &form.expect, &attempt.flow) {
        Ok(expect) => Some((attempt, expect)),
        Err(found) => {
            for finding in found {
                note(findings, finding);
            }
            None
        }
    }
}

/// Adds a finding once: every combination of a list would report the same.
fn note(findings: &mut Vec<Diagnostic>, finding: Diagnostic) {
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}

fn check_answering(document: &Document, form: &CaseForm, directory: &Directory<'_>, findings: &mut Vec<Diagnostic>) {
    let Some(name) = form.expect.allow.as_ref().and_then(|allow| allow.answered_by.as_ref()) else { return };
    let known =
        if name.contains('/') { directory.workload(name).map(|_| ()) } else { directory.host(name).map(|_| ()) };
    if let Err(finding) = known {
        note(findings, finding.at(document.location(name.at)));
    }
}

fn varying(ready: &Ready<'_>, attempt: &WrittenFlow) -> String {
    let mut parts = Vec::new();
    if ready.sources.len() > 1 {
        parts.push(format!("from {}", attempt.flow.from));
    }
    if ready.targets.len() > 1 {
        let flow = &attempt.flow;
        parts.push(match flow.port {
            Some(port) => format!("to {}:{port}/{}", flow.to, flow.protocol),
            None if flow.attempt().is_some() => flow.to.to_string(),
            None => format!("to {}/{}", flow.to, flow.protocol),
        });
    }
    if ready.requests.len() > 1 {
        parts.push(varying_request(ready, attempt));
    }
    parts.join(", ")
}

/// Method and path, and whatever else tells this request from its siblings.
fn varying_request(ready: &Ready<'_>, attempt: &WrittenFlow) -> String {
    let Some(request) = &attempt.flow.request else { return String::new() };
    let mut parts = vec![format!("{} {}", request.method, request.path)];
    let siblings = || ready.requests.iter().flatten();
    if siblings().any(|form| form.host.is_some()) {
        parts.push(format!("at {}", request.host));
    }
    if siblings().any(|form| !form.headers.is_empty()) {
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        parts.push(if headers.is_empty() {
            "without headers".to_owned()
        } else {
            format!("with {}", headers.join("; "))
        });
    }
    if siblings().any(|form| form.token.is_some()) {
        parts.push(match &request.token {
            Some(token) => format!("with a token of {}", token.issuer),
            None => "without a token".to_owned(),
        });
    }
    parts.join(" ")
}

fn id_problem(document: &Document, id: &Located<String>) -> Option<Diagnostic> {
    let valid = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (!valid).then(|| {
        Diagnostic::error("case-id", format!("`{}` is not a case id", **id))
            .at(document.location(id.at))
            .hint("an id is letters, digits, `-` and `_`, such as `MCP-01`; a dot is kept for expanded cases")
    })
}

fn check_waiver(
    document: &Document,
    form: &Located<WaiverForm>,
    today: jiff::civil::Date,
    findings: &mut Vec<Diagnostic>,
) -> Option<Waiver> {
    let before = findings.len();
    findings.extend(lasting(document, &form.until, today));
    if form.why.trim().is_empty() {
        let finding = Diagnostic::error("waiver", "the waiver gives no reason").at(document.location(form.at));
        findings.push(finding.hint("write why, and who answers for it"));
    }
    let waiver = Waiver { until: form.until.value.clone(), why: form.why.clone(), approval: None };
    (findings.len() == before).then_some(waiver)
}
