//! The shipped scenarios are what the loader and the published schema take.

use airtight_matrix::scenario::{Catalogue, Expectation, load, schema};
use airtight_testkit::{repository, worlds};

const STACKS: [&str; 2] = ["reference", "latest"];

#[test]
fn shipped_scenarios_load_on_both_stacks() {
    let catalogue = Catalogue::embedded().unwrap();
    let scenarios = repository::folder("scenarios");
    for stack in STACKS {
        match load(&scenarios, &worlds::reference(stack), &catalogue, jiff::civil::date(2026, 1, 15)) {
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
    for document in repository::folder("scenarios") {
        let value = document.root.to_json();
        let errors: Vec<_> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", document.file);
    }
}
