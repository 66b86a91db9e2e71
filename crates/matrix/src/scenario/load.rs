//! Documents → plan: everything that is wrong with a matrix, found before anything is tried.

use std::collections::BTreeMap;

use airtight_manifest::{Diagnostic, Document, Located, Location, closest};
use airtight_model::world::World;

use super::case::Case;
use super::catalogue::Catalogue;
use super::directory::Directory;
use super::expand::{CaseDraft, expand};
use super::parse::{ScenarioText, parse};
use super::plan::{Plan, PlannedCase, ScenarioInfo};
use super::twin::resolve_twins;
use super::waiver::{self, is_waiver};

/// Reads scenario documents into a plan of all their cases, in the order of the documents.
///
/// `today` is the day from which the life of waivers is counted.
///
/// # Errors
/// All findings at once, in the order of files and lines: documents that are no scenarios, unknown fields,
/// unknown names (each with the one that was probably meant), unknown controls, ids used twice, denied cases
/// without a fitting twin, waivers without a day or a reason, waivers in files of their own for what the matrix does not
/// have, and an empty matrix.
pub fn load(
    documents: &[Document],
    world: &World,
    catalogue: &Catalogue,
    today: jiff::civil::Date,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let directory = Directory::new(world);
    let (waivers, documents): (Vec<&Document>, Vec<&Document>) =
        documents.iter().partition(|document| is_waiver(document));
    let texts: Vec<_> = documents.iter().filter_map(|document| parse(document, &mut findings)).collect();
    if documents.is_empty() {
        findings.push(no_scenarios());
    }
    check_scenario_names(&texts, &mut findings);
    let mut unread: Vec<String> = texts.iter().flat_map(|text| text.unread.iter().cloned()).collect();
    let mut drafts = Vec::new();
    let mut ids = BTreeMap::new();
    for text in &texts {
        check_controls(text.document, &text.head.spec.controls, catalogue, &mut findings);
        for form in &text.cases {
            findings.extend(repeated_id(text.document, &form.id, &mut ids));
            if let Some(controls) = &form.controls {
                check_controls(text.document, controls, catalogue, &mut findings);
            }
            let expanded = expand(text, form, &directory, today, &mut findings);
            if expanded.is_empty() {
                unread.push(form.id.value.clone());
            }
            drafts.extend(expanded);
        }
    }
    resolve_twins(&mut drafts, world, &unread, &mut findings);
    // What a broken scenario would have had nobody knows.
    let known = findings.is_empty();
    let cases: Vec<&Case> = drafts.iter().map(|draft| &draft.case).collect();
    let waivers = if known { waiver::read(&waivers, &cases, today, &mut findings) } else { Vec::new() };
    if findings.is_empty() { Ok(Plan { waivers, ..plan(&texts, drafts) }) } else { Err(sorted(findings)) }
}

fn no_scenarios() -> Diagnostic {
    Diagnostic::error("no-scenarios", "there are no scenarios to load")
        .hint("name a folder with at least one YAML file of `kind: Scenario`")
}

fn plan(texts: &[ScenarioText<'_>], drafts: Vec<CaseDraft>) -> Plan {
    let scenarios = texts.iter().map(|text| ScenarioInfo {
        name: text.name.clone(),
        title: text.head.spec.title.clone(),
        suite: text.head.spec.suite.as_ref().map(|suite| suite.value.clone()),
    });
    let cases = drafts.into_iter().map(|draft| PlannedCase { case: draft.case, suite: draft.suite, support: false });
    Plan { scenarios: scenarios.collect(), cases: cases.collect(), ..Plan::default() }
}

/// Findings by file in the order of loading are already in the order of passes; a reader wants that of lines.
fn sorted(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort_by(|a, b| a.location.cmp(&b.location));
    findings
}

fn check_scenario_names(texts: &[ScenarioText<'_>], findings: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Location> = BTreeMap::new();
    for text in texts {
        let here = text.document.location(text.document.root.at);
        match seen.get(text.name.as_str()) {
            Some(first) => findings.push(
                Diagnostic::error("repeated-scenario", format!("scenario `{}` is also written at {first}", text.name))
                    .at(here)
                    .hint("give one of the two another `metadata.name`"),
            ),
            None => _ = seen.insert(&text.name, here),
        }
    }
}

fn repeated_id(document: &Document, id: &Located<String>, ids: &mut BTreeMap<String, Location>) -> Option<Diagnostic> {
    let here = document.location(id.at);
    let Some(first) = ids.get(&id.value) else {
        ids.insert(id.value.clone(), here);
        return None;
    };
    Some(
        Diagnostic::error("repeated-id", format!("case id `{}` is also used at {first}", id.value))
            .at(here)
            .hint("an id is used once in the whole matrix, and never again for another case"),
    )
}

fn check_controls(
    document: &Document,
    controls: &[Located<String>],
    catalogue: &Catalogue,
    findings: &mut Vec<Diagnostic>,
) {
    for control in controls.iter().filter(|control| catalogue.control(control).is_none()) {
        let finding = Diagnostic::error("unknown-control", format!("there is no control `{}`", control.value))
            .at(document.location(control.at));
        let known = catalogue.controls().map(|(id, _, _)| id).collect::<Vec<_>>();
        findings.push(match closest(control, known.iter().map(String::as_str)) {
            Some(id) => finding.hint(format!("did you mean `{id}`?")),
            None => finding.hint("a control is written as `framework/ID`, such as `nist-800-53/AC-4`"),
        });
    }
}
