//! SARIF: against the OASIS schema where it is at hand, and its structure always.

use std::path::PathBuf;

use airtight_lint::{Catalogue, sarif, schema};
use airtight_testkit::repository;
use serde_json::Value;

use crate::harness::{Linted, linted};

const MANIFESTS: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: kong, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {team: edge}}
    - podSelector: {matchLabels: {app: kong}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: copied, namespace: shop}
spec: {podSelector: {}, ingress: [{}]}
";

fn example() -> Linted {
    linted(&[("policies/a b.yaml", MANIFESTS)], "reference")
}

#[test]
fn the_log_has_what_code_scanning_needs() {
    let linted = example();
    let log = sarif(&linted.report, &linted.sources);
    let run = &log["runs"][0];
    assert_eq!(log["version"], "2.1.0");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), Catalogue::embedded().rules().len());
    let texts = ["shortDescription", "fullDescription", "help"];
    assert!(
        rules.iter().all(|rule| texts.iter().all(|text| rule[text]["text"].as_str().is_some_and(|t| !t.is_empty())))
    );
    let results = run["results"].as_array().unwrap();
    let codes: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    assert!(codes.contains(&"peers-are-alternatives") && codes.contains(&"unknown-field"), "{codes:?}");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "policies/a%20b.yaml");
        let region = &place["region"];
        assert!(region["endColumn"].as_u64() > region["startColumn"].as_u64(), "{region}");
        assert!(result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap().ends_with(":1"));
    }
}

#[test]
fn no_findings_are_an_empty_log_and_not_none() {
    let linted = linted(&[("a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")], "reference");
    let log = sarif(&linted.report, &linted.sources);
    assert_eq!(log["runs"][0]["results"], Value::Array(Vec::new()), "{}", linted.shown());
}

/// The schema of OASIS is not ours to carry: `../shared/schemas`, or where `AIRTIGHT_SCHEMAS` points.
#[test]
fn the_log_is_valid_against_the_schema_of_oasis() {
    let folder = std::env::var_os("AIRTIGHT_SCHEMAS")
        .map_or_else(|| repository::root().join("../shared/schemas"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("sarif-schema-2.1.0.json")) else {
        eprintln!("SKIPPED: {} has no sarif-schema-2.1.0.json", folder.display());
        return;
    };
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let linted = example();
    let log = sarif(&linted.report, &linted.sources);
    let errors: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_json_is_valid_against_its_own_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let report = serde_json::to_value(&example().report).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
