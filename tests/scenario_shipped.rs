//! The shipped scenarios are what the loader and the published schema take.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Document, yaml};
use airtight_matrix::scenario::{Catalogue, Expectation, load, schema};
use airtight_model::world::{Environment, World, build};

const STACKS: [&str; 2] = ["reference", "latest"];

fn documents(path: &str) -> Vec<Document> {
    airtight_manifest::load(Path::new(path)).unwrap().documents
}

fn only(path: &str) -> Document {
    let text = fs::read_to_string(path).unwrap();
    yaml::parse(&Arc::from(path), &text).unwrap().remove(0)
}

fn world(stack: &str) -> World {
    let environment = Environment::read(&only("manifests/environment.yaml")).unwrap();
    let stack = Stack::read(&only(&format!("kind/stacks/{stack}.yaml"))).unwrap();
    let mut manifests = documents("manifests/workloads");
    for folder in ["manifests/system", "manifests/policies"] {
        manifests.extend(documents(folder));
    }
    build(&manifests, &environment, stack).unwrap().world
}

#[test]
fn shipped_scenarios_load_on_both_stacks() {
    let catalogue = Catalogue::embedded().unwrap();
    let scenarios = documents("scenarios");
    for stack in STACKS {
        match load(&scenarios, &world(stack), &catalogue, jiff::civil::date(2026, 1, 15)) {
            Ok(plan) => {
                let denied = plan.cases.iter().filter(|planned| matches!(planned.case.expect, Expectation::Deny(_)));
                assert!(denied.count() > 20, "the matrix denies next to nothing");
            }
            Err(findings) => {
                let lines: Vec<_> =
                    findings.iter().map(|f| format!("{f} | {}", f.hint.as_deref().unwrap_or("-"))).collect();
                panic!("on {stack}:\n{}", lines.join("\n"));
            }
        }
    }
}

#[test]
fn shipped_scenarios_satisfy_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for document in documents("scenarios") {
        let value = document.root.to_json();
        let errors: Vec<_> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", document.file);
    }
}
