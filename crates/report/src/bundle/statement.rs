//! An in-toto statement with a test result (in-toto attestation framework, predicate `test-result` v0.1).
//!
//! It has three results and no word for what nobody can tell: that counts as failed. What is waived or was not tried is a
//! warning; both are named with what they are.

use airtight_matrix::run::{ExitStatus, RunRecord};
use serde_json::{Value, json};

use super::MANIFEST;
use super::manifest::Manifest;
use super::seal::digest;
use crate::place::Places;
use crate::standing::Standing;

/// The predicate's type.
pub(super) const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// The statement about a manifest, with its predicate.
pub(super) fn statement(record: &RunRecord, manifest: &Manifest, text: &[u8]) -> (Value, Value) {
    let predicate = predicate(record, manifest);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": MANIFEST, "digest": {"sha256": digest(text)}},
            {"name": "policies", "digest": {"sha256": manifest.policies}},
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    });
    (statement, predicate)
}

fn predicate(record: &RunRecord, manifest: &Manifest) -> Value {
    let ids = |wanted: &[(Standing, &str)]| -> Vec<String> {
        let marked = record.cases.iter().filter_map(|case| {
            let (_, mark) = wanted.iter().find(|(standing, _)| Standing::of(case) == *standing)?;
            Some(format!("{}{mark}", case.case.id))
        });
        marked.collect()
    };
    let places = Places::of(record);
    let inputs =
        record.inputs.iter().map(|(name, sha256)| json!({"name": places.relative(name), "digest": {"sha256": sha256}}));
    let tool = json!({"name": "airtight", "uri": format!("pkg:cargo/airtight@{}", manifest.tool.version)});
    let mut predicate = json!({
        "result": result(record),
        "configuration": inputs.chain([tool]).collect::<Vec<_>>(),
        "passedTests": ids(&[(Standing::Allowed, ""), (Standing::Denied, "")]),
        "warnedTests": ids(&[(Standing::Waived, " (waived)"), (Standing::Skipped, " (skipped)")]),
        "failedTests": ids(&[(Standing::Failed, ""), (Standing::Inconclusive, " (inconclusive)")]),
    });
    if let Some(url) = &manifest.produced_by.url {
        predicate["url"] = json!(url);
    }
    predicate
}

fn result(record: &RunRecord) -> &'static str {
    let summary = &record.summary;
    match summary.status {
        ExitStatus::Passed if summary.passed == summary.total => "PASSED",
        ExitStatus::Passed => "WARNED",
        ExitStatus::Failed
        | ExitStatus::InputError
        | ExitStatus::Inconclusive
        | ExitStatus::NothingSelected
        | ExitStatus::NoTestbed => "FAILED",
    }
}
