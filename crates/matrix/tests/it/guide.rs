//! The examples of the documentation are what the program takes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use airtight_manifest::{Document, yaml};
use airtight_matrix::judge::Verdict;
use airtight_matrix::model::Model;
use airtight_matrix::run::judge_all;
use airtight_matrix::scenario::{Catalogue, Filter, load, schema};
use airtight_model::path::Engine;
use airtight_testkit::{repository, worlds};

/// Blocks of one language in a Markdown text.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(opening.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn guide() -> String {
    repository::text("docs/scenarios.md")
}

fn examples() -> Vec<Document> {
    let text = blocks(&guide(), "yaml").join("---\n");
    yaml::parse(&Arc::from("docs/scenarios.md"), &text).unwrap()
}

#[test]
fn the_scenarios_of_the_guide_pass_on_the_reference_set() {
    let world = worlds::reference("reference");
    let catalogue = Catalogue::embedded().unwrap();
    let plan = load(&examples(), &world, &catalogue, jiff::civil::date(2026, 1, 15)).unwrap_or_else(|findings| {
        let lines: Vec<String> = findings.iter().map(|f| format!("{f} | {:?}", f.hint)).collect();
        panic!("{}", lines.join("\n"))
    });
    assert!(plan.cases.len() >= 8);
    let engine = Engine::compile(&world);
    for record in judge_all(&plan, &mut Model::new(&engine)) {
        assert_eq!(record.judgement.verdict, Verdict::Pass, "{}: {}", record.case.id, record.judgement.why);
    }
}

#[test]
fn the_scenarios_of_the_guide_satisfy_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for document in examples() {
        let value = document.root.to_json();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn the_filters_of_the_guide_parse() {
    let filters: Vec<String> =
        blocks(&guide(), "filter").iter().flat_map(|block| block.lines()).map(str::to_owned).collect();
    assert!(filters.len() >= 4);
    for filter in filters {
        filter.parse::<Filter>().unwrap();
    }
}

/// Every field of the published schema is explained.
#[test]
fn the_guide_names_every_field() {
    let guide = guide();
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap();
    for name in [
        "Case",
        "Target",
        "Request",
        "TokenInRequest",
        "Expect",
        "Allow",
        "Deny",
        "WaiverOfCase",
        "Spec",
        "Source",
        "Step",
        "Object",
        "Stored",
    ] {
        for field in definitions[name]["properties"].as_object().unwrap().keys() {
            let known = guide.contains(&format!("`{field}")) || guide.contains(&format!("{field}:"));
            assert!(known, "docs/scenarios.md does not name `{field}` of {name}");
        }
    }
}
