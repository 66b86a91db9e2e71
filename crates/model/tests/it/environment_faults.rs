//! What about an Environment cannot be, each with its place.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use airtight_manifest::{Diagnostic, yaml};
use airtight_model::world::Environment;
use airtight_testkit::vectors;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    title: String,
    spec: String,
    faults: Vec<String>,
}

/// Lines above the first of `spec`, and columns before it.
const HEAD: u32 = 4;
const INDENT: u32 = 2;

fn told(fault: &Diagnostic) -> String {
    let at = fault.location.as_ref().unwrap();
    format!("{}:{}: {}", at.position.line - HEAD, at.position.column - INDENT, fault.message)
}

#[test]
fn every_vector_holds() {
    for (_, vector) in vectors::listed::<Vector>("tests/vectors/environment") {
        let spec = vector.spec.replace('\n', "\n  ");
        let head = "apiVersion: airtight.dev/v1alpha1\nkind: Environment\nmetadata: {name: around}\nspec:\n  ";
        let documents = yaml::parse(&Arc::from("environment.yaml"), &format!("{head}{spec}")).unwrap();
        let faults = Environment::read(&documents[0]).err().unwrap_or_default();
        assert!(faults.iter().all(|fault| fault.code == "environment-conflict"), "{}: {faults:?}", vector.title);
        assert_eq!(faults.iter().map(told).collect::<Vec<_>>(), vector.faults, "{}", vector.title);
    }
}
