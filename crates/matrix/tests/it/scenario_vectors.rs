//! Scenario files with the plan or the findings that they lead to, side by side in `tests/vectors/scenario`.
//!
//! A vector gives `cases` (the items under `spec.cases`), or `files` (whole documents). Expected are `plan`, a line for
//! each case (`ID: FLOW => EXPECTATION [twin ID]`), or `findings` (`LINE:COLUMN CODE: MESSAGE | HINT`); lines and
//! columns of `cases` count within the text given.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Document, yaml};
use airtight_matrix::scenario::{AllowExpectation, Catalogue, Expectation, Plan, PlannedCase, load};
use airtight_model::world::{Environment, World, build};
use airtight_testkit::vectors;
use serde::Deserialize;

const FOLDER: &str = "tests/vectors/scenario";
const HEAD: &str =
    "apiVersion: airtight.dev/v1alpha1\nkind: Scenario\nmetadata: {name: s}\nspec:\n  title: a scenario\n  cases:\n";
const HEAD_LINES: u32 = 6;
const INDENT: u32 = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(default)]
    cases: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    plan: Option<Vec<String>>,
    #[serde(default)]
    titles: Option<Vec<String>>,
    #[serde(default)]
    findings: Option<Vec<String>>,
}

#[test]
fn scenarios_lead_to_their_plans_and_findings() {
    let world = world();
    let catalogue = Catalogue::embedded().unwrap();
    let mut wrong = String::new();
    let mut count = 0;
    for (file, vector) in vectors::listed::<Vector>(FOLDER) {
        count += 1;
        if let Some(difference) = check(&vector, &world, &catalogue) {
            let _ = writeln!(wrong, "{file}: {}\n{difference}", vector.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count > 60, "only {count} vectors were found");
}

pub(crate) fn world() -> World {
    let mut documents = vectors::File::at(format!("{FOLDER}/_world.yaml")).documents();
    let environment = Environment::read(&documents.remove(0)).unwrap();
    let stack = Stack::read(&documents.remove(0)).unwrap();
    build(&documents, &environment, stack).unwrap().world
}

fn check(vector: &Vector, world: &World, catalogue: &Catalogue) -> Option<String> {
    let today = jiff::civil::date(2026, 1, 15);
    let (documents, inline) = documents(vector);
    let (plan, titles, findings) = match load(&documents, world, catalogue, today) {
        Ok(plan) => (Some(plan_lines(&plan)), Some(title_lines(&plan)), None),
        Err(findings) => {
            (None, None, Some(findings.iter().map(|finding| finding_line(finding, inline)).collect::<Vec<_>>()))
        }
    };
    let titles_differ = vector.titles.is_some() && vector.titles != titles;
    if plan == vector.plan && findings == vector.findings && !titles_differ {
        return None;
    }
    let mut text = String::new();
    for (what, lines) in [("plan", plan), ("titles", titles), ("findings", findings)] {
        for line in lines.into_iter().flatten() {
            let _ = writeln!(text, "  {what} - '{}'", line.replace('\'', "''"));
        }
    }
    Some(text)
}

fn documents(vector: &Vector) -> (Vec<Document>, bool) {
    if let Some(cases) = &vector.cases {
        let body: Vec<_> = cases.lines().map(|line| format!("  {line}")).collect();
        return (yaml::parse(&Arc::from("s.yaml"), &format!("{HEAD}{}\n", body.join("\n"))).unwrap(), true);
    }
    let parse = |(index, text): (usize, &String)| yaml::parse(&Arc::from(format!("{index}.yaml")), text).unwrap();
    (vector.files.iter().enumerate().flat_map(parse).collect(), false)
}

fn plan_lines(plan: &Plan) -> Vec<String> {
    plan.cases.iter().map(plan_line).collect()
}

fn plan_line(planned: &PlannedCase) -> String {
    let case = &planned.case;
    let mut line = format!("{}: {}", case.id, case.flow);
    if let Some(tls) = &case.flow.tls {
        let _ = write!(line, " tls={tls}");
    }
    let _ = match &case.expect {
        Expectation::Allow(allow) => write!(line, " => allow {}{}", allow.describe(&case.flow), conditions(allow)),
        Expectation::Deny(deny) => write!(line, " => deny by {} x{}: {}", deny.by, deny.layers, deny.describe()),
    };
    if let Some(twin) = &case.twin {
        let _ = write!(line, " [twin {twin}]");
    }
    line
}

fn conditions(allow: &AllowExpectation) -> String {
    let mut text = String::new();
    for layer in &allow.via {
        let _ = write!(text, " via {layer}");
    }
    if let Some(workload) = &allow.answered_by {
        let _ = write!(text, " answered by {workload}");
    }
    for (name, value) in &allow.backend_headers {
        let _ = write!(text, " {name}={}", value.as_deref().unwrap_or("(absent)"));
    }
    text
}

fn title_lines(plan: &Plan) -> Vec<String> {
    plan.cases.iter().map(|planned| planned.case.title.clone()).collect()
}

fn finding_line(finding: &Diagnostic, inline: bool) -> String {
    let place = match &finding.location {
        None => "-".to_owned(),
        Some(location) if inline => {
            let (line, column) = (location.position.line, location.position.column);
            format!("{}:{}", line.saturating_sub(HEAD_LINES), column.saturating_sub(INDENT))
        }
        Some(location) => location.to_string(),
    };
    format!("{place} {}: {} | {}", finding.code, finding.message, finding.hint.as_deref().unwrap_or("-"))
}
